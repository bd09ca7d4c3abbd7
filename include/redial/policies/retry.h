// Retry: the article's first answer to a timeout. Another attempt, after a pause, as long as it is
// safe and can help.
//
//   auto client = redial::Client::Create("tcp://cache:6379", {
//       redial::Retry({.max_attempts = 3,
//                      .backoff = redial::Exponential({.base = absl::Milliseconds(50)})})});
//
// What is retried, unless `retry_on` says otherwise:
//
//   | outcome                                                    | retried |
//   |------------------------------------------------------------|---------|
//   | kUnavailable: refused, reset, unreachable, closed early    | yes     |
//   | kDeadlineExceeded: the attempt's own time ran out          | yes     |
//   | kResourceExhausted, kAborted: the peer or this host is busy| yes     |
//   | a failure with a RetryAfter hint                           | yes     |
//   | everything else, kNotFound and kUnauthenticated included   | no      |
//
// Beneath all of it lies replay safety, which no policy can turn off: a call that may have been
// executed is repeated only if it was declared idempotent.
#ifndef REDIAL_POLICIES_RETRY_H_
#define REDIAL_POLICIES_RETRY_H_

#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policies/backoff.h"
#include "redial/policies/predicate.h"
#include "redial/policy.h"

namespace redial {

struct RetryOptions {
  // In all, the first one and hedges included. At least 1 (AWS's and Envoy's default is 3 as well).
  int max_attempts = 3;
  Backoff backoff = {};
  // Retried in place of the table above.
  Predicate retry_on = {};
  // Retried as well as what the table, or `retry_on`, names: a result such as an HTTP 503 in an OK
  // value.
  Predicate also_retry_on = {};
  // Never retried, whatever the others say; a value that it names is the result of the call.
  Predicate never_retry_on = {};
  // How much longer than its own pause a hint (RetryAfter) may make it wait: the pause is max(own,
  // min(hint, own + this)), as in AWS's standard retries. Not negative.
  absl::Duration max_hint_excess = absl::Seconds(5);
  // Added to a hint that took effect, times U[0,1): "exactly then" would bring the herd back
  // together. Not negative.
  absl::Duration hint_jitter = absl::ZeroDuration();
};

// Two of them in one set: the fewer attempts, the longer pause.
REDIAL_EXPORT PolicyPtr Retry(RetryOptions options = {});

// The default table, for use in predicates of one's own.
REDIAL_EXPORT bool IsTransient(const Outcome& outcome);

}  // namespace redial

#endif  // REDIAL_POLICIES_RETRY_H_
