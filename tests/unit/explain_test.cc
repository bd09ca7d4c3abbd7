#include "redial/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "redial/policies/ask_user.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/policies/bulkhead.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/hedge.h"
#include "redial/policies/rate_limit.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/policy_set.h"

namespace redial {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Explanation Explained(PolicyList policies, const CallFacts& calls = {}) {
  const absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return set->Explain(calls);
}

PolicyPtr Thrice() {
  return Retry({.max_attempts = 3,
                .backoff = Constant(absl::Milliseconds(100), Jitter::kFull),
                .overload_backoff = Constant(absl::Milliseconds(100), Jitter::kFull),
                .max_hint_excess = absl::ZeroDuration()});
}

TEST(ExplainTest, NothingIsOneAttempt) {
  const Explanation said = Explained({});
  EXPECT_EQ(said.max_attempts, 1);
  EXPECT_EQ(said.max_time, absl::InfiniteDuration());
  EXPECT_EQ(said.text,
            "A call may take:   at most 1 attempt\n"
            "                   no limit but the call's timeout\n"
            "It repeats:        nothing: no policy retries\n"
            "No policies: one attempt, no objections.\n");
}

TEST(ExplainTest, TheWorstCaseIsThatOfAllTogether) {
  const Explanation said = Explained({Thrice(), AttemptTimeout(absl::Milliseconds(500))});
  EXPECT_EQ(said.max_attempts, 3);
  EXPECT_EQ(said.max_time, absl::Milliseconds(3 * 500 + 2 * (100 + 1000)));
  EXPECT_THAT(said.text, HasSubstr("at most 3 attempts of at most 500ms each\n"));
  EXPECT_THAT(said.text, HasSubstr("of calls that aren't declared idempotent only what provably"));
  EXPECT_THAT(said.warnings, IsEmpty());
}

// One after the other: the turn in one line may come when the other's has passed.
TEST(ExplainTest, WaitsForSeveralPoliciesAddUp) {
  const Explanation said =
      Explained({RateLimit({.rate = 1, .max_wait = absl::Milliseconds(500)}),
                 Bulkhead({.max_concurrent = 1, .max_wait = absl::Milliseconds(300)}),
                 AttemptTimeout(absl::Milliseconds(50))});
  EXPECT_EQ(said.max_time, absl::Milliseconds(850));
}

TEST(ExplainTest, SaysWhatIsRetried) {
  EXPECT_THAT(Explained({Thrice()}).text, HasSubstr("\n  retries UNAVAILABLE, DEADLINE_EXCEEDED"));
  EXPECT_THAT(
      Explained({Retry({.retry_on = OnCode(absl::StatusCode::kInternal)}), FailFast(OnErrno(EPIPE)),
                 CircuitBreaker({.failure_on = OnAnyFailure(), .ignore_on = OnErrno(EMFILE)})})
          .text,
      AllOf(HasSubstr("\n  retries INTERNAL\n"),
            HasSubstr("\n  ends the call at the first of: EPIPE\n"),
            HasSubstr("\n  takes for a failure: any failure\n  doesn't count: EMFILE\n")));
}

TEST(ExplainTest, LabelsTellTwoOfANameApart) {
  const Explanation said = Explained(
      {CircuitBreaker({.label = "reads", .consecutive_failures = 2}),
       CircuitBreaker({.label = "wri\ntes", .consecutive_failures = 5}), CircuitBreaker()});
  EXPECT_THAT(said.text, HasSubstr("\nCircuitBreaker reads\n  opens "));
  EXPECT_THAT(said.text, HasSubstr("\nCircuitBreaker wri\\ntes\n  opens "));
  EXPECT_THAT(said.text, HasSubstr("\nCircuitBreaker\n  opens "));
}

TEST(ExplainTest, TheCallsTimeoutBoundsItAll) {
  const Explanation said = Explained({Thrice(), AttemptTimeout(absl::Milliseconds(500))},
                                     {.timeout = absl::Seconds(1), .idempotent = true});
  EXPECT_EQ(said.max_time, absl::Seconds(1));
  EXPECT_THAT(said.text, HasSubstr("at most 1s, its timeout\n"));
  EXPECT_THAT(said.text, HasSubstr("the calls are idempotent"));
}

TEST(ExplainTest, AShareOfTheTimeoutIsATimeLimit) {
  const Explanation said =
      Explained({Thrice(), AttemptTimeout({.timeout = absl::Seconds(10), .share = 0.5})},
                {.timeout = absl::Seconds(4)});
  EXPECT_THAT(said.text, HasSubstr("at most 3 attempts of at most 2s each\n"));
  EXPECT_THAT(said.warnings, IsEmpty());
}

TEST(ExplainTest, WhatLearnsOrSharesBoundsAttemptsToo) {
  for (const AttemptTimeoutOptions& options :
       {AttemptTimeoutOptions{.quantile = 0.9}, AttemptTimeoutOptions{.share_among = 3}}) {
    EXPECT_THAT(
        Explained({Thrice(), AttemptTimeout(options)}, {.timeout = absl::Seconds(4)}).warnings,
        IsEmpty());
  }
}

// An attempt that has all the call's time takes nothing from a retry where there is none.
TEST(ExplainTest, OnlyRetriesNeedTimeToBeLeft) {
  EXPECT_THAT(Explained({AttemptTimeout(absl::Seconds(5))}, {.timeout = absl::Seconds(2)}).warnings,
              IsEmpty());
}

TEST(ExplainTest, AHedgeIsAnAttemptToo) {
  EXPECT_EQ(Explained({Hedge({.max_hedges = 2})}).max_attempts, 3);
  EXPECT_EQ(Explained({Hedge({.max_hedges = 2})}, {.idempotent = false}).max_attempts, 1);
  EXPECT_EQ(Explained({Hedge(), Thrice()}).max_attempts, 3);
}

TEST(ExplainTest, NobodyBoundsAPersonWhoGoesOn) {
  const Explanation said = Explained({AskUser([](const CallEvent&) { return Answer::kRetry; })});
  EXPECT_EQ(said.max_attempts, std::numeric_limits<int>::max());
  EXPECT_THAT(said.text, HasSubstr("any number, until its time is up"));
}

struct Contradiction {
  PolicyList policies;
  CallFacts calls;
  std::string warning;
};

TEST(ExplainTest, WarnsOfWhatContradictsItself) {
  const std::vector<Contradiction> all = {
      {{Thrice(), AttemptTimeout(absl::Seconds(5))},
       {.timeout = absl::Seconds(2)},
       "AttemptTimeout gives an attempt 5s, and the whole call has 2s: an attempt that hangs "
       "leaves "
       "no time for another."},
      {{Thrice()},
       {.timeout = absl::Seconds(2)},
       "No AttemptTimeout: an attempt that hangs uses up the call's 2s, and no retry follows."},
      {{Report()},
       {.timeout = absl::InfiniteDuration()},
       "Neither the call nor an attempt has a time limit: one that hangs, hangs for good."},
      {{Retry({.max_attempts = 5,
               .backoff = Constant(absl::Seconds(1)),
               .overload_backoff = Constant(absl::Seconds(1))}),
        AttemptTimeout(absl::Milliseconds(100))},
       {.timeout = absl::Seconds(3)},
       "The pauses between 5 attempts come to up to 4s, and the call has 3s: the last of them "
       "may "
       "never start."},
      {{Retry({.max_attempts = 1})}, {}, "No retry can ever start: Retry allows one attempt."},
      {{Thrice(), FailFast()}, {}, "No retry can ever start: FailFast allows one attempt."},
      {{AskUser([](const CallEvent&) { return Answer::kRetry; })},
       {},
       "Nothing bounds the number of attempts but the call's timeout: give every call one."},
      {{RetryBudget()}, {}, "There is a budget for retries, but no policy retries or hedges."},
      {{Thrice(), RetryBudget({.per_success = 0})},
       {},
       "RetryBudget.per_success is 0: it never fills, and once its first 2 tokens are spent there "
       "are "
       "no more retries."},
      {{Thrice(), RetryBudget({.retry_cost = 0})},
       {},
       "RetryBudget.retry_cost and failure_cost are 0: it never empties, and refuses nothing."},
      {{Hedge()}, {.idempotent = false}, "Hedge does nothing: the calls aren't idempotent."},
      {{Hedge(), Retry({.max_attempts = 1})},
       {},
       "No hedge can ever start: Retry allows one attempt, and hedges are counted."},
      {{Hedge({.delay = absl::Seconds(1)}), AttemptTimeout(absl::Milliseconds(500))},
       {},
       "Hedges would start after 1s, but an attempt has ended by then: it has 500ms."},
      {{Hedge({.max_ratio = 0})},
       {},
       "Hedge.max_ratio is 0: after the first hedge there is no other."},
  };
  for (const Contradiction& each : all) {
    const Explanation said = Explained(each.policies, each.calls);
    EXPECT_THAT(said.warnings, ::testing::Contains(each.warning)) << said.text;
    EXPECT_THAT(said.text, HasSubstr("Warning: " + each.warning));
  }
}

TEST(ExplainTest, ASensibleSetHasNoWarnings) {
  EXPECT_THAT(Explained({Thrice(), RetryBudget(), CircuitBreaker(), Hedge(),
                         AttemptTimeout(absl::Milliseconds(500)), Report()},
                        {.timeout = absl::Seconds(2), .idempotent = true})
                  .warnings,
              IsEmpty());
}

TEST(ExplainTest, SaysWhatIsShared) {
  EXPECT_THAT(
      Explained({Thrice(), RetryBudget()}).text,
      HasSubstr("RetryBudget\n"
                "  takes 1 for each retry or hedge, and refuses it without; a success brings 0.1, "
                "and it holds 10 at most\n"
                "  shared by all who hold it: its tokens\n"));
  EXPECT_THAT(
      Explained({CircuitBreaker({.consecutive_failures = 5, .slow_after = absl::Seconds(1)})}).text,
      HasSubstr("CircuitBreaker\n"
                "  opens when 50% of the attempts of the last 10s have failed (of "
                "at least 20), or 5 in a row, or 100% took longer than 1s\n"
                "  then refuses for 5s, doubled each time, at most 5m, with equal jitter, and "
                "tries with 1 "
                "probe\n"
                "  shared by all who hold it: its state and what it counted\n"));
}

}  // namespace
}  // namespace redial
