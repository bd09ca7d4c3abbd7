// What an attempt that returned a value means to policies.
#ifndef REDIAL_SRC_CLIENT_ATTEMPT_OUTCOME_H_
#define REDIAL_SRC_CLIENT_ATTEMPT_OUTCOME_H_

#include "absl/time/time.h"
#include "redial/attempt.h"
#include "redial/call.h"
#include "redial/time.h"
#include "redial/view.h"

namespace redial::internal {

// One to copy, from where the compiler doesn't know what is in it: that takes a few large stores. To
// clear one of this size, g++ takes an instruction that starts slowly, a twelfth of an empty call.
inline const Outcome& BlankOutcome() {
  static constexpr Outcome kBlank;
  const Outcome* blank = &kBlank;
  asm("" : "+r"(blank));
  return *blank;
}

inline Outcome OutcomeOf(const Attempt& attempt, const AttemptResult& result) {
  Outcome outcome = BlankOutcome();
  outcome.status = result.status;
  outcome.result = result.result;
  outcome.sent = attempt.sent().value_or(Sent::kAnswered);
  outcome.connect_nanos = attempt.connect_nanos();
  if (attempt.retry_after() && *attempt.retry_after() >= absl::ZeroDuration()) {
    outcome.has_retry_after = true;
    outcome.retry_after_nanos = ToNanos(*attempt.retry_after());
  }
  return outcome;
}

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_ATTEMPT_OUTCOME_H_
