#include "redial/policies/retry_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "redial/call.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using ::testing::HasSubstr;
using testing::kEnded;
using testing::MachineTrace;
using testing::RetryView;
using testing::Succeeds;

Outcome At(Outcome outcome, absl::Duration when) {
  outcome.ended = kEnded + when;
  return outcome;
}
Outcome Success() {
  Outcome outcome;
  outcome.ended = kEnded;
  return outcome;
}
const Outcome& Busy() {
  static const Outcome busy = FailedWith(absl::StatusCode::kResourceExhausted);
  return busy;
}
const Outcome& Refused() {
  static const Outcome refused = FailedWith(absl::StatusCode::kUnavailable);
  return refused;
}

// Takes what a retry costs, as the engine would. 0 and false where it is refused.
struct Taken {
  bool admitted = false;
  Token token = 0;
};
Taken Take(Policy& budget, const Outcome& after = Refused(),
           absl::Duration when = absl::ZeroDuration()) {
  View view = RetryView(after, 1);
  view.now = kEnded + when;
  const Verdict judged = budget.Judge(view);
  Taken taken;
  const Verdict reserved = budget.Reserve(view, taken.token, nullptr);
  EXPECT_EQ(judged, reserved);
  taken.admitted = reserved == Verdict::Admit();
  if (!taken.admitted) {
    EXPECT_EQ(reserved, Verdict::Reject(Reason::kBudget));
  }
  return taken;
}
int TakeAll(Policy& budget, const Outcome& after = Refused()) {
  int taken = 0;
  while (Take(budget, after).admitted) ++taken;
  return taken;
}
void Succeed(Policy& budget, int times, absl::Duration when = absl::ZeroDuration()) {
  for (int i = 0; i < times; ++i) budget.Settle(0, At(Success(), when));
}

TEST(RetryBudgetTest, BeginsWithTwoRetries) {
  const auto budget = RetryBudget();
  EXPECT_EQ(budget->snapshot().tokens, 2);
  EXPECT_EQ(TakeAll(*budget), 2);
  EXPECT_EQ(budget->snapshot().tokens, 0);
}

// failsafe-go rounds rates, and a sum of tenths in binary fractions isn't one.
TEST(RetryBudgetTest, TenSuccessesPayForARetryExactly) {
  const auto budget = RetryBudget({.initial_tokens = 0});
  for (int round = 0; round < 1000; ++round) {
    Succeed(*budget, 9);
    ASSERT_FALSE(Take(*budget).admitted) << round;
    Succeed(*budget, 1);
    ASSERT_TRUE(Take(*budget).admitted) << round;
  }
}

// tower deposits and withdraws whole numbers, so that its budget of 0.6 behaves as one of 1.0.
TEST(RetryBudgetTest, SixOfTenSuccessesPayForARetryEach) {
  const auto budget = RetryBudget({.per_success = 0.6, .initial_tokens = 0});
  int admitted = 0;
  for (int successes = 1; successes <= 10000; ++successes) {
    Succeed(*budget, 1);
    admitted += TakeAll(*budget);
    ASSERT_EQ(admitted, successes * 6 / 10) << successes;
  }
}

// Any absolute allowance per client (500 tokens, 10 per second, at least 3) is unlimited when ten
// thousand clients each have it. Here each has two retries, and none comes with time.
TEST(RetryBudgetTest, TenThousandClientsOfADeadServerRetryTwiceEachAndNeverAgain) {
  constexpr int kClients = 10'000;
  int retries = 0;
  for (int client = 0; client < kClients; ++client) {
    const auto budget = RetryBudget();
    for (int minute = 0; minute < 60; ++minute) {
      budget->Settle(0, At(Refused(), absl::Minutes(minute)));
      if (Take(*budget, Refused(), absl::Minutes(minute)).admitted) ++retries;
    }
  }
  EXPECT_EQ(retries, 2 * kClients);
}

TEST(RetryBudgetTest, HoldsNoMoreThanItsLimit) {
  const auto budget = RetryBudget({.max_tokens = 3});
  Succeed(*budget, 1000);
  EXPECT_EQ(budget->snapshot().tokens, 3);
  EXPECT_EQ(TakeAll(*budget), 3);
  Succeed(*budget, 10);
  EXPECT_EQ(TakeAll(*budget), 1);
}

