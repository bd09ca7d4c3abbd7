// The shared state under real threads, for ThreadSanitizer: calls on four threads share policies, and
// a call that waits sleeps until it is woken. A wake-up that were lost would hang it.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "redial/redial.h"
#include "src/core/call_machine.h"
#include "src/core/mix.h"
#include "tests/support/bell.h"
#include "tests/support/law_kit.h"
#include "tests/support/law_shipped.h"

namespace redial::testing {
namespace {

constexpr int kThreads = 4;

// Time passes by one microsecond at each look, and jumps to where somebody wants to wait until.
class SharedClock {
 public:
  Instant Now() { return Instant::FromNanos(nanos_.fetch_add(1000, std::memory_order_relaxed)); }
  void JumpTo(Instant at) {
    int64_t now = nanos_.load(std::memory_order_relaxed);
    while (now < at.nanos() &&
           !nanos_.compare_exchange_weak(now, at.nanos(), std::memory_order_relaxed)) {
    }
  }

 private:
  std::atomic<int64_t> nanos_ = Instant::VirtualOrigin().nanos() + 1;
};

class Driver final : public WakeSource {
 public:
  Driver(const PolicySet& set, SharedClock& clock) : set_(set), clock_(clock) {}

  std::shared_ptr<WakeTarget> wake_target() override {
    if (!bell_) bell_ = std::make_shared<Bell>();
    return bell_;
  }

  // False if the call hung.
  bool Run(uint64_t seed) {
    CallMachine machine(set_, {.deadline = {}, .idempotent = true, .seed = seed, .wake = this});
    machine.Begin(clock_.Now());
    for (;;) {
      const CallMachine::Action action = machine.Next();
      switch (action.type) {
        case CallMachine::Action::Type::kStart:
          Attempt(machine, action.id, internal::Mix64(seed + static_cast<uint64_t>(action.id)));
          break;
        case CallMachine::Action::Type::kWait:
          if (!Wait(machine, action.until, seed)) return false;
          break;
        case CallMachine::Action::Type::kDone:
          return true;
        default:
          break;
      }
      if (seed % 16 == 0 && machine.attempts() == 2) return true;  // as after an exception
    }
  }

 private:
  void Attempt(CallMachine& machine, int id, uint64_t draw) {
    if (draw % 4 == 0) std::this_thread::yield();
    Outcome outcome;
    if (draw % 5 == 0) {
      outcome.code = absl::StatusCode::kUnavailable;
      outcome.sent = Sent::kNo;
    }
    machine.AttemptDone(clock_.Now(), id, outcome);
  }

  bool Wait(CallMachine& machine, Deadline until, uint64_t seed) {
    if (!until.is_never()) {
      clock_.JumpTo(until.instant());
      machine.Tick(clock_.Now());
    } else if (seed % 8 == 1) {
      machine.Cancel(clock_.Now());
    } else {
      if (!bell_->Await()) return false;
      machine.Wake(clock_.Now());
    }
    return true;
  }

  const PolicySet& set_;
  SharedClock& clock_;
  std::shared_ptr<Bell> bell_;
};

void RunOnThreads(const LawKit& kit, uint64_t calls) {
  const PolicySet set = *PolicySet::Create(kit.list());
  SharedClock clock;
  std::atomic<int> hung = 0;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < calls; ++i) {
        Driver driver(set, clock);
        if (!driver.Run(internal::Mix64(t * calls + i))) {
          ++hung;
          return;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(hung.load(), 0);
  EXPECT_EQ(kit.Audit(/*idle=*/true), "");
}

TEST(Threads, ABulkheadLosesNoWakeUp) {
  LawKit kit;
  kit.Add<LawBulkhead>(2, size_t{100});
  kit.Add<LawRetry>(3, kMilli, kMilli);
  RunOnThreads(kit, 3000);
}

TEST(Threads, TwoBulkheadsThatBothAreNeededDoNotDeadlock) {
  LawKit kit;
  kit.Add<LawBulkhead>(2, size_t{100});
  kit.Add<LawBulkhead>(1, size_t{100});
  RunOnThreads(kit, 2000);
}

TEST(Threads, PoliciesOfAllKindsShareTheirState) {
  LawKit kit;
  kit.Add<LawRetry>(4, kMilli, kMilli);
  kit.Add<LawBreaker>(6, 2 * kMilli);
  kit.Add<LawBulkhead>(2, size_t{100});
  kit.Add<LawLimiter>(kMilli / 10, 4, 100 * kMilli);
  kit.Add<LawThrottle>(4.0);
  kit.Add<LawBudget>(10);
  RunOnThreads(kit, 2000);
}

// The same with those that ship. The bulkhead is narrower than the threads are many, so that they wait
// for each other.
TEST(Threads, ShippedPoliciesShareTheirState) {
  LawKit kit;
  const auto add = [&](PolicyPtr policy) {
    kit.Add<LawShipped>(std::move(policy), "", /*alone=*/false);
  };
  add(Retry({.max_attempts = 3, .backoff = Constant(absl::Milliseconds(1))}));
  add(RetryBudget());
  add(CircuitBreaker({.minimum_throughput = 10, .open_time = Constant(absl::Milliseconds(2))}));
  add(AttemptTimeout({.timeout = absl::Seconds(1), .quantile = 0.9}));
  add(Bulkhead({.max_concurrent = 2, .max_queue = 100, .target_delay = absl::InfiniteDuration()}));
  add(RateLimit({.rate = 10'000, .burst = 4}));
  add(AdaptiveLimit({.window = absl::Milliseconds(1)}));
  add(AdaptiveThrottle({.window = absl::Milliseconds(5)}));
  add(Hedge({.delay = absl::Milliseconds(1), .max_ratio = 1}));
  add(Metrics());
  RunOnThreads(kit, 2000);
}

}  // namespace
}  // namespace redial::testing
