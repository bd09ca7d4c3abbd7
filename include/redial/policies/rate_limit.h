// RateLimit: lets so many attempts start in so long, and no more. What comes too soon waits for its
// turn, or is refused at once.
//
//   auto limit = redial::RateLimit({.rate = 100, .burst = 10});  // share it: one for all clients
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), limit});
//   std::cout << limit->snapshot().waiting << " calls wait for their turn\n";
//
// At 100 a second, attempts start 10 ms apart; after a pause, up to `burst` of them start at once. In
// any time t, wherever it begins, there are at most `burst + rate * t / per` turns. (The generic cell
// rate algorithm: nothing begins anew with each second, and so nobody gets two seconds' worth around
// the stroke of one.)
//
// A call that has to wait takes its turn when it first asks, keeps it, and sleeps until then: who comes
// later goes later. One whose turn would come after its deadline, or after `max_wait`, is refused at
// once and takes nothing; the refusal says when to come again (`Failure::retry_at`).
//
// A call that ends before its turn gives it back if nobody has taken a later one since. If somebody
// has, the turn goes unused: those behind it have been told theirs, and two at once would be more than
// the limit. A call that another policy holds up beyond its turn keeps it, and starts late.
//
// Observers are told (`CallEvent::Type::kPolicyChanged`) when it first refuses, "refusing", and when it
// hasn't for as long as a whole burst takes to come back, and a second at least, "admitting".
//
// Safe between threads, and without a lock, except where a turn is given back and in `Reconfigure`.
#ifndef REDIAL_POLICIES_RATE_LIMIT_H_
#define REDIAL_POLICIES_RATE_LIMIT_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"
#include "redial/time.h"

namespace redial {

struct RateLimitOptions {
  // So many in each `per`, evenly; an interval that is no number of nanoseconds is kept all the same.
  // There is no default: only whoever runs the server knows. At least 1, at most one in 10ns.
  int64_t rate = 0;
  absl::Duration per = absl::Seconds(1);  // from 10ns to 8784h, a leap year
  // At once, after a pause. As the peers' smooth limiters, it begins with one. Taking `burst` evenly
  // lasts no longer than a leap year.
  int64_t burst = 1;
  // The longest that a call waits for its turn. 0: what comes too soon is refused. Infinite: as long as
  // its deadline allows, and no longer than a leap year.
  absl::Duration max_wait = absl::InfiniteDuration();
  // What takes a turn: each attempt, hedges included, or each call, whose retries are then free.
  enum class Counts : uint8_t { kAttempts, kCalls };
  Counts counts = Counts::kAttempts;
};

class REDIAL_EXPORT RateLimitPolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    Instant next_start;   // of one that comes now; if it is past, at once
    int64_t waiting = 0;  // for their turn
    int64_t delayed = 0;  // had to wait, since it was made
    int64_t refused = 0;  // since it was made
  };
  virtual Snapshot snapshot() const = 0;
  // Calls that have begun go on with what they began with; who waits keeps his turn. What was taken stays
  // taken: what is due next is due at the same instant, from which the new rate and burst count.
  // Errors as `Validate`'s; nothing changes then. What is counted (`counts`) can't be changed.
  virtual absl::Status Reconfigure(const RateLimitOptions& options) = 0;
};

// kInvalidArgument when it joins a set: a rate or burst below 1, more than one in 10ns, times
// that are too short or longer than a leap year.
REDIAL_EXPORT std::shared_ptr<RateLimitPolicy> RateLimit(RateLimitOptions options);

}  // namespace redial

#endif  // REDIAL_POLICIES_RATE_LIMIT_H_