TEST(RetryBudgetTest, FailuresAndAbortedAttemptsBringNothing) {
  const auto budget = RetryBudget({.initial_tokens = 0});
  Outcome aborted = Success();
  aborted.aborted = true;
  for (int i = 0; i < 100; ++i) {
    budget->Settle(0, Refused());
    budget->Settle(0, aborted);
  }
  EXPECT_EQ(budget->snapshot().tokens, 0);
}

TEST(RetryBudgetTest, WhatIsVoidedIsThereAgain) {
  const auto budget = RetryBudget();
  const Taken first = Take(*budget);
  const Taken second = Take(*budget);
  EXPECT_FALSE(Take(*budget).admitted);
  budget->Void(first.token, nullptr);
  const Taken third = Take(*budget);
  EXPECT_TRUE(third.admitted);
  // A count that is shown never falls, so what may yet be voided isn't in it.
  EXPECT_EQ(budget->snapshot().admitted, 0);
  budget->Settle(second.token, Refused());
  budget->Settle(third.token, Refused());
  EXPECT_EQ(budget->snapshot().admitted, 2);
  EXPECT_EQ(budget->snapshot().tokens, 0);
}

TEST(RetryBudgetTest, FirstAttemptsAreFree) {
  const auto budget = RetryBudget({.per_success = 0, .initial_tokens = 0});
  auto set = PolicySet::Create({budget});
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace trace(*set, {});
  EXPECT_EQ(trace.Play([](int, AttemptKind) { return Succeeds(1); }),
            "0:start#1 1:ok#1 1:deliver#1 1:done");
  EXPECT_EQ(budget->snapshot().tokens, 0);
}

// It learns of them all the same, but for what it can't hold: then they needn't even write.
TEST(RetryBudgetTest, IsFullAfterSuccessesAlone) {
  const auto budget = RetryBudget({.per_success = 1, .max_tokens = 10, .initial_tokens = 0});
  for (int i = 0; i < 9; ++i) budget->Settle(0, Success());
  EXPECT_EQ(budget->snapshot().tokens, 9);
  for (int i = 0; i < 100; ++i) budget->Settle(0, Success());
  EXPECT_EQ(budget->snapshot().tokens, 10);
  EXPECT_TRUE(Take(*budget).admitted);
  EXPECT_EQ(budget->snapshot().tokens, 9);
  budget->Settle(0, Success());
  budget->Settle(0, Success());
  EXPECT_EQ(budget->snapshot().tokens, 10) << "a retry makes room again";
}

TEST(RetryBudgetTest, HedgesAreNot) {
  const auto budget = RetryBudget({.initial_tokens = 1});
  View view = testing::HedgeView(1);
  Token token = 0;
  EXPECT_EQ(budget->Judge(view), Verdict::Admit());
  EXPECT_EQ(budget->Reserve(view, token, nullptr), Verdict::Admit());
  EXPECT_EQ(budget->Judge(view), Verdict::Reject(Reason::kBudget));
}

// Finagle, RetryBudgetTest "percentCanRetry": 10000 deposits, each followed by a try to withdraw.
TEST(RetryBudgetTest, AsManyAsFinagleAllows) {
  for (const double percent : {0.1, 0.25, 0.75, 0.9999}) {
    const auto budget = RetryBudget(FinagleRetryBudget(absl::Seconds(60), 0, percent));
    int admitted = 0;
    for (int i = 0; i < 10000; ++i) {
      Succeed(*budget, 1);
      admitted += Take(*budget).admitted ? 1 : 0;
    }
    EXPECT_NEAR(admitted, 10000 * percent, 1) << percent;
  }
}

// Finagle, RetryBudgetTest "minRetriesPerSec" and its leaky bucket: what was withdrawn comes back
// when it is older than the time to live, and so does what was deposited.
TEST(RetryBudgetTest, ForgetsWhatIsOlderThanItsLifetime) {
  const auto budget = RetryBudget(FinagleRetryBudget(absl::Seconds(10), 1, 0.5));
  EXPECT_EQ(TakeAll(*budget), 10);
  Succeed(*budget, 10, absl::Seconds(5));
  int taken = 0;
  while (Take(*budget, Refused(), absl::Seconds(5)).admitted) ++taken;
  EXPECT_EQ(taken, 5);
  while (Take(*budget, Refused(), absl::Seconds(11)).admitted) ++taken;
  EXPECT_EQ(taken, 15) << "the first ten are forgotten";
  Succeed(*budget, 100, absl::Seconds(12));
  EXPECT_TRUE(Take(*budget, Refused(), absl::Seconds(60)).admitted);
  EXPECT_EQ(budget->snapshot().tokens, 9) << "and so are the hundred successes";
}

