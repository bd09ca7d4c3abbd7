#include "redial/policies/attempt_timeout.h"

#include <gtest/gtest.h>

#include <string>

#include "redial/policies/backoff.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"

namespace redial {
namespace {

using testing::Hangs;
using testing::MachineTrace;

TEST(AttemptTimeoutTest, Proposes) {
  EXPECT_EQ(AttemptTimeout(absl::Milliseconds(500))->Propose(View()).attempt_timeout_nanos,
            500'000'000);
  EXPECT_EQ(AttemptTimeout(absl::Nanoseconds(1) / 4)->Propose(View()).attempt_timeout_nanos, 1);
}

TEST(AttemptTimeoutTest, BoundsEachAttempt) {
  const PolicySet set = *PolicySet::Create(
      {Retry({.max_attempts = 2, .backoff = Constant(absl::Milliseconds(10))}),
       AttemptTimeout(absl::Milliseconds(500)), AttemptTimeout(absl::Milliseconds(300))});
  MachineTrace trace(set, {.deadline = {}, .idempotent = true, .seed = 1});
  EXPECT_EQ(trace.Play([](int, AttemptKind) { return Hangs(); }),
            "0:start#1 300:failed#1 300:wait(310,backoff) 310:start#2 610:failed#2 "
            "610:end:exhausted 610:done");
}

TEST(AttemptTimeoutTest, NamesWhatMakesNoSense) {
  const auto complaint = [](absl::Duration timeout) {
    const absl::Status status = PolicySet::Create({AttemptTimeout(timeout)}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(complaint(absl::ZeroDuration()),
            "AttemptTimeout.timeout is 0; it must be positive and finite");
  EXPECT_EQ(complaint(absl::Seconds(-1)),
            "AttemptTimeout.timeout is -1s; it must be positive and finite");
  EXPECT_EQ(complaint(absl::InfiniteDuration()),
            "AttemptTimeout.timeout is inf; it must be positive and finite");
}

TEST(AttemptTimeoutTest, FingerprintsTellConfigurationsApart) {
  EXPECT_NE(AttemptTimeout(absl::Seconds(1))->Fingerprint(),
            AttemptTimeout(absl::Seconds(2))->Fingerprint());
}

}  // namespace
}  // namespace redial
