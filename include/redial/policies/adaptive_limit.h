// AdaptiveLimit: a limit on attempts in flight that follows the round-trip times. While answers come
// as fast as they usually do it grows; when they take longer, or don't come, it shrinks. What is above
// it is refused at once.
//
//   auto limit = redial::AdaptiveLimit();  // share it: one for all clients of one target
//   auto client = redial::Client::Create("tcp://search:7700",
//                                        {limit, redial::AttemptTimeout(absl::Seconds(1))});
//   std::cout << limit->snapshot().limit << " at a time\n";
//
// It looks at the results of a window together. A success counts with the time that it took. What ran
// out of time, or was turned down by the peer because it has enough (kResourceExhausted, RetryAfter),
// is a *drop*. Any other failure, and whatever was aborted, gives its place back and proves nothing. So
// does an attempt that began before the limit was last lowered: it shows a load that is gone.
//
// There is no queue: a refused call ends with Reason::kOverload. Put a Bulkhead beside it where short
// waits are welcome.
//
// Observers are told (`CallEvent::Type::kPolicyChanged`) when it first refuses, "refusing", and when it
// hasn't for as long as its latest window lasted, "admitting".
//
// Safe between threads, and exact: no attempt starts above the limit, however many threads ask. So all
// of them write one word, the number of attempts in flight: an exact limit can't be striped. But while
// little of it is in use, a thread keeps its place for its next attempt: from the beginning of a
// window, if at most a quarter of a limit of 8 or more is taken then, until half of it would be. A
// success takes no lock while a window lasts; after its end one takes it, unless another has it, to
// close the window or to see that results are lacking. So does the attempt that would have half of the
// limit taken.
#ifndef REDIAL_POLICIES_ADAPTIVE_LIMIT_H_
#define REDIAL_POLICIES_ADAPTIVE_LIMIT_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// What the limit does at the end of a window, from the mean of its round trips.
enum class LimitAlgorithm : uint8_t {
  // Netflix's Gradient2. It compares with the average of some 600 windows, lets times be longer by
  // `tolerance`, and goes a fifth of the way to where it wants to be: gentle. The average learns from
  // overload as well, so that the limit creeps up where overload lasts for ten minutes and more.
  kGradient,
  // TCP Vegas, as failsafe-go has it. It compares with the least of the latest 600 to 1200 windows,
  // reckons from that how many requests queue at the peer, and goes a step up below three of them and
  // a step down above six: closest to the floor, and slow. From a limit of 100 on the step and both
  // bounds are twice that, from 1000 on three times.
  kVegas,
};

// Defaults: Netflix's Gradient2Limit and WindowedLimit, but for `min_limit`, which is 20 there.
struct AdaptiveLimitOptions {
  LimitAlgorithm algorithm = LimitAlgorithm::kGradient;
  // Attempts in flight: 1 <= min_limit <= initial_limit <= max_limit <= 1000000.
  int min_limit = 1;
  int initial_limit = 20;
  int max_limit = 200;

  // A window lasts that long, or twice its mean round trip where that is longer, and goes on until it
  // holds so many results.
  absl::Duration window = absl::Seconds(1);
  int window_results = 10;

  // kGradient: up to this factor, longer than usual is no overload. From 1 to 100.
  double tolerance = 1.5;
  // kGradient: how many more than the times allow it wants, so that it grows while they allow it.
  int queue = 4;
};

class REDIAL_EXPORT AdaptiveLimitPolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    int64_t limit = 0;
    int64_t in_flight = 0;  // above the limit for a while after it was lowered
    int64_t refused = 0;    // since it was made
    // Zero until a window has closed.
    absl::Duration latest_rtt = absl::ZeroDuration();  // the mean of that window
    absl::Duration usual_rtt = absl::ZeroDuration();   // what the next one is compared with
  };
  virtual Snapshot snapshot() const = 0;
  // The limit stays, as far as the new bounds let it, and so does what was learned, unless it was by
  // another algorithm. Holds at once and for all, since those that have begun and those that come share
  // one limit. Errors as `Validate`'s; nothing changes then.
  virtual absl::Status Reconfigure(const AdaptiveLimitOptions& options) = 0;
};

// kInvalidArgument when it joins a set: limits that are out of order, a number out of its range, a
// window that isn't positive and finite.
REDIAL_EXPORT std::shared_ptr<AdaptiveLimitPolicy> AdaptiveLimit(
    const AdaptiveLimitOptions& options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_ADAPTIVE_LIMIT_H_
