// What observers of a call hear of the policies' own state, in whole calls and virtual time.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "redial/call.h"
#include "redial/policies/adaptive_throttle.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using testing::VirtualRuntime;

// Calls with a policy, and what is told of it.
class PolicyChangesTest : public ::testing::Test {
 protected:
  void Use(PolicyPtr policy) {
    auto report = Report(ToFunction([this](const CallEvent& event) {
      if (event.type != CallEvent::Type::kPolicyChanged) return;
      told_.append(event.policy).append(":");
      told_.append(event.from).append(">").append(event.to).append(" ");
    }));
    auto retry = Retry({.max_attempts = 2,
                        .backoff = Constant(absl::ZeroDuration()),
                        .overload_backoff = Constant(absl::ZeroDuration())});
    auto set = PolicySet::Create({std::move(policy), std::move(retry), std::move(report)});
    ASSERT_TRUE(set.ok()) << set.status();
    set_ = *std::move(set);
  }
  void Calls(int times, const absl::Status& answer) {
    for (int i = 0; i < times; ++i) {
      ++seed_;
      Call({.operation = "GET", .idempotent = true, .seed = seed_}, set_, [&] {
        return answer;
      }).IgnoreError();
    }
  }
  // Since the last time.
  std::string Told() { return std::exchange(told_, {}); }

  VirtualRuntime runtime_;

 private:
  PolicySet set_;
  std::string told_;
  uint64_t seed_ = 0;
};

TEST_F(PolicyChangesTest, ABreakerThatIsForcedOpenSaysSoOnce) {
  const auto breaker = CircuitBreaker();
  Use(breaker);
  breaker->Force(CircuitBreakerPolicy::Override::kForcedOpen);
  Calls(3, absl::OkStatus());
  EXPECT_EQ(Told(), "CircuitBreaker:closed>forced_open ");
  breaker->Force(CircuitBreakerPolicy::Override::kNone);
  Calls(3, absl::OkStatus());
  EXPECT_EQ(Told(), "CircuitBreaker:forced_open>closed ");
}

// Once, however often it refuses, and not again while retries take what little comes in.
TEST_F(PolicyChangesTest, ABudgetSaysWhenItRefusesAndWhenItHasRecovered) {
  Use(RetryBudget());
  Calls(2, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "") << "the first two retries";
  Calls(3, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  for (int i = 0; i < 20; ++i) {
    Calls(10, absl::OkStatus());
    Calls(2, absl::UnavailableError("down"));
  }
  EXPECT_EQ(Told(), "");
  Calls(60, absl::OkStatus());
  Calls(1, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:refusing>admitting ");
}

// Also where nothing fails any more.
TEST_F(PolicyChangesTest, ABudgetThatIsFullAgainNeedsNoFailureToSaySo) {
  Use(RetryBudget());
  Calls(3, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  Calls(50 * 64, absl::OkStatus());  // on however many processors
  EXPECT_EQ(Told(), "RetryBudget:refusing>admitting ");
}

// Nor does it say that it admits where the next retry costs more than it has.
TEST_F(PolicyChangesTest, ABudgetForDearRetriesSaysSoOnce) {
  for (const RetryBudgetOptions& options :
       {RetryBudgetOptions{.max_tokens = 1, .initial_tokens = 0.6},
        RetryBudgetOptions{.overload_retry_cost = 6, .initial_tokens = 5.5}}) {
    Use(RetryBudget(options));
    Calls(5, absl::ResourceExhaustedError("busy"));
    EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  }
}

TEST_F(PolicyChangesTest, AThrottleSaysWhenItBeginsAndWhenItIsOver) {
  Use(AdaptiveThrottle({.window = absl::Seconds(10)}));
  Calls(100, absl::ResourceExhaustedError("busy"));
  EXPECT_EQ(Told(), "AdaptiveThrottle:calm>throttling ");
  for (int second = 0; second < 19; ++second) {
    runtime_.Advance(absl::Seconds(1));
    Calls(20, absl::OkStatus());
    Calls(second < 9 ? 20 : 0, absl::ResourceExhaustedError("busy"));
  }
  EXPECT_EQ(Told(), "") << "it refuses now and then";
  runtime_.Advance(absl::Seconds(10));
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveThrottle:throttling>calm ");
}

}  // namespace
}  // namespace redial
