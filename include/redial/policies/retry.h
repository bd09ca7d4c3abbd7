// Retry: one answer to a timeout. Another attempt, after a pause, as long as it is safe and can
// help.
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
//
// The pause is `backoff`'s, or `overload_backoff`'s after the peer's word that it has enough: its
// kResourceExhausted. What this side has run out of (descriptors, ports, memory, a limit on the length
// of a line) isn't the peer's word. Neither is a hint by itself: it says when to come back, which is
// better than any guess, and a server that restarts gives hints too.
//
// Safe between threads. Its configuration is all its state, and it takes no lock.
#ifndef REDIAL_POLICIES_RETRY_H_
#define REDIAL_POLICIES_RETRY_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policies/backoff.h"
#include "redial/policies/predicate.h"
#include "redial/policy.h"

namespace redial {

struct RetryOptions {
  // In all, the first one and hedges included. At least 1 (AWS's default is 3 as well).
  int max_attempts = 3;
  // Both as in AWS's standard retries 2.1: 50 ms after a fault that passes, 1 s after overload,
  // doubled, at most 20 s, full jitter.
  Backoff backoff = {};
  Backoff overload_backoff = {.base = absl::Seconds(1)};
  // Retried in place of the table above.
  Predicate retry_on = {};
  // Retried as well as what the table, or `retry_on`, names: a result such as an HTTP 503 in an OK
  // value.
  Predicate also_retry_on = {};
  // Never retried, whatever the others say; a value that it names is the result of the call.
  Predicate never_retry_on = {};
  // The peer's word that it has enough as well: an HTTP 429 in an OK value. Makes nothing a failure.
  Predicate also_overload_on = {};
  // How much longer than its own pause a hint (RetryAfter) may make it wait: the pause is max(own,
  // min(hint, own + this)), as in AWS's standard retries. Not negative.
  absl::Duration max_hint_excess = absl::Seconds(5);
  // Added to a hint that took effect: U[0,1) times this or the pause that the hint made, whichever is
  // less. "Exactly then" would bring the herd back together. Not negative; 0 for exactly then.
  absl::Duration hint_jitter = absl::Seconds(1);
  // A wish to the client: the attempt after a failure of the connection goes to an address on which no
  // attempt of this call has failed, while the target has one.
  bool distinct_endpoint = true;
};

class REDIAL_EXPORT RetryPolicy : public Policy {
 public:
  using Policy::Policy;
  // Calls that have begun go on with what they began with. Errors as `Validate`'s; nothing changes
  // then. Two things are fixed when it is made: `distinct_endpoint`, and that it doesn't look at
  // values where no predicate did.
  virtual absl::Status Reconfigure(const RetryOptions& options) = 0;
};

// Two of them in one set: the fewer attempts, the longer pause. kInvalidArgument when it joins a set
// and an option is out of its range.
REDIAL_EXPORT std::shared_ptr<RetryPolicy> Retry(RetryOptions options = {});

// The default table, for use in predicates of one's own.
REDIAL_EXPORT bool IsTransient(const Outcome& outcome);

}  // namespace redial

#endif  // REDIAL_POLICIES_RETRY_H_