// gRFC A6 and userver's RetryBudget test: ten tokens; a failure costs one, a success brings a tenth;
// there are retries while more than half is left.
TEST(RetryBudgetTest, AsGrpcThrottles) {
  const auto budget = RetryBudget(GrpcRetryThrottling(10, 0.1));
  for (int i = 0; i < 4; ++i) {
    budget->Settle(0, Refused());
    EXPECT_TRUE(Take(*budget).admitted) << i;
  }
  budget->Settle(0, Refused());
  EXPECT_FALSE(Take(*budget).admitted);
  for (int i = 0; i < 20; ++i) budget->Settle(0, Refused());
  EXPECT_EQ(budget->snapshot().tokens, 0);
  Succeed(*budget, 50);
  EXPECT_FALSE(Take(*budget).admitted);
  Succeed(*budget, 1);
  EXPECT_TRUE(Take(*budget).admitted);
}

TEST(RetryBudgetTest, OnlyFailuresOfTheMomentCostAFailure) {
  const auto budget = RetryBudget(GrpcRetryThrottling());
  for (int i = 0; i < 10; ++i) budget->Settle(0, FailedWith(absl::StatusCode::kNotFound));
  EXPECT_EQ(budget->snapshot().tokens, 10);
}

// AWS's standard retries 2.1 (botocore, test_standard.py, the retry quota).
TEST(RetryBudgetTest, AsAwsMetersRetries) {
  const auto budget = RetryBudget(AwsRetryQuota());
  const Taken transient = Take(*budget);
  EXPECT_EQ(budget->snapshot().tokens, 486);
  const Taken throttled = Take(*budget, Busy());
  EXPECT_EQ(budget->snapshot().tokens, 481);
  budget->Settle(transient.token, Success());
  EXPECT_EQ(budget->snapshot().tokens, 495) << "refunded";
  budget->Settle(throttled.token, Refused());
  EXPECT_EQ(budget->snapshot().tokens, 495);
  Succeed(*budget, 1);
  EXPECT_EQ(budget->snapshot().tokens, 496);
  EXPECT_EQ(TakeAll(*budget), 35);
}

TEST(RetryBudgetTest, ARetryThatThePeerAskedToPauseCostsWhatOverloadDoes) {
  const auto budget = RetryBudget({.retry_cost = 1, .overload_retry_cost = 2, .initial_tokens = 2});
  EXPECT_EQ(TakeAll(*budget, testing::WithHint(Refused(), absl::Seconds(1))), 1);
}

// No descriptors left: the server hasn't said anything.
TEST(RetryBudgetTest, WhatThisHostHasRunOutOfIsNotOverload) {
  const auto budget = RetryBudget({.retry_cost = 1, .overload_retry_cost = 2, .initial_tokens = 2});
  EXPECT_EQ(TakeAll(*budget, FailedWith(absl::StatusCode::kResourceExhausted, EMFILE)), 2);
}

TEST(RetryBudgetTest, EndsACallWithItsFirstFailure) {
  const auto budget = RetryBudget({.initial_tokens = 1});
  const auto set = PolicySet::Create(
      {Retry({.max_attempts = 5, .backoff = Constant(absl::Seconds(1))}), budget});
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace first(*set, {.deadline = {}, .idempotent = true});
  EXPECT_EQ(first.Play([](int, AttemptKind) { return Fails(1); }),
            "0:start#1 1:failed#1 1:wait(1001,backoff) 1001:start#2 1002:failed#2 "
            "1002:end:budget 1002:done");
  MachineTrace second(*set, {.deadline = {}, .idempotent = true});
  EXPECT_EQ(second.Play([](int, AttemptKind) { return Fails(1); }),
            "0:start#1 1:failed#1 1:end:budget 1:done");
}

// failsafe-go sleeps first, then looks at the budget, and drops the last failure.
TEST(RetryBudgetTest, LooksBeforeThePauseAndKeepsTheFailure) {
  testing::VirtualRuntime runtime;
  const auto set = PolicySet::Create({Retry({.backoff = Constant(absl::Seconds(1))}),
                                      RetryBudget({.per_success = 0, .initial_tokens = 0})});
  ASSERT_TRUE(set.ok()) << set.status();
  const absl::Status status = Call({.operation = "PING", .idempotent = true}, *set,
                                   [] { return absl::UnavailableError("shard 7 is down"); });
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("shard 7 is down"));
  EXPECT_EQ(FailureOf(status)->why, Reason::kBudget);
  EXPECT_EQ(FailureOf(status)->attempts.size(), 1u);
  EXPECT_THAT(Story(status),
              HasSubstr("shard 7 is down after 0 ms; not retried: retry budget empty"));
}

