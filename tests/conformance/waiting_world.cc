#include "tests/conformance/waiting_world.h"

#include <gtest/gtest.h>

#include <thread>

#include "redial/runtime.h"
#include "tests/conformance/epoll_loop.h"
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
  FiberWorld() {
    first_.set_neighbour(second_);
    second_.set_neighbour(first_);
  }

  void Run(absl::AnyInvocable<void()> body) override {
    std::thread first([this] { first_.Run(); });
    std::thread second([this] { second_.Run(); });
    first_.Start(std::move(body)).Join();
    first_.Stop();
    second_.Stop();
    first.join();
    second.join();
    EXPECT_EQ(first_.watched(), 0u)
        << "a descriptor was closed, but its registration is still there";
    EXPECT_EQ(second_.watched(), 0u)
        << "a descriptor was closed, but its registration is still there";
  }

  StreamPair Connect() override { return ConnectThroughKernel(); }

 private:
  EpollLoop first_;
  EpollLoop second_;
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
