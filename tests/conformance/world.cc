#include "tests/conformance/world.h"

#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "tests/conformance/epoll_loop.h"
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
  FiberWorld() {
    first_.set_neighbour(second_);
    second_.set_neighbour(first_);
  }

  std::string_view name() const override { return "fibers"; }
  void Run(absl::AnyInvocable<void()> body) override {
    std::thread first([this] { first_.Run(); });
    std::thread second([this] { second_.Run(); });
    first_.Start(std::move(body)).Join();
    first_.Stop();
    second_.Stop();
    first.join();
    second.join();
    EXPECT_EQ(first_.watched() + second_.watched(), 0u)
        << "a descriptor was closed, but its registration is still there";
  }

 private:
  EpollLoop first_;
  EpollLoop second_;
};

}  // namespace

absl::StatusOr<Task> World::SpawnElsewhere(absl::AnyInvocable<void()> fn) {
  return Runtime::Current().Spawn(std::move(fn));
}

std::unique_ptr<World> MakeThreadWorld() { return std::make_unique<ThreadWorld>(); }
std::unique_ptr<World> MakeFiberWorld() { return std::make_unique<FiberWorld>(); }

}  // namespace redial::conformance