TEST(RetryBudgetTest, ReconfiguresWithoutLosingWhatWasSaved) {
  const auto budget = RetryBudget({.max_tokens = 10, .initial_tokens = 8});
  ASSERT_TRUE(budget->Reconfigure({.max_tokens = 5, .initial_tokens = 0}).ok());
  EXPECT_EQ(budget->snapshot().tokens, 5);
  EXPECT_EQ(budget->snapshot().max_tokens, 5);
  const absl::Status bad = budget->Reconfigure({.retry_cost = 20});
  EXPECT_EQ(bad.message(),
            "RetryBudget.max_tokens is 10; it must be at least 20, or no retry could ever be paid");
  EXPECT_EQ(TakeAll(*budget), 5);
}

// A call that has begun goes on with what it began with.
TEST(RetryBudgetTest, ACallSeesOneConfiguration) {
  const auto budget = RetryBudget({.retry_cost = 1, .initial_tokens = 10});
  View view = RetryView(Refused(), 1);
  view.config = budget->CurrentConfig();
  ASSERT_TRUE(budget->Reconfigure({.retry_cost = 5}).ok());
  Token token = 0;
  ASSERT_EQ(budget->Reserve(view, token, nullptr), Verdict::Admit());
  EXPECT_EQ(budget->snapshot().tokens, 9);
  EXPECT_TRUE(Take(*budget).admitted);
  EXPECT_EQ(budget->snapshot().tokens, 4);
}

TEST(RetryBudgetTest, MeasuresItself) {
  const auto budget = RetryBudget({.max_tokens = 5, .initial_tokens = 3});
  const Taken taken = Take(*budget);
  ASSERT_TRUE(taken.admitted);
  budget->Settle(taken.token, Refused());
  std::string told;
  budget->Measure([&](const Gauge& gauge) {
    told += std::string(gauge.name) + "=" + std::to_string(std::llround(gauge.value)) +
            (gauge.counts_up ? "+ " : " ");
  });
  EXPECT_EQ(told, "tokens=2 max_tokens=5 admitted=1+ ");
}

TEST(RetryBudgetTest, SaysWhichOptionMakesNoSense) {
  const struct {
    RetryBudgetOptions options;
    const char* message;
  } cases[] = {
      {{.per_success = -1}, "RetryBudget.per_success is -1; it must be from 0 to 1e+09"},
      {{.retry_cost = std::nan("")}, "RetryBudget.retry_cost is NaN; it must be from 0 to 1e+09"},
      {{.failure_cost = std::numeric_limits<double>::infinity()},
       "RetryBudget.failure_cost is inf; it must be from 0 to 1e+09"},
      {{.max_tokens = 0.5},
       "RetryBudget.max_tokens is 0.5; it must be at least 1, or no retry could ever be paid"},
      {{.lifetime = absl::ZeroDuration()}, "RetryBudget.lifetime is 0; it must be positive"},
      {{.min_retries_per_second = 1},
       "RetryBudget.min_retries_per_second is 1; it must be 0 where lifetime is infinite"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({RetryBudget(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

// tower and failsafe-go check, then act, and overdraw.
TEST(RetryBudgetTest, ThreadsNeverOverdrawIt) {
  constexpr int kTokens = 1000;
  const auto budget =
      RetryBudget({.per_success = 0, .max_tokens = kTokens, .initial_tokens = kTokens});
  std::atomic<int> admitted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTokens; ++i) {
        Token token = 0;
        if (budget->Reserve(RetryView(Refused(), 1), token, nullptr) != Verdict::Admit()) continue;
        if (i % 3 == 0) {
          budget->Void(token, nullptr);
        } else {
          ++admitted;
          budget->Settle(token, Refused());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget->snapshot().admitted, admitted);
  EXPECT_EQ(admitted + TakeAll(*budget), kTokens);
}

TEST(RetryBudgetTest, ThreadsSuccessesAreAllCounted) {
  constexpr int kEach = 10000;
  const auto budget = RetryBudget({.per_success = 0.1, .max_tokens = 1e6, .initial_tokens = 0});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        Succeed(*budget, 1);
        if (i % 1000 == 0) (void)budget->Judge(RetryView(Refused(), 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget->snapshot().tokens, 4 * kEach / 10);
}

}  // namespace
}  // namespace redial
