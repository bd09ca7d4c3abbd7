// What policies are asked with in their unit tests: a view of a call whose last attempt failed, and
// the outcome it failed with.
//
//   Outcome failed = FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED);
//   Verdict verdict = policy->Judge(RetryView(failed, /*attempts=*/1));
#ifndef REDIAL_TESTS_SUPPORT_POLICY_VIEW_H_
#define REDIAL_TESTS_SUPPORT_POLICY_VIEW_H_

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/policy.h"
#include "redial/reason.h"
#include "redial/time.h"
#include "redial/verdict.h"
#include "redial/view.h"

namespace redial {

// For GoogleTest's messages.
inline void PrintTo(const Verdict& verdict, std::ostream* out) {
  constexpr const char* kKinds[] = {"Admit", "NotBefore", "Blocked", "Reject"};
  *out << kKinds[static_cast<int>(verdict.kind())] << '(' << ReasonName(verdict.reason()) << ", "
       << verdict.at().nanos() << ')';
}

}  // namespace redial

namespace redial::testing {

// When the last attempt of a `RetryView` ended.
inline constexpr Instant kEnded = Instant::FromNanos(1'000'000'000);

inline Outcome FailedWith(absl::StatusCode code, int error = 0) {
  Outcome outcome;
  outcome.code = code;
  outcome.error = error;
  outcome.ended = kEnded;
  return outcome;
}

// An attempt that returned `value`, which lives longer than the outcome.
template <class T>
Outcome Returned(const T& value) {
  Outcome outcome;
  outcome.sent = Sent::kAnswered;
  outcome.ended = kEnded;
  outcome.result = ResultRef::Of(value);
  return outcome;
}

inline Outcome WithHint(Outcome outcome, absl::Duration hint) {
  outcome.has_retry_after = true;
  outcome.retry_after_nanos = ToNanos(hint);
  return outcome;
}

inline View RetryView(const Outcome& last, int attempts, uint64_t seed = 1) {
  View view;
  view.kind = AttemptKind::kRetry;
  view.attempts = attempts;
  view.now = kEnded;
  view.last = &last;
  view.seed = seed;
  view.identity = 7;
  return view;
}

inline View HedgeView(int attempts) {
  View view;
  view.kind = AttemptKind::kHedge;
  view.attempts = attempts;
  view.now = kEnded;
  return view;
}

inline Verdict NotBefore(absl::Duration after, Reason reason) {
  return Verdict::NotBefore(kEnded + after, reason);
}

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_POLICY_VIEW_H_
