#include "redial/policies/fail_fast.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using testing::Hangs;
using testing::HedgeView;
using testing::MachineTrace;
using testing::RetryView;
using testing::Returned;
using testing::ScriptedOutcome;
using testing::Succeeds;

ScriptedOutcome Refused() {
  ScriptedOutcome refused = Fails(1);
  refused.outcome.error = ECONNREFUSED;
  return refused;
}
PolicyPtr RetryAfterTenMilliseconds() {
  return Retry({.backoff = Constant(absl::Milliseconds(10))});
}

std::string Play(PolicyList policies, std::function<ScriptedOutcome(int, AttemptKind)> script) {
  const PolicySet set = *PolicySet::Create(std::move(policies));
  MachineTrace trace(set, {.deadline = {}, .idempotent = true, .seed = 1});
  return trace.Play(std::move(script));
}

TEST(FailFastTest, RejectsWhatMatches) {
  const PolicyPtr policy = FailFast(OnErrno(ECONNREFUSED));
  const Outcome refused = FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED);
  const Outcome reset = FailedWith(absl::StatusCode::kUnavailable, ECONNRESET);
  EXPECT_EQ(policy->Judge(RetryView(refused, 1)), Verdict::Reject(Reason::kFailFast));
  EXPECT_EQ(policy->Judge(RetryView(reset, 1)), Verdict::Admit());
  EXPECT_EQ(policy->Judge(HedgeView(1)), Verdict::Admit());
}

TEST(FailFastTest, EndsWhatRetryAloneWouldRetry) {
  const auto refused = [](int id, AttemptKind) { return id == 0 ? Refused() : Succeeds(1); };
  const PolicyPtr retry = RetryAfterTenMilliseconds();
  const PolicyPtr fail_fast = FailFast(OnErrno(ECONNREFUSED));
  EXPECT_EQ(Play({retry}, refused),
            "0:start#1 1:failed#1 1:wait(11,backoff) 11:start#2 12:ok#2 12:deliver#2 12:done");
  const std::string ended = "0:start#1 1:failed#1 1:end:fail_fast 1:done";
  EXPECT_EQ(Play({retry, fail_fast}, refused), ended);
  EXPECT_EQ(Play({fail_fast, retry}, refused), ended);
}

TEST(FailFastTest, LeavesOtherFailuresToRetry) {
  EXPECT_EQ(Play({RetryAfterTenMilliseconds(), FailFast(OnErrno(ECONNREFUSED))},
                 [](int id, AttemptKind) { return id == 0 ? Fails(1) : Succeeds(1); }),
            "0:start#1 1:failed#1 1:wait(11,backoff) 11:start#2 12:ok#2 12:deliver#2 12:done");
}

// Starts a second attempt beside the first, after 20 ms.
class Hedges final : public Policy {
 public:
  Hedges() : Policy({.name = "Hedges", .capabilities = kProposes | kHedges}) {}
  Proposal Propose(const View&) const override {
    return {.hedge_after_nanos = 20 * testing::kMillisecond, .max_hedges = 1};
  }
};

TEST(FailFastTest, AbortsWhatIsInFlight) {
  EXPECT_EQ(
      Play({std::make_shared<Hedges>(), FailFast(OnErrno(ECONNREFUSED))},
           [](int, AttemptKind kind) { return kind == AttemptKind::kHedge ? Refused() : Hangs(); }),
      "0:start#1 20:hedge#2 21:failed#2 21:abort#1 21:end:fail_fast 21:gone#1 21:done");
}

TEST(FailFastTest, AValueCanEndTheCall) {
  const int forbidden = 403;
  const int fine = 200;
  const PolicyPtr policy = FailFast(OnResult<int>([](const int& status) { return status == 403; }));
  EXPECT_TRUE(policy->traits().capabilities & Policy::kExamines);
  EXPECT_TRUE(policy->IsFailure(Returned(forbidden)));
  EXPECT_FALSE(policy->IsFailure(Returned(fine)));
  EXPECT_EQ(policy->Judge(RetryView(Returned(forbidden), 1)), Verdict::Reject(Reason::kFailFast));
  EXPECT_FALSE(FailFast(OnErrno(EPIPE))->traits().capabilities & Policy::kExamines);
}

TEST(FailFastTest, AnEmptyPredicateIsAMistake) {
  const absl::Status status = PolicySet::Create({FailFast(Predicate())}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(status.message(), "FailFast.when is empty; it must be a predicate");
  EXPECT_EQ(FailFast()->Validate(), absl::OkStatus());
}

TEST(FailFastTest, NeverTwice) {
  EXPECT_EQ(
      Play({RetryAfterTenMilliseconds(), FailFast()}, [](int, AttemptKind) { return Fails(1); }),
      "0:start#1 1:failed#1 1:end:fail_fast 1:done");
}

TEST(FailFastTest, NoHedgeEitherAndTheFirstGoesOn) {
  EXPECT_EQ(
      Play({std::make_shared<Hedges>(), FailFast()}, [](int, AttemptKind) { return Succeeds(50); }),
      "0:start#1 50:ok#1 50:deliver#1 50:done");
}

class StartsLater final : public Policy {
 public:
  StartsLater() : Policy({.name = "StartsLater", .capabilities = kJudgesFirst}) {}
  Verdict Judge(const View& view) const override {
    return Verdict::NotBefore(view.began + absl::Milliseconds(5), Reason::kRateLimited);
  }
};

TEST(FailFastTest, NeverWaits) {
  EXPECT_EQ(Play({std::make_shared<StartsLater>(), FailFast()},
                 [](int, AttemptKind) { return Succeeds(1); }),
            "0:end:fail_fast 0:done");
  EXPECT_EQ(Play({std::make_shared<StartsLater>(), FailFast(OnAnyFailure())},
                 [](int, AttemptKind) { return Succeeds(1); }),
            "0:wait(5,rate_limited) 5:start#1 6:ok#1 6:deliver#1 6:done");
}

}  // namespace
}  // namespace redial
