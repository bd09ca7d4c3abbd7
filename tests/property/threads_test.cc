// The shared state under real threads, for ThreadSanitizer: calls on four threads share policies, and
// a call that waits sleeps until it is woken. A wake-up that were lost would hang it.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
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
#include "tests/support/machine_trace.h"

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

// `beside` is called again and again meanwhile.
void RunOnThreads(const LawKit& kit, uint64_t calls, const std::function<void()>& beside = {}) {
  const PolicySet set = *PolicySet::Create(kit.list());
  SharedClock clock;
  std::atomic<int> hung = 0;
  std::atomic<int> running = kThreads;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < calls; ++i) {
        Driver driver(set, clock);
        if (!driver.Run(internal::Mix64(t * calls + i))) {
          ++hung;
          break;
        }
      }
      --running;
    });
  }
  while (beside && running > 0) {
    beside();
    std::this_thread::yield();
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

// A policy, how it changes between two configurations that are both valid, and what must be true
// of it after the calls that were counted, once all have ended.
struct Changing {
  PolicyPtr policy;
  std::function<absl::Status(bool odd)> change;
  std::function<void(const MetricsPolicy::Snapshot& counted)> check;
};

template <class P, class Options>
Changing Between(const std::shared_ptr<P>& policy, const Options& one, const Options& other,
                 void (*check)(P&, const MetricsPolicy::Snapshot&)) {
  return {policy, [=](bool odd) { return policy->Reconfigure(odd ? other : one); },
          [=](const MetricsPolicy::Snapshot& counted) { check(*policy, counted); }};
}

// Attempts that came to something: those of calls that were dropped prove nothing.
int64_t Judged(const MetricsPolicy::Snapshot& counted) {
  return counted.attempts.total() - counted.attempts.aborted;
}

Changing ABreaker() {
  const CircuitBreakerOptions one = {.window = CountWindow(5000),
                                     .failure_ratio = 1,
                                     .minimum_throughput = 1000,
                                     .consecutive_failures = 1000};
  CircuitBreakerOptions other = one;
  other.window = CountWindow(4000);
  other.minimum_throughput = 3000;
  return Between<CircuitBreakerPolicy>(
      CircuitBreaker(one), one, other, [](auto& breaker, const auto& counted) {
        EXPECT_EQ(breaker.snapshot().results, Judged(counted));
        EXPECT_EQ(breaker.snapshot().failures, counted.attempts.of(absl::StatusCode::kUnavailable));
        EXPECT_EQ(breaker.state(), CircuitBreakerPolicy::State::kClosed);
      });
}

Changing ABreakerThatOpens() {
  const CircuitBreakerOptions one = {.window = CountWindow(5),
                                     .failure_ratio = 0.4,
                                     .minimum_throughput = 5,
                                     .open_time = Constant(absl::Microseconds(20))};
  CircuitBreakerOptions other = one;
  other.window = TimeWindow(absl::Milliseconds(1));
  other.probes = 3;
  return Between<CircuitBreakerPolicy>(
      CircuitBreaker(one), one, other, [](auto& breaker, const auto&) {
        const CircuitBreakerPolicy::Snapshot now = breaker.snapshot();
        EXPECT_GT(now.opened, 0);
        EXPECT_GE(now.results, now.failures);
        EXPECT_LE(now.failure_ratio, 1);
        EXPECT_EQ(now.probes_out, 0);
      });
}

Changing ABudget() {
  const RetryBudgetOptions one = {.per_success = 0.5, .max_tokens = 1e6, .initial_tokens = 10};
  RetryBudgetOptions other = one;
  other.max_tokens = 2e6;
  other.kept_back = 3;
  return Between<RetryBudgetPolicy>(
      RetryBudget(one), one, other, [](auto& budget, const auto& counted) {
        const RetryBudgetPolicy::Snapshot now = budget.snapshot();
        EXPECT_EQ(now.admitted, counted.retries.total());
        const auto successes = static_cast<double>(counted.attempts.of(absl::StatusCode::kOk));
        EXPECT_EQ(now.tokens, 10 + 0.5 * successes - static_cast<double>(now.admitted));
      });
}

Changing ATimeout() {
  const AttemptTimeoutOptions one = {
      .timeout = absl::Seconds(2), .quantile = 0.9, .window = absl::Hours(1), .min_samples = 10};
  AttemptTimeoutOptions other = one;
  other.timeout = absl::Seconds(1);
  other.quantile = 0.5;
  other.factor = 2;
  return Between<AttemptTimeoutPolicy>(
      AttemptTimeout(one), one, other, [](auto& timeout, const auto& counted) {
        const AttemptTimeoutPolicy::Snapshot now = timeout.snapshot();
        EXPECT_EQ(now.samples, counted.attempts.of(absl::StatusCode::kOk));
        EXPECT_GE(now.timeout, absl::Milliseconds(10));
        EXPECT_LE(now.timeout, absl::Seconds(2));
      });
}

Changing AHedge() {
  const HedgeOptions one = {
      .delay = absl::Milliseconds(1), .max_ratio = 0.5, .max_saved = 1'000'000};
  HedgeOptions other = one;
  other.delay = std::nullopt;
  other.min_samples = 10;
  other.max_hedges = 3;
  return Between<HedgePolicy>(Hedge(one), one, other, [](auto& hedge, const auto& counted) {
    const HedgePolicy::Snapshot now = hedge.snapshot();
    EXPECT_EQ(now.hedges, counted.hedges);
    EXPECT_LE(now.won, now.hedges);
    const auto others = static_cast<double>(counted.attempts.total() - now.hedges);
    EXPECT_EQ(now.saved, 1 + 0.5 * others - static_cast<double>(now.hedges));
  });
}

Changing AThrottle() {
  const AdaptiveThrottleOptions one = {.window = absl::Hours(1),
                                       .overload_on = OnCode(absl::StatusCode::kUnavailable)};
  AdaptiveThrottleOptions other = one;
  other.window = absl::Hours(2);
  other.multiplier = 1;
  return Between<AdaptiveThrottlePolicy>(
      AdaptiveThrottle(one), one, other, [](auto& throttle, const auto& counted) {
        const AdaptiveThrottlePolicy::Snapshot now = throttle.snapshot();
        EXPECT_EQ(now.accepts, counted.attempts.of(absl::StatusCode::kOk));
        EXPECT_EQ(now.requests, Judged(counted) + now.refused);
        EXPECT_LE(now.refusal_probability, 0.9);
      });
}

// How many of five calls run at the same time.
int RunAtOnce(BulkheadPolicy& bulkhead) {
  const PolicySet set = *PolicySet::Create({PolicyPtr(PolicyPtr(), &bulkhead)});
  std::deque<MachineTrace> calls;
  int running = 0;
  for (int i = 0; i < 5; ++i) {
    CallMachine& call = calls.emplace_back(set, CallMachine::Config{.deadline = {}}).machine();
    call.Begin(calls.back().now());
    if (call.Next().type == CallMachine::Action::Type::kStart) ++running;
  }
  return running;
}

Changing ABulkhead() {
  const BulkheadOptions one = {
      .max_concurrent = 1, .max_queue = 100, .target_delay = absl::InfiniteDuration()};
  BulkheadOptions other = one;
  other.max_concurrent = 3;
  return Between<BulkheadPolicy>(Bulkhead(one), one, other, [](auto& bulkhead, const auto&) {
    EXPECT_EQ(bulkhead.snapshot().in_use, 0);
    EXPECT_EQ(bulkhead.snapshot().waiting, 0);
    EXPECT_EQ(bulkhead.snapshot().refused, 0);
    EXPECT_EQ(RunAtOnce(bulkhead), 3);
  });
}

Changing ARateLimit() {
  const RateLimitOptions one = {.rate = 10'000, .burst = 4};
  const RateLimitOptions other = {.rate = 1'000, .burst = 1};
  return Between<RateLimitPolicy>(RateLimit(one), one, other, [](auto& limit, const auto& counted) {
    EXPECT_EQ(limit.snapshot().waiting, 0);
    EXPECT_EQ(limit.snapshot().refused, 0);
    // At the higher rate, each turn that was taken is a tenth of a millisecond.
    const int64_t turns = counted.attempts.total() - 4;
    EXPECT_GE(limit.snapshot().next_start - Instant::VirtualOrigin(),
              turns * absl::Microseconds(100));
  });
}

Changing AnAdaptiveLimit() {
  const AdaptiveLimitOptions one = {
      .initial_limit = 2, .max_limit = 3, .window = absl::Milliseconds(1)};
  const AdaptiveLimitOptions other = {
      .algorithm = LimitAlgorithm::kVegas, .min_limit = 4, .initial_limit = 4, .max_limit = 5};
  return Between<AdaptiveLimitPolicy>(AdaptiveLimit(one), one, other, [](auto& limit, const auto&) {
    EXPECT_EQ(limit.snapshot().in_flight, 0);
    EXPECT_GE(limit.snapshot().limit, 4);
    EXPECT_LE(limit.snapshot().limit, 5);
  });
}

struct ChangingCase {
  const char* name;
  Changing (*make)();
};
void PrintTo(const ChangingCase& tested, std::ostream* out) { *out << tested.name; }

class ThreadsThatReconfigure : public ::testing::TestWithParam<ChangingCase> {};

TEST_P(ThreadsThatReconfigure, LoseNothing) {
  const Changing changing = GetParam().make();
  const auto metrics = Metrics();
  LawKit kit;
  kit.Add<LawShipped>(Retry({.max_attempts = 3, .backoff = Constant(absl::Milliseconds(1))}), "",
                      /*alone=*/false);
  kit.Add<LawShipped>(metrics, "", /*alone=*/false);
  kit.Add<LawShipped>(changing.policy, "", /*alone=*/false);
  bool odd = false;
  RunOnThreads(kit, 500, [&] {
    odd = !odd;
    EXPECT_EQ(changing.change(odd), absl::OkStatus());
  });
  EXPECT_EQ(changing.change(true), absl::OkStatus());
  changing.check(metrics->snapshot());
}

INSTANTIATE_TEST_SUITE_P(
    , ThreadsThatReconfigure,
    ::testing::Values(ChangingCase{"CircuitBreaker", ABreaker},
                      ChangingCase{"CircuitBreakerThatOpens", ABreakerThatOpens},
                      ChangingCase{"RetryBudget", ABudget},
                      ChangingCase{"AttemptTimeout", ATimeout}, ChangingCase{"Hedge", AHedge},
                      ChangingCase{"AdaptiveThrottle", AThrottle},
                      ChangingCase{"Bulkhead", ABulkhead}, ChangingCase{"RateLimit", ARateLimit},
                      ChangingCase{"AdaptiveLimit", AnAdaptiveLimit}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace redial::testing
