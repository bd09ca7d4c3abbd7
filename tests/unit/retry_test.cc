#include "redial/policies/retry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using testing::HedgeView;
using testing::MachineTrace;
using testing::NotBefore;
using testing::RetryView;
using testing::Returned;
using testing::WithHint;

struct Reply {
  int status = 200;
};
Predicate OnReply(int status) {
  return OnResult<Reply>([status](const Reply& reply) { return reply.status == status; });
}

const Outcome& Refused() {
  static const Outcome refused = FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED);
  return refused;
}
Backoff Plain(absl::Duration base) { return Exponential({.base = base, .jitter = Jitter::kNone}); }

TEST(RetryTest, PausesFromTheEndOfTheFailedAttempt) {
  const PolicyPtr retry = Retry({.max_attempts = 5, .backoff = Plain(absl::Milliseconds(50))});
  View view = RetryView(Refused(), 1);
  EXPECT_EQ(retry->Judge(view), NotBefore(absl::Milliseconds(50), Reason::kBackoff));
  view.now = view.now + absl::Milliseconds(30);  // judging later doesn't move it
  EXPECT_EQ(retry->Judge(view), NotBefore(absl::Milliseconds(50), Reason::kBackoff));
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 3)),
            NotBefore(absl::Milliseconds(200), Reason::kBackoff));
}

TEST(RetryTest, ThreeAttemptsByDefault) {
  const PolicyPtr retry = Retry();
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 2)).kind(), Verdict::Kind::kNotBefore);
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 3)), Verdict::Reject(Reason::kExhausted));
}

TEST(RetryTest, WithoutAPauseAdmitsAtOnce) {
  const PolicyPtr retry = Retry({.backoff = Constant(absl::ZeroDuration())});
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 1)), Verdict::Admit());
}

TEST(RetryTest, HedgesOnlyCount) {
  const PolicyPtr retry = Retry({.max_attempts = 2});
  EXPECT_EQ(retry->Judge(HedgeView(1)), Verdict::Admit());
  EXPECT_EQ(retry->Judge(HedgeView(2)), Verdict::Reject(Reason::kExhausted));
}

TEST(RetryTest, TheDefaultTable) {
  for (int code = 1; code <= 16; ++code) {
    const auto status = static_cast<absl::StatusCode>(code);
    const bool expected =
        status == absl::StatusCode::kUnavailable || status == absl::StatusCode::kDeadlineExceeded ||
        status == absl::StatusCode::kResourceExhausted || status == absl::StatusCode::kAborted;
    EXPECT_EQ(IsTransient(FailedWith(status)), expected) << absl::StatusCodeToString(status);
    EXPECT_TRUE(IsTransient(WithHint(FailedWith(status), absl::Seconds(1))));
  }
  EXPECT_FALSE(IsTransient(Outcome()));
  EXPECT_FALSE(IsTransient(WithHint(Outcome(), absl::Seconds(1))));
  EXPECT_EQ(Retry()->Judge(RetryView(FailedWith(absl::StatusCode::kNotFound), 1)),
            Verdict::Reject(Reason::kNotRetriable));
}

TEST(RetryTest, PredicatesReplaceExtendAndForbid) {
  const Outcome not_found = FailedWith(absl::StatusCode::kNotFound);
  const Verdict no = Verdict::Reject(Reason::kNotRetriable);
  const PolicyPtr replaced = Retry({.retry_on = OnCode(absl::StatusCode::kNotFound)});
  EXPECT_NE(replaced->Judge(RetryView(not_found, 1)), no);
  EXPECT_EQ(replaced->Judge(RetryView(Refused(), 1)), no);

  const PolicyPtr extended = Retry({.also_retry_on = OnCode(absl::StatusCode::kNotFound)});
  EXPECT_NE(extended->Judge(RetryView(not_found, 1)), no);
  EXPECT_NE(extended->Judge(RetryView(Refused(), 1)), no);

  const PolicyPtr forbidden =
      Retry({.also_retry_on = OnErrno(ECONNREFUSED), .never_retry_on = OnErrno(ECONNREFUSED)});
  EXPECT_EQ(forbidden->Judge(RetryView(Refused(), 1)), no);
  EXPECT_NE(forbidden->Judge(RetryView(FailedWith(absl::StatusCode::kUnavailable), 1)), no);
}

