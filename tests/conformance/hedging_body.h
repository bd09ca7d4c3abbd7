// What bodies about hedged calls share.
#ifndef REDIAL_TESTS_CONFORMANCE_HEDGING_BODY_H_
#define REDIAL_TESTS_CONFORMANCE_HEDGING_BODY_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/attempt.h"
#include "redial/call.h"
#include "redial/policies/hedge.h"
#include "redial/policy.h"
#include "redial/policy_set.h"
#include "redial/runtime.h"
#include "tests/conformance/body.h"

namespace redial::conformance {

class Hedging : public Body {
 protected:
  static constexpr absl::Duration kDelay = absl::Milliseconds(10);

  static PolicyPtr Soon(int most = 1) {
    return Hedge({.delay = kDelay, .max_hedges = most, .max_ratio = 1});
  }
  static PolicySet Set(PolicyList policies) {
    absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
    EXPECT_EQ(set.status(), absl::OkStatus());
    return *std::move(set);
  }
  static CallOptions Idempotent() { return {.timeout = kHang, .idempotent = true}; }
  // As long as the attempt lets it, then says how that ended.
  static absl::Status Hang(const Attempt& attempt) {
    const WaitResult result = runtime().SleepUntil(attempt.deadline(), attempt.stop_token());
    return result == WaitResult::kStopped ? absl::CancelledError("told to end")
                                          : absl::DeadlineExceededError("hung");
  }
};

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_HEDGING_BODY_H_
