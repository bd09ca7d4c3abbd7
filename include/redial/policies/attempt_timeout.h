// AttemptTimeout: bounds each attempt, so that one that hangs leaves time for another.
//
//   auto client = redial::Client::Create("tcp://cache:6379", {
//       redial::Retry(), redial::AttemptTimeout(absl::Milliseconds(500))});
//
//   auto learning = redial::AttemptTimeout({.timeout = absl::Seconds(2), .quantile = 0.99});
//   std::cout << learning->snapshot().timeout << '\n';  // three times what 99% kept below
//
// The call's own deadline holds all the same. Two of them: the shorter. It can cut short only what
// heeds the attempt's deadline: redial's sockets do; a plain function must look at
// `Attempt::deadline()`.
//
// Safe between threads, without a lock.
#ifndef REDIAL_POLICIES_ATTEMPT_TIMEOUT_H_
#define REDIAL_POLICIES_ATTEMPT_TIMEOUT_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// The shortest of what is set below holds: at least one of `timeout`, `share`, `share_among` and
// `quantile` must be.
struct AttemptTimeoutOptions {
  // At most; all of it while nothing shorter is known. Positive.
  absl::Duration timeout = absl::InfiniteDuration();

  // A share of what remains until the call's deadline, from above 0 to 1; 0: none. Half leaves the
  // other half for what comes after. None for a call without a deadline.
  double share = 0;
  // What remains until then, divided by the attempts that are left of so many, as in
  // `Retry({.max_attempts = …})`. Pauses between them come out of it too. 0: none.
  int share_among = 0;

  // `factor` times this quantile of what successes took lately, from above 0 to 1; 0: none. Attempts
  // that fail teach it nothing; when so few have succeeded within `window` that nothing is known, it
  // is as it was in the beginning.
  double quantile = 0;
  double factor = 3;                          // at least 1
  absl::Duration window = absl::Seconds(30);  // positive
  int min_samples = 20;                       // at least 1

  // What is computed from the above is never shorter, so that a scheduler's hiccup isn't taken for a
  // server that hangs: `timeout` alone may be. Not negative.
  absl::Duration min_timeout = absl::Milliseconds(10);
  // Nothing is shorter than so many round trips to the server, not even `timeout`: one connects, one
  // asks, one is for the variance. A round trip is the shortest connect of the last half to full
  // minute, as clients of redial report it, and 0 while none is known. 0: no such floor.
  double round_trips = 3;
};

class REDIAL_EXPORT AttemptTimeoutPolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    // With an infinite one where the policy bounds nothing now; shares aside.
    absl::Duration timeout = absl::InfiniteDuration();
    std::optional<absl::Duration> latency;     // the quantile, once it is known
    std::optional<absl::Duration> round_trip;  // once one is known
    int64_t samples = 0;                       // in the window
  };
  virtual Snapshot snapshot() const = 0;
  // Calls that have begun go on with what they began with; what was learnt stays. Errors as
  // `Validate`'s; nothing changes then. One that was made without a quantile, or without round trips,
  // can't begin to learn them.
  virtual absl::Status Reconfigure(const AttemptTimeoutOptions& options) = 0;
};

// Exactly `timeout`, which is positive and finite: kInvalidArgument otherwise, when it joins a set.
REDIAL_EXPORT std::shared_ptr<AttemptTimeoutPolicy> AttemptTimeout(absl::Duration timeout);
// kInvalidArgument when it joins a set: nothing set, or out of its range.
REDIAL_EXPORT std::shared_ptr<AttemptTimeoutPolicy> AttemptTimeout(
    const AttemptTimeoutOptions& options);

}  // namespace redial

#endif  // REDIAL_POLICIES_ATTEMPT_TIMEOUT_H_