TEST(RetryTest, AValueCanBeAFailure) {
  const Reply busy{503};
  const Reply fine{200};
  const PolicyPtr retry = Retry({.also_retry_on = OnReply(503)});
  EXPECT_TRUE(retry->traits().capabilities & Policy::kExamines);
  EXPECT_TRUE(retry->IsFailure(Returned(busy)));
  EXPECT_FALSE(retry->IsFailure(Returned(fine)));
  EXPECT_EQ(retry->Judge(RetryView(Returned(busy), 1)).kind(), Verdict::Kind::kNotBefore);

  const PolicyPtr either = Retry({.retry_on = !OnReply(200) || OnErrno(EPIPE)});
  EXPECT_TRUE(either->IsFailure(Returned(busy)));
  EXPECT_FALSE(either->IsFailure(Returned(fine)));

  const PolicyPtr never = Retry({.also_retry_on = !OnReply(200), .never_retry_on = OnReply(503)});
  EXPECT_FALSE(never->IsFailure(Returned(busy)));
}

TEST(RetryTest, LooksAtNoValueUnlessItHasTo) {
  EXPECT_FALSE(Retry({.retry_on = !OnErrno(EPIPE)})->traits().capabilities & Policy::kExamines);
}

// A value that another policy counts as a failure is retried where the peer asked for it.
TEST(RetryTest, AnotherPolicysFailureIsRetriedByHintAlone) {
  const Reply busy{503};
  Outcome outcome = Returned(busy);
  outcome.failed_result = true;
  EXPECT_EQ(Retry()->Judge(RetryView(outcome, 1)), Verdict::Reject(Reason::kNotRetriable));
  EXPECT_EQ(Retry()->Judge(RetryView(WithHint(outcome, absl::Seconds(1)), 1)).kind(),
            Verdict::Kind::kNotBefore);
}

