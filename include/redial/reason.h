// Why an attempt may not start, or not yet: one code per cause, and a set of them.
//
//   redial::ReasonSet reasons;
//   reasons.Add(redial::Reason::kExhausted);
//   if (reasons.Has(redial::Reason::kUnsafe)) {
//     std::cout << redial::ReasonText(redial::Reason::kUnsafe);
//   }
//
// Values: as safe between threads as an integer.
#ifndef REDIAL_REASON_H_
#define REDIAL_REASON_H_

#include <cstdint>
#include <string_view>

#include "redial/export.h"

namespace redial {

// Ordered: where two policies object alike, the later one here is the one that the story names
// first.
enum class Reason : uint8_t {
  kNone = 0,
  // Delays.
  kBackoff,      // the pause between attempts
  kServerHint,   // the peer asked for a pause
  kRateLimited,  // a rate limit's next free slot
  // Queues.
  kQueued,     // waiting for a permit
  kParked,     // retries are held back until a call succeeds
  kUndecided,  // a person has been asked and hasn't answered
  // Ends.
  kNotRetried,    // no policy proposes a retry
  kNotRetriable,  // the failure is not one that another attempt can mend
  kExhausted,     // the attempts are used up
  kBudget,        // the retry budget is empty
  kQueueFull,     // no room to wait for a permit
  kOverload,      // refused to spare a server that is overloaded
  kRefused,       // refused by a policy of the user's own
  kBreakerOpen,   // the circuit breaker is open
  kFailFast,      // FailFast ended it
  kGaveUp,        // a person gave up
  kUnsafe,        // it may have been executed, and isn't idempotent
  kDeadline,      // the next attempt couldn't start before the deadline
  kCancelled,     // stop was requested
};
inline constexpr int kReasonCount = static_cast<int>(Reason::kCancelled) + 1;

// Half a sentence: "attempts exhausted".
REDIAL_EXPORT std::string_view ReasonText(Reason reason);
// For machines: "exhausted".
REDIAL_EXPORT std::string_view ReasonName(Reason reason);

class ReasonSet {
 public:
  constexpr ReasonSet() = default;
  static constexpr ReasonSet FromBits(uint64_t bits) {
    ReasonSet set;
    set.bits_ = bits & ((uint64_t{1} << kReasonCount) - 2);
    return set;
  }
  constexpr void Add(Reason reason) {
    if (reason != Reason::kNone) bits_ |= uint64_t{1} << static_cast<int>(reason);
  }
  constexpr void Add(ReasonSet other) { bits_ |= other.bits_; }
  constexpr bool Has(Reason reason) const { return (bits_ >> static_cast<int>(reason) & 1) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr uint64_t bits() const { return bits_; }

  friend constexpr bool operator==(ReasonSet, ReasonSet) = default;

 private:
  uint64_t bits_ = 0;
};

}  // namespace redial

#endif  // REDIAL_REASON_H_
