// What the tests of `AsioCalls` share: where calls run, and peers. Tests with coroutines are for
// builds with exceptions, as Asio's `co_spawn` is.
#ifndef REDIAL_TESTS_ASIO_CALLS_KIT_H_
#define REDIAL_TESTS_ASIO_CALLS_KIT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redial/asio/calls.h"
#include "redial/fiber.h"
#include "redial/redial.h"
#include "redial/testing/matchers.h"

namespace redial::testing {

inline Deadline In(absl::Duration time) { return Deadline::After(Runtime::Threads().Now(), time); }

inline void Pause(absl::Duration time) { Runtime::Threads().SleepUntil(In(time), {}); }

// Runs nothing until it is told to; then on threads.
class HeldRuntime final : public Runtime {
 public:
  Instant Now() override { return Threads().Now(); }
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) override {
    return Threads().Spawn([this, fn = std::move(fn)]() mutable {
      Threads().WaitFor(released_);
      released_.Set();
      fn();
    });
  }
  uint64_t NextSeed() override { return Threads().NextSeed(); }
  void Release() { released_.Set(); }

 protected:
  int DoWait(Instant, absl::Span<Source* const>, Deadline, const std::stop_token&) override {
    return kTimedOut;
  }

 private:
  Event released_;
};

// One that never has a thread to give.
class ExhaustedRuntime final : public Runtime {
 public:
  Instant Now() override { return Threads().Now(); }
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()>) override {
    return absl::ResourceExhaustedError("no thread today");
  }
  uint64_t NextSeed() override { return 1; }

 protected:
  int DoWait(Instant, absl::Span<Source* const>, Deadline, const std::stop_token&) override {
    return kTimedOut;
  }
};

// Accepts connections that nobody answers.
class SilentServer {
 public:
  SilentServer() : listener_(*Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0))) {}
  std::string target() const { return "tcp://" + listener_.local().ToString(); }

 private:
  Listener listener_;
};

// Answers each line with itself.
class EchoServer {
 public:
  explicit EchoServer(FiberRuntime& fibers)
      : listener_(*Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0))),
        accepting_(*fibers.Spawn("echo server", [this] { Accept(); })) {}
  ~EchoServer() {
    stop_.request_stop();
    accepting_.Join();
  }
  std::string target() const { return "tcp://" + listener_.local().ToString(); }

 private:
  void Accept() {
    std::vector<Task> serving;
    for (;;) {
      auto socket = listener_.Accept(Deadline::Never(), stop_.get_token());
      if (!socket.ok()) return;
      auto peer = std::make_shared<Socket>(*std::move(socket));
      auto task = Runtime::Current().Spawn([peer, stop = stop_.get_token()] {
        peer->set_stop_token(stop);
        for (;;) {
          auto line = peer->ReadUntil("\n");
          if (!line.ok() || !peer->Write(*line).ok()) return;
        }
      });
      if (task.ok()) serving.push_back(*std::move(task));
    }
  }

  Listener listener_;
  std::stop_source stop_;
  Task accepting_;
};

inline Client ClientOf(const std::string& target, PolicyList policies = {}) {
  auto client = Client::Create(target, std::move(policies));
  EXPECT_THAT(client, IsOk());
  return *std::move(client);
}

inline absl::StatusOr<std::string> Ask(Socket& socket) {
  if (auto sent = socket.Write("ping\n"); !sent.ok()) return sent;
  return socket.ReadUntil("\n");
}

// Both places where a call can run.
class AsioCallsTest : public ::testing::TestWithParam<bool> {
 protected:
  bool on_fibers() const { return GetParam(); }
  // Calls for a context of the test's.
  std::unique_ptr<AsioCalls> NewCalls(asio::io_context& context) {
    if (!on_fibers()) return std::make_unique<AsioCalls>(context);
    return std::make_unique<AsioCalls>(context, fibers_);
  }

  FiberRuntime fibers_ = *FiberRuntime::Create({.workers = 2});
  asio::io_context io_;
  std::unique_ptr<AsioCalls> calls_ = NewCalls(io_);
};

inline std::string PlaceName(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "Fibers" : "Threads";
}

}  // namespace redial::testing

#endif  // REDIAL_TESTS_ASIO_CALLS_KIT_H_