// botocore, tests/unit/retries/test_standard_retry_v2_1.py: retry-after, with U = 1.
TEST(RetryTest, HintsAsInAwsStandardRetries) {
  const PolicyPtr retry =
      Retry({.backoff = Plain(absl::Milliseconds(50)), .hint_jitter = absl::ZeroDuration()});
  const auto judge = [&](absl::Duration hint) {
    const Outcome hinted = WithHint(Refused(), hint);
    return retry->Judge(RetryView(hinted, 1));
  };
  EXPECT_EQ(judge(absl::Milliseconds(1500)),
            NotBefore(absl::Milliseconds(1500), Reason::kServerHint));
  EXPECT_EQ(judge(absl::ZeroDuration()), NotBefore(absl::Milliseconds(50), Reason::kBackoff));
  EXPECT_EQ(judge(absl::Milliseconds(-100)), NotBefore(absl::Milliseconds(50), Reason::kBackoff));
  EXPECT_EQ(judge(absl::Milliseconds(10'000)),
            NotBefore(absl::Milliseconds(5050), Reason::kServerHint));
  EXPECT_EQ(judge(absl::InfiniteDuration()),
            NotBefore(absl::Milliseconds(5050), Reason::kServerHint));
}

TEST(RetryTest, AHintWithoutABoundIsFollowed) {
  const PolicyPtr retry = Retry({.backoff = Plain(absl::Milliseconds(50)),
                                 .max_hint_excess = absl::InfiniteDuration(),
                                 .hint_jitter = absl::ZeroDuration()});
  const Outcome hinted = WithHint(Refused(), absl::Hours(1));
  EXPECT_EQ(retry->Judge(RetryView(hinted, 1)), NotBefore(absl::Hours(1), Reason::kServerHint));
}

// "Exactly then" would bring everybody back at once.
TEST(RetryTest, HintJitterSpreadsTheHerd) {
  const PolicyPtr retry =
      Retry({.backoff = Plain(absl::Milliseconds(50)), .hint_jitter = absl::Seconds(1)});
  const Outcome hinted = WithHint(Refused(), absl::Seconds(2));
  Instant earliest = Instant::FromNanos(std::numeric_limits<int64_t>::max());
  Instant latest;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const Verdict verdict = retry->Judge(RetryView(hinted, 1, seed));
    EXPECT_EQ(verdict.reason(), Reason::kServerHint);
    earliest = std::min(earliest, verdict.at());
    latest = std::max(latest, verdict.at());
  }
  EXPECT_GE(earliest, testing::kEnded + absl::Seconds(2));
  EXPECT_LT(earliest, testing::kEnded + absl::Seconds(2.02));
  EXPECT_LT(latest, testing::kEnded + absl::Seconds(3));
  EXPECT_GT(latest, testing::kEnded + absl::Seconds(2.98));
  // One that doesn't lengthen the pause is no hint that took effect.
  const Outcome small = WithHint(Refused(), absl::Milliseconds(1));
  EXPECT_EQ(retry->Judge(RetryView(small, 1)), NotBefore(absl::Milliseconds(50), Reason::kBackoff));
}

// By default too; by no more than the hint itself, so that a short one stays short.
TEST(RetryTest, HintsAreJitteredByDefault) {
  const PolicyPtr retry = Retry({.backoff = Plain(absl::Milliseconds(50))});
  const auto latest = [&](absl::Duration hint) {
    const Outcome hinted = WithHint(Refused(), hint);
    Instant end;
    for (uint64_t seed = 1; seed <= 1000; ++seed) {
      const Verdict verdict = retry->Judge(RetryView(hinted, 1, seed));
      EXPECT_GE(verdict.at(), testing::kEnded + hint);
      end = std::max(end, verdict.at());
    }
    return end - testing::kEnded;
  };
  EXPECT_GT(latest(absl::Seconds(3)), absl::Seconds(3.98));
  EXPECT_LT(latest(absl::Seconds(3)), absl::Seconds(4));
  EXPECT_GT(latest(absl::Milliseconds(100)), absl::Milliseconds(198));
  EXPECT_LT(latest(absl::Milliseconds(100)), absl::Milliseconds(200));
}

// botocore, tests/unit/retries/test_standard_retry_v2_1.py: throttling backs off from 1 s, with U = 1.
TEST(RetryTest, OverloadBacksOffAsAwsDoesWhenThrottled) {
  const PolicyPtr retry =
      Retry({.max_attempts = 100,
             .backoff = Plain(absl::Milliseconds(50)),
             .overload_backoff = Exponential({.base = absl::Seconds(1), .jitter = Jitter::kNone})});
  const Outcome throttled = FailedWith(absl::StatusCode::kResourceExhausted);
  const double expected[] = {1, 2, 4, 8, 16, 20, 20};
  for (int n = 1; n <= 7; ++n) {
    EXPECT_EQ(retry->Judge(RetryView(throttled, n)),
              NotBefore(absl::Seconds(expected[n - 1]), Reason::kBackoff));
  }
  EXPECT_EQ(RetryOptions().overload_backoff.ToString(),
            "1s, doubled each time, at most 20s, with full jitter");
}

TEST(RetryTest, AHintIsAddedToWhatOverloadAsksFor) {
  const PolicyPtr retry =
      Retry({.overload_backoff = Plain(absl::Seconds(1)), .hint_jitter = absl::ZeroDuration()});
  const Outcome throttled = FailedWith(absl::StatusCode::kResourceExhausted);
  const auto judge = [&](absl::Duration hint) {
    const Outcome hinted = WithHint(throttled, hint);
    return retry->Judge(RetryView(hinted, 1));
  };
  EXPECT_EQ(judge(absl::Milliseconds(500)), NotBefore(absl::Seconds(1), Reason::kBackoff));
  EXPECT_EQ(judge(absl::Seconds(3)), NotBefore(absl::Seconds(3), Reason::kServerHint));
  EXPECT_EQ(judge(absl::Seconds(60)), NotBefore(absl::Seconds(6), Reason::kServerHint));
}

// No descriptors, no ports, a line that is too long: this side's limits.
TEST(RetryTest, WhatThisSideHasRunOutOfIsNoOverload) {
  const PolicyPtr retry = Retry({.backoff = Plain(absl::Milliseconds(50))});
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL}) {
    const Outcome local = FailedWith(absl::StatusCode::kResourceExhausted, error);
    EXPECT_EQ(retry->Judge(RetryView(local, 1)),
              NotBefore(absl::Milliseconds(50), Reason::kBackoff))
        << error;
  }
  Outcome too_long = FailedWith(absl::StatusCode::kResourceExhausted);
  too_long.phase = Phase::kRead;
  EXPECT_EQ(retry->Judge(RetryView(too_long, 1)),
            NotBefore(absl::Milliseconds(50), Reason::kBackoff));
}

