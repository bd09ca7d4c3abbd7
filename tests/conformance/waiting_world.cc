#include "tests/conformance/waiting_world.h"

#include <utility>

#include "redial/runtime.h"
#include "tests/conformance/fiber_world.h"
#include "tests/conformance/virtual_loop.h"

namespace redial::conformance {
namespace {

class ThreadWorld final : public WaitingWorld {
 public:
  void Run(absl::AnyInvocable<void()> body) override { body(); }
  StreamPair Connect() override { return ConnectThroughKernel(); }
};

class FiberWorld final : public WaitingWorld {
 public:
  void Run(absl::AnyInvocable<void()> body) override { RunOnFibers(std::move(body)); }
  StreamPair Connect() override { return ConnectThroughKernel(); }
};

class VirtualWorld final : public WaitingWorld {
 public:
  void Run(absl::AnyInvocable<void()> body) override {
    VirtualLoop loop;
    Task task = loop.Start([&] {
      body();
      loop.Stop();
    });
    loop.Run();
  }
  StreamPair Connect() override { return ConnectInMemory(); }
};

}  // namespace

std::unique_ptr<WaitingWorld> MakeWaitingThreadWorld() { return std::make_unique<ThreadWorld>(); }
std::unique_ptr<WaitingWorld> MakeWaitingFiberWorld() { return std::make_unique<FiberWorld>(); }
std::unique_ptr<WaitingWorld> MakeWaitingVirtualWorld() { return std::make_unique<VirtualWorld>(); }

}  // namespace redial::conformance
