#include "tests/conformance/world.h"

#include <gtest/gtest.h>

#include <utility>

#include "redial/fiber.h"
#include "tests/conformance/kernel_world.h"

namespace redial::conformance {
namespace {

class ThreadWorld final : public KernelWorld {
 public:
  std::string_view name() const override { return "threads"; }
  void Run(absl::AnyInvocable<void()> body) override { body(); }
};

class FiberWorld final : public KernelWorld {
 public:
  std::string_view name() const override { return "fibers"; }
  void Run(absl::AnyInvocable<void()> body) override {
    ASSERT_EQ(fibers_.status(), absl::OkStatus());
    EXPECT_EQ(fibers_->Run(std::move(body)), absl::OkStatus());
    EXPECT_EQ(fibers_->counts().fibers, 0);
    EXPECT_EQ(fibers_->counts().descriptors, 0U)
        << "a descriptor was closed, but its registration is still there";
  }
  absl::StatusOr<Task> SpawnElsewhere(absl::AnyInvocable<void()> fn) override {
    return fibers_->Spawn(std::move(fn));
  }

 private:
  absl::StatusOr<FiberRuntime> fibers_ =
      FiberRuntime::Create({.workers = 2, .stack_size = size_t{256} * 1024});
};

}  // namespace

absl::StatusOr<Task> World::SpawnElsewhere(absl::AnyInvocable<void()> fn) {
  return Runtime::Current().Spawn(std::move(fn));
}

std::unique_ptr<World> MakeThreadWorld() { return std::make_unique<ThreadWorld>(); }
std::unique_ptr<World> MakeFiberWorld() { return std::make_unique<FiberWorld>(); }

}  // namespace redial::conformance