TEST(RetryTest, AValueCanMeanOverload) {
  const Reply busy{503};
  const Reply enough{429};
  const PolicyPtr retry = Retry({.backoff = Plain(absl::Milliseconds(50)),
                                 .overload_backoff = Plain(absl::Seconds(1)),
                                 .also_retry_on = OnReply(503) || OnReply(429),
                                 .also_overload_on = OnReply(429)});
  EXPECT_EQ(retry->Judge(RetryView(Returned(busy), 1)),
            NotBefore(absl::Milliseconds(50), Reason::kBackoff));
  EXPECT_EQ(retry->Judge(RetryView(Returned(enough), 1)),
            NotBefore(absl::Seconds(1), Reason::kBackoff));
}

TEST(RetryTest, AFunctionOfOnesOwnPauses) {
  const PolicyPtr retry =
      Retry({.backoff = CustomBackoff([](const BackoffTurn& turn) {
               return turn.last->error == ECONNREFUSED ? absl::Seconds(7) : -absl::Seconds(1);
             })});
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 1)), NotBefore(absl::Seconds(7), Reason::kBackoff));
  EXPECT_EQ(retry->Judge(RetryView(FailedWith(absl::StatusCode::kUnavailable), 1)),
            Verdict::Admit());
}

TEST(RetryTest, ReconfiguresWhileCallsRun) {
  const auto retry = Retry({.max_attempts = 2});
  View begun = RetryView(Refused(), 2);
  begun.config = retry->CurrentConfig();
  ASSERT_EQ(retry->Reconfigure({.max_attempts = 5, .backoff = Plain(absl::Milliseconds(70))}),
            absl::OkStatus());
  EXPECT_EQ(retry->Judge(begun), Verdict::Reject(Reason::kExhausted)) << "as it began";
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 2)),
            NotBefore(absl::Milliseconds(140), Reason::kBackoff));
}

TEST(RetryTest, RefusesToBeReconfiguredToWhatMakesNoSense) {
  const auto retry = Retry({.max_attempts = 2});
  EXPECT_EQ(retry->Reconfigure({.max_attempts = 0}).message(),
            "Retry.max_attempts is 0; it must be at least 1");
  EXPECT_EQ(retry->Reconfigure({.distinct_endpoint = false}).message(),
            "Retry.distinct_endpoint can't be changed; make another policy");
  EXPECT_EQ(retry->Reconfigure({.also_retry_on = OnReply(503)}).message(),
            "Retry.retry_on and also_retry_on can't begin to look at values; make another policy");
  EXPECT_EQ(retry->Judge(RetryView(Refused(), 2)), Verdict::Reject(Reason::kExhausted));
}

TEST(RetryTest, DescribesWhatItRetries) {
  const auto said = [](RetryOptions options) {
    Description d;
    Retry(std::move(options))->Describe(d);
    return d.does.at(1);
  };
  EXPECT_EQ(said({.retry_on = OnCode(absl::StatusCode::kInternal)}), "retries INTERNAL");
  EXPECT_EQ(said({.retry_on = OnErrno(ECONNRESET),
                  .also_retry_on = OnReply(503),
                  .never_retry_on = OnPhase(Phase::kRead)}),
            "retries ECONNRESET or a value that a function matches; never failures in phase read");
}

