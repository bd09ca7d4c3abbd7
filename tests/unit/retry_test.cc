#include "redial/policies/retry.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <limits>
#include <string>
#include <utility>
#include <vector>

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
  const PolicyPtr retry = Retry({.backoff = Plain(absl::Milliseconds(50))});
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
  const PolicyPtr retry = Retry(
      {.backoff = Plain(absl::Milliseconds(50)), .max_hint_excess = absl::InfiniteDuration()});
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
      {.hint_jitter = absl::Seconds(1)},
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

// failsafe-go, retry tests: always failing, three attempts make three calls, two waits and one
// "exhausted".
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
