// What fibers cost without a network: to switch, to begin and end, to wait with a deadline.
#include <asio.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <thread>

#include "benchmarks/suite.h"
#include "redial/fiber.h"
#include "redial/source.h"

namespace redial::benchmarks {
namespace {

constexpr int kCpu = 0;
constexpr int kTimes = 20000;

// Nanoseconds that `body` takes in a fiber of a runtime with one worker, over `times`.
template <class F>
Measured InFiber(int times, F body) {
  PinTo(kCpu);
  auto fibers = FiberRuntime::Create({.workers = 1});
  if (!fibers.ok()) std::abort();
  double nanos = 0;
  const absl::Status ran = fibers->Run([&] {
    const double started = NowNanos();
    body();
    nanos = NowNanos() - started;
  });
  if (!ran.ok()) std::abort();
  return {nanos / times};
}

// Two fibers that let each other run: each turn is a switch to the loop and one to the other fiber.
Measured TimeSwitch() {
  return InFiber(2 * kTimes, [] {
    const auto yield = [] {
      for (int i = 0; i < kTimes; ++i) {
        if (!FiberRuntime::Yield().ok()) std::abort();
      }
    };
    auto other = Runtime::Current().Spawn(yield);
    if (!other.ok()) std::abort();
    yield();
  });
}

// The least that two threads on one core need for it.
class Turns {
 public:
  void Take(bool mine) {
    for (int i = 0; i < kTimes; ++i) {
      std::unique_lock lock(mu_);
      changed_.wait(lock, [&] { return turn_ == mine; });
      turn_ = !mine;
      changed_.notify_one();
    }
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool turn_ = false;
};

Measured TimeThreadSwitch() {
  PinTo(kCpu);
  Turns turns;
  const double started = NowNanos();
  std::thread other([&] { turns.Take(true); });
  turns.Take(false);
  other.join();
  return {(NowNanos() - started) / (2 * kTimes)};
}

Measured TimeSpawn() {
  return InFiber(kTimes, [] {
    for (int i = 0; i < kTimes; ++i) {
      auto task = Runtime::Current().Spawn([] {});
      if (!task.ok()) std::abort();
      task->Join();
    }
  });
}

Measured TimeThreadSpawn() {
  constexpr int kThreads = 500;
  PinTo(kCpu);
  const double started = NowNanos();
  for (int i = 0; i < kThreads; ++i) std::thread([] {}).join();
  return {(NowNanos() - started) / kThreads};
}

// One fiber waits for what doesn't happen, with a deadline; another stops it.
Measured TimeCancelledWait() {
  return InFiber(kTimes, [] {
    Runtime& runtime = Runtime::Current();
    std::stop_source stop;
    auto waiter = runtime.Spawn([&] {
      for (int i = 0; i < kTimes; ++i) {
        const Deadline deadline = Deadline::After(runtime.Now(), absl::Seconds(5));
        if (runtime.SleepUntil(deadline, stop.get_token()) != WaitResult::kStopped) std::abort();
        stop = std::stop_source();
      }
    });
    if (!waiter.ok()) std::abort();
    for (int i = 0; i < kTimes; ++i) {
      if (!FiberRuntime::Yield().ok()) std::abort();
      stop.request_stop();
    }
  });
}

// Asio's: a callback waits for a timer, another cancels it.
Measured TimeCancelledTimer() {
  PinTo(kCpu);
  asio::io_context io(1);
  asio::steady_timer timer(io);
  int left = kTimes;
  std::function<void()> wait = [&] {
    timer.expires_after(std::chrono::seconds(5));
    timer.async_wait([&](asio::error_code error) {
      if (!error) std::abort();
      if (--left > 0) wait();
    });
    asio::post(io, [&] { timer.cancel(); });
  };
  const double started = NowNanos();
  wait();
  io.run();
  return {(NowNanos() - started) / kTimes};
}

}  // namespace

void AddFiberCostBenchmarks(Suite& suite) {
  suite.Add("fiber_switch", "threads, condvar", TimeSwitch, TimeThreadSwitch);
  suite.Add("fiber_spawn", "std::thread", TimeSpawn, TimeThreadSpawn);
  suite.Add("fiber_cancelled_wait", "Asio timer, cancelled", TimeCancelledWait, TimeCancelledTimer);
}

}  // namespace redial::benchmarks