TEST(RetryTest, Describes) {
  Description d;
  Retry({.max_attempts = 4,
         .backoff = Exponential({.base = absl::Seconds(2)}),
         .overload_backoff = Exponential({.base = absl::Seconds(5), .cap = absl::Seconds(8)})})
      ->Describe(d);
  EXPECT_EQ(absl::StrJoin(d.does, "\n"),
            "makes at most 4 attempts\n"
            "retries UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED or what has a "
            "hint when to come back\n"
            "pauses before each retry: 2s, doubled each time, at most 20s, with full jitter\n"
            "pauses, where the peer says that it has enough: 5s, doubled each time, at most 8s, "
            "with full jitter\n"
            "heeds a hint when to come back, up to 5s beyond its own pause, spread over 1s\n"
            "prefers an address on which no attempt of the call has failed");
  EXPECT_EQ(d.max_attempts, 4);
  EXPECT_EQ(d.pauses, absl::Seconds(2 + 4 + 8));
  EXPECT_EQ(d.hinted_pauses, absl::Seconds(21 + 3 * 6));
  EXPECT_TRUE(d.warnings.empty()) << d.warnings[0];
}

std::string WarningsOf(const RetryOptions& options) {
  Description d;
  Retry(options)->Describe(d);
  return absl::StrJoin(d.warnings, " ");
}

TEST(RetryTest, WarnsOfWhatIsAllowedAndUnwise) {
  EXPECT_EQ(WarningsOf({}), "");
  EXPECT_EQ(WarningsOf({.max_attempts = 1}), "Retry.max_attempts is 1: nothing is ever retried.");
  EXPECT_EQ(WarningsOf({.backoff = Plain(absl::Milliseconds(50))}),
            "Retry.backoff has no jitter: clients that failed together come back together.");
  EXPECT_EQ(WarningsOf({.backoff = Constant(absl::ZeroDuration()),
                        .overload_backoff = Constant(absl::ZeroDuration())}),
            "Retry.backoff is 0: retries follow without a pause.");
  EXPECT_EQ(WarningsOf({.backoff = Exponential({.base = absl::Seconds(3)})}),
            "Retry.overload_backoff is shorter than backoff: a server that has enough is asked "
            "again sooner than one that failed.");
}

