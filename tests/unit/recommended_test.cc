#include "redial/policies/recommended.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "redial/call.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/retry_budget.h"
#include "redial/policy_set.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::VirtualRuntime;

PolicySet Set(const RecommendedOptions& options = {}) {
  const absl::StatusOr<PolicySet> set = PolicySet::Create(Recommended(options));
  EXPECT_TRUE(set.ok()) << set.status();
  return *set;
}

TEST(RecommendedTest, ContradictsItselfNowhere) {
  for (const absl::Duration timeout :
       {absl::Milliseconds(500), absl::Seconds(1), absl::Seconds(30)}) {
    for (const bool idempotent : {false, true}) {
      const Explanation said = Set().Explain({.timeout = timeout, .idempotent = idempotent});
      EXPECT_EQ(said.max_attempts, 3);
      EXPECT_EQ(said.max_time, timeout);
      EXPECT_THAT(said.warnings, IsEmpty()) << said.text;
    }
  }
}

TEST(RecommendedTest, AnAttemptThatHangsLeavesTimeForTwoMore) {
  VirtualRuntime runtime;
  int attempts = 0;
  const absl::Status status = Call({.timeout = absl::Seconds(2), .idempotent = true, .seed = 1},
                                   Set(), [&](const Attempt& attempt) {
                                     if (++attempts == 3) return absl::OkStatus();
                                     runtime.SleepUntil(attempt.deadline(), {});
                                     return absl::DeadlineExceededError("hung");
                                   });
  EXPECT_TRUE(status.ok()) << Story(status);
  EXPECT_LT(runtime.elapsed(), absl::Seconds(2));
}

// However long a server is down, it is asked little more than it would be without retries, and soon
// hardly at all.
TEST(RecommendedTest, SparesAServerThatIsDown) {
  VirtualRuntime runtime;
  const PolicySet set = Set();
  int attempts = 0;
  constexpr int kCalls = 1000;
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_FALSE(Call({.timeout = absl::Seconds(1), .idempotent = true}, set, [&] {
                   ++attempts;
                   return absl::UnavailableError("down");
                 }).ok());
    runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(10)), {});
  }
  // Twenty open the breaker, two were retried, and then there is a probe every few seconds.
  EXPECT_LT(attempts, 40);
}

TEST(RecommendedTest, TellsItsSinkAndNamesItsBreaker) {
  const PolicySet set = Set({.label = "cache", .report = ToFunction([](const CallEvent&) {})});
  EXPECT_EQ(set.observers().size(), 1U);
  bool named = false;
  for (const auto& member : set.all()) named |= member.policy->label() == "cache";
  EXPECT_TRUE(named);
}

TEST(RecommendedTest, ClientsThatDifferShareWhatTheyAreGiven) {
  VirtualRuntime runtime;
  const auto breaker = CircuitBreaker(RecommendedBreaker("cache"));
  const auto budget = RetryBudget();
  const PolicySet quick = Set({.label = "not this one's",
                               .attempt_timeout = absl::Milliseconds(50),
                               .breaker = breaker,
                               .retry_budget = budget});
  const PolicySet patient = Set({.breaker = breaker, .retry_budget = budget});
  ASSERT_EQ(quick.all().size(), patient.all().size());
  EXPECT_EQ(breaker->label(), "cache");
  const auto fail = [&](const PolicySet& set) {
    const absl::Status status = Call({.timeout = absl::Seconds(1), .idempotent = true}, set,
                                     [] { return absl::UnavailableError("down"); });
    return FailureOf(status)->why;
  };
  while (breaker->state() == CircuitBreakerPolicy::State::kClosed) fail(quick);
  EXPECT_EQ(fail(patient), Reason::kBreakerOpen);
  EXPECT_LT(budget->snapshot().tokens, 1);
}

TEST(RecommendedTest, ItsBreakerIsThatOfItsOptions) {
  const auto told = [](const RecommendedOptions& options) { return Set(options).Explain().text; };
  const auto breaker = CircuitBreaker(RecommendedBreaker("cache"));
  EXPECT_EQ(told({.label = "cache"}), told({.breaker = breaker}));
  EXPECT_THAT(told({.label = "cache"}), HasSubstr("CircuitBreaker cache\n"));
  EXPECT_THAT(told({}), HasSubstr("refuses for 5s, doubled each time, at most 30s"));
}

TEST(RecommendedTest, AWrongTimeIsNamed) {
  EXPECT_THAT(std::string(PolicySet::Create(Recommended({.attempt_timeout = absl::ZeroDuration()}))
                              .status()
                              .message()),
              HasSubstr("AttemptTimeout.timeout is 0"));
}

}  // namespace
}  // namespace redial
