// What a user gives a policy to call may call the policy: nothing of a user's runs under a lock.
// (gobreaker runs its callbacks under its own.) Where something does, a test here hangs.
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <utility>

#include "redial/redial.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using testing::VirtualRuntime;

PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

void Fail(const PolicySet& set, int calls) {
  for (int i = 0; i < calls; ++i) {
    EXPECT_FALSE(Call({.operation = "PING", .idempotent = true}, set, [] {
                   return absl::UnavailableError("down");
                 }).ok());
  }
}

PolicyPtr TwiceAtOnce() {
  return Retry({.max_attempts = 2, .backoff = Constant(absl::ZeroDuration())});
}

// Opens after two failures, so that these and probes come by.
CircuitBreakerOptions OpensSoon() {
  return {.minimum_throughput = 2, .open_time = Constant(absl::Microseconds(1))};
}

TEST(ReenteringTest, ABreakersPredicates) {
  VirtualRuntime runtime;
  std::shared_ptr<CircuitBreakerPolicy> breaker;
  CircuitBreakerOptions options = OpensSoon();
  int asked = 0;
  options.failure_on = Predicate([&](const Outcome&) {
    ++asked;
    EXPECT_GE(breaker->snapshot().results, 0);
    EXPECT_EQ(breaker->Reconfigure(options), absl::OkStatus());
    if (asked % 8 == 0) breaker->Reset();
    return true;
  });
  options.ignore_on = Predicate([&](const Outcome&) {
    breaker->Force(CircuitBreakerPolicy::Override::kNone);
    return false;
  });
  breaker = CircuitBreaker(options);
  const PolicySet set = Set({TwiceAtOnce(), breaker});
  for (int i = 0; i < 50; ++i) {
    Fail(set, 1);
    runtime.Advance(absl::Microseconds(1));
  }
  EXPECT_GE(asked, 50) << "of attempts and of probes";
  EXPECT_GT(breaker->snapshot().opened, 0);
  EXPECT_EQ(breaker->snapshot().probes_out, 0);
}

TEST(ReenteringTest, AThrottlesPredicate) {
  VirtualRuntime runtime;
  std::shared_ptr<AdaptiveThrottlePolicy> throttle;
  AdaptiveThrottleOptions options;
  int asked = 0;
  options.overload_on = Predicate([&](const Outcome&) {
    ++asked;
    EXPECT_GE(throttle->snapshot().requests, 0);
    EXPECT_EQ(throttle->Reconfigure(options), absl::OkStatus());
    return true;
  });
  throttle = AdaptiveThrottle(options);
  Fail(Set({throttle}), 50);
  EXPECT_EQ(throttle->snapshot().requests, 50);
  EXPECT_EQ(asked + throttle->snapshot().refused, 50);
}

// Each event of calls that open a breaker, stand in a bulkhead and empty a budget.
TEST(ReenteringTest, ASinkOfReports) {
  VirtualRuntime runtime;
  const auto breaker = CircuitBreaker(OpensSoon());
  const auto budget = RetryBudget();
  const auto bulkhead = Bulkhead();
  const auto limit = AdaptiveLimit();
  const auto rate = RateLimit({.rate = 1'000'000});
  const auto throttle = AdaptiveThrottle();
  const auto hedge = Hedge();
  const auto timeout = AttemptTimeout(absl::Seconds(1));
  const auto metrics = Metrics();
  int events = 0;
  int changes = 0;
  const auto sink = [&](const CallEvent& event) {
    ++events;
    if (event.type == CallEvent::Type::kPolicyChanged) ++changes;
    for (const Policy* const policy : std::initializer_list<const Policy*>{
             breaker.get(), budget.get(), bulkhead.get(), limit.get(), rate.get(), throttle.get(),
             hedge.get(), timeout.get(), metrics.get()}) {
      policy->Measure([](const Gauge&) {});
    }
    EXPECT_EQ(breaker->Reconfigure(OpensSoon()), absl::OkStatus());
    EXPECT_EQ(budget->Reconfigure({}), absl::OkStatus());
    EXPECT_EQ(bulkhead->Reconfigure({}), absl::OkStatus());
    EXPECT_EQ(limit->Reconfigure({}), absl::OkStatus());
    EXPECT_EQ(rate->Reconfigure({.rate = 1'000'000}), absl::OkStatus());
    EXPECT_EQ(throttle->Reconfigure({}), absl::OkStatus());
    EXPECT_EQ(hedge->Reconfigure({}), absl::OkStatus());
    EXPECT_EQ(timeout->Reconfigure({.timeout = absl::Seconds(1), .round_trips = 0}),
              absl::OkStatus());
    if (events % 20 == 0) breaker->Reset();
  };
  const PolicySet set = Set({TwiceAtOnce(), breaker, budget, bulkhead, limit, rate, throttle, hedge,
                             timeout, metrics, Report(ToFunction(sink))});
  Fail(set, 50);
  EXPECT_EQ(metrics->snapshot().calls.total(), 50);
  EXPECT_GT(changes, 0);
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

// Of a Retry's pauses, about the policies beside it. (A breaker takes none for its open time.)
TEST(ReenteringTest, ABackoffOfOnesOwn) {
  VirtualRuntime runtime;
  const auto breaker = CircuitBreaker(OpensSoon());
  const auto budget = RetryBudget();
  int asked = 0;
  const PolicyPtr retry =
      Retry({.max_attempts = 2, .backoff = CustomBackoff([&](const BackoffTurn&) {
                                  ++asked;
                                  EXPECT_LE(budget->snapshot().tokens, 2);
                                  EXPECT_EQ(budget->Reconfigure({}), absl::OkStatus());
                                  EXPECT_EQ(breaker->Reconfigure(OpensSoon()), absl::OkStatus());
                                  breaker->Reset();
                                  return absl::ZeroDuration();
                                })});
  Fail(Set({retry, breaker, budget}), 10);
  EXPECT_GE(asked, 2);
  EXPECT_EQ(budget->snapshot().admitted, 2);
}

}  // namespace
}  // namespace redial