TEST(RetryTest, DescribesWithoutCountingToABillion) {
  Description d;
  Retry({.max_attempts = 1'000'000'001, .backoff = Constant(absl::Seconds(20))})->Describe(d);
  EXPECT_EQ(d.pauses, absl::Seconds(20) * 1e9);
  Description endless;
  Retry({.backoff = CustomBackoff([](const BackoffTurn&) { return absl::Seconds(1); })})
      ->Describe(endless);
  EXPECT_EQ(endless.pauses, absl::InfiniteDuration());
}

// What is replaced and what is read meanwhile never mix: attempts and pause are of one configuration.
TEST(RetryTest, ThreadsSeeOneConfiguration) {
  const auto options = [](int n) {
    return RetryOptions{.max_attempts = n, .backoff = Constant(absl::Seconds(n))};
  };
  const auto retry = Retry(options(5));
  std::atomic<bool> done = false;
  std::thread changes([&] {
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(retry->Reconfigure(options(5 + i % 3)).ok());
    done = true;
  });
  while (!done) {
    View view = RetryView(Refused(), 1);
    view.config = retry->CurrentConfig();
    const int64_t seconds = (retry->Judge(view).at() - testing::kEnded) / absl::Seconds(1);
    view.attempts = static_cast<int>(seconds) - 1;
    EXPECT_FALSE(retry->Judge(view).rejects());
    view.attempts = static_cast<int>(seconds);
    EXPECT_TRUE(retry->Judge(view).rejects());
  }
  changes.join();
}

TEST(RetryTest, NamesTheFieldThatMakesNoSense) {
  const auto complaint = [](RetryOptions options) {
    const absl::Status status = PolicySet::Create({Retry(std::move(options))}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(complaint({.max_attempts = 0}), "Retry.max_attempts is 0; it must be at least 1");
  EXPECT_EQ(complaint({.max_attempts = -3}), "Retry.max_attempts is -3; it must be at least 1");
  EXPECT_EQ(complaint({.backoff = Exponential({.cap = absl::Milliseconds(10)})}),
            "Retry.backoff.cap is 10ms; it must not be below base, which is 50ms");
  EXPECT_EQ(complaint({.overload_backoff = Exponential({.cap = absl::Milliseconds(10)})}),
            "Retry.overload_backoff.cap is 10ms; it must not be below base, which is 50ms");
  EXPECT_EQ(complaint({.max_hint_excess = absl::Seconds(-1)}),
            "Retry.max_hint_excess is -1s; it must not be negative");
  EXPECT_EQ(complaint({.hint_jitter = absl::Seconds(-1)}),
            "Retry.hint_jitter is -1s; it must not be negative");
  EXPECT_EQ(complaint({.hint_jitter = absl::InfiniteDuration()}),
            "Retry.hint_jitter is inf; it must be finite");
  EXPECT_EQ(Retry()->Validate(), absl::OkStatus());
}

TEST(RetryTest, FingerprintsTellConfigurationsApart) {
  const std::vector<RetryOptions> all = {
      {},
      {.max_attempts = 4},
      {.backoff = Constant(absl::Milliseconds(50))},
      {.backoff = Linear(absl::Milliseconds(50))},
      {.backoff = Exponential({.base = absl::Milliseconds(51)})},
      {.backoff = Exponential({.multiplier = 3})},
      {.backoff = Exponential({.cap = absl::Seconds(21)})},
      {.backoff = Exponential({.jitter = Jitter::kEqual})},
      {.backoff = Exponential({.jitter_fraction = 0.5})},
      {.max_hint_excess = absl::Seconds(6)},
      {.hint_jitter = absl::Seconds(2)},
      {.overload_backoff = Exponential({.base = absl::Seconds(2)})},
      {.distinct_endpoint = false},
  };
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < all.size(); ++j) {
      EXPECT_EQ(Retry(all[i])->Fingerprint() == Retry(all[j])->Fingerprint(), i == j)
          << i << ' ' << j;
    }
  }
}

std::string PlayRefused(PolicyList policies) {
  const PolicySet set = *PolicySet::Create(std::move(policies));
  MachineTrace trace(set, {.deadline = {}, .idempotent = true, .seed = 1});
  return trace.Play([](int, AttemptKind) { return Fails(1); });
}

// failsafe-go, TestShouldReturnRetriesExceededError: always failing, three attempts make three calls,
// two waits and one "exhausted".
TEST(RetryTest, AlwaysFailing) {
  EXPECT_EQ(PlayRefused({Retry({.backoff = Plain(absl::Milliseconds(50))})}),
            "0:start#1 1:failed#1 1:wait(51,backoff) 51:start#2 52:failed#2 52:wait(152,backoff) "
            "152:start#3 153:failed#3 153:end:exhausted 153:done");
}

TEST(RetryTest, OfTwoTheFewerAttemptsAndTheLongerPause) {
  const PolicyPtr many = Retry({.max_attempts = 10, .backoff = Constant(absl::Milliseconds(70))});
  const PolicyPtr few = Retry({.max_attempts = 2, .backoff = Constant(absl::Milliseconds(5))});
  const std::string expected =
      "0:start#1 1:failed#1 1:wait(71,backoff) 71:start#2 72:failed#2 72:end:exhausted 72:done";
  EXPECT_EQ(PlayRefused({many, few}), expected);
  EXPECT_EQ(PlayRefused({few, many}), expected);
}

}  // namespace
}  // namespace redial
