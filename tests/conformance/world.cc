#include "tests/conformance/world.h"

#include <utility>

#include "tests/conformance/fiber_world.h"
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
  void Run(absl::AnyInvocable<void()> body) override { RunOnFibers(std::move(body)); }
};

}  // namespace

absl::StatusOr<Task> World::SpawnElsewhere(absl::AnyInvocable<void()> fn) {
  return Runtime::Current().Spawn(std::move(fn));
}

std::unique_ptr<World> MakeThreadWorld() { return std::make_unique<ThreadWorld>(); }
std::unique_ptr<World> MakeFiberWorld() { return std::make_unique<FiberWorld>(); }

}  // namespace redial::conformance
