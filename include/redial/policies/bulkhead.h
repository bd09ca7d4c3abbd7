// Bulkhead: lets only so many attempts run at a time, and a bounded line of others wait for their
// turn. A server that has become slow then holds up that many callers, not all there are.
//
//   auto bulkhead = redial::Bulkhead({.max_concurrent = 10, .max_queue = 20});  // share it
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), bulkhead});
//   std::cout << bulkhead->snapshot().waiting << " in line\n";
//
// Exact: never more than `max_concurrent` are admitted, whoever asks. Who comes while all permits are
// out waits in line, by the call's priority (`CallOptions::priority`) and then in order; where the
// line is full, it takes the place of the newest of a lower priority, or is refused. A line that
// stands, since calls come faster than they end, helps nobody: all of them are only later. So once
// nobody's wait has been as short as `target_delay` for a `target_interval`, whoever has waited for
// more than twice `target_delay` is refused, until somebody is served in time again or the line has
// been empty.
//
// A wait in line ends with the call's deadline, like all it does. A call that another policy holds up
// keeps its place and is passed over. The beginning and end of an overload are told to observers
// (`CallEvent::Type::kPolicyChanged`).
//
// Safe between threads. While nobody waits, a call that succeeds takes no lock: a thread keeps a permit
// for its next call, and others are by processor. If both are without one, the call gets half of another
// processor's under a lock, or at last all that threads keep: so nobody waits or is refused for what
// another thread doesn't use. While somebody waits each call takes the lock, since the permit of one that
// ends is the next one's.
#ifndef REDIAL_POLICIES_BULKHEAD_H_
#define REDIAL_POLICIES_BULKHEAD_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

struct BulkheadOptions {
  std::string label = {};  // which one, in events and metrics
  // Each attempt, hedges included, or whole calls: a call then keeps its permit through the pauses
  // between its attempts.
  enum class Counts : uint8_t { kAttempts, kCalls };
  Counts counts = Counts::kAttempts;

  int max_concurrent = 25;  // from 1 to a million
  // How many may wait for a permit. 0: nobody, who finds none is refused at once. Up to a million.
  int max_queue = 100;
  // Who among equals is served first: the oldest; or while the line is overloaded the newest, whose
  // callers have not given up yet.
  enum class Order : uint8_t { kFifo, kLifoUnderOverload };
  Order order = Order::kFifo;
  // No attempt waits for its turn longer than this in all; what another policy holds it up for
  // doesn't count. Infinite: until the call's deadline.
  absl::Duration max_wait = absl::InfiniteDuration();
  // The line is overloaded after an interval in which nobody's wait was as short as the target. An
  // infinite target: never.
  absl::Duration target_delay = absl::Milliseconds(5);
  absl::Duration target_interval = absl::Milliseconds(100);
};

class REDIAL_EXPORT BulkheadPolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    int max_concurrent = 0;
    // Permits that are out: of what runs, and of those whose turn has come. More than the limit for a
    // while, if that was lowered.
    int in_use = 0;
    int waiting = 0;  // in line
    bool overloaded = false;
    int64_t waited = 0;   // candidates that had to wait, since it was made
    int64_t refused = 0;  // candidates that it refused, since it was made
  };
  virtual Snapshot snapshot() const = 0;
  // What runs goes on, and who stands in line stays there: a lower limit takes hold as permits come back.
  // Calls that have begun go on with their `max_queue` and `max_wait`. Errors as `Validate`'s, and for
  // another `counts`; nothing changes then.
  virtual absl::Status Reconfigure(const BulkheadOptions& options) = 0;
};

// kInvalidArgument when it joins a set: counts outside their range, times that aren't positive, an
// interval without end.
REDIAL_EXPORT std::shared_ptr<BulkheadPolicy> Bulkhead(const BulkheadOptions& options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_BULKHEAD_H_
