// What a policy answers when it is asked: may another attempt start now?
//
//   auto a = redial::Verdict::NotBefore(now + absl::Seconds(1), redial::Reason::kBackoff);
//   auto b = redial::Verdict::Reject(redial::Reason::kExhausted);
//   assert(Join(a, b) == b);  // the stricter one, whichever comes first
//
// Verdicts form a total order, Admit < NotBefore < Blocked < Reject, so that joining them doesn't
// depend on who was asked first. A value: as safe between threads as an integer.
#ifndef REDIAL_VERDICT_H_
#define REDIAL_VERDICT_H_

#include <algorithm>
#include <compare>
#include <cstdint>

#include "redial/reason.h"
#include "redial/time.h"

namespace redial {

class Verdict {
 public:
  enum class Kind : uint8_t { kAdmit, kNotBefore, kBlocked, kReject };

  // The attempt may start.
  constexpr Verdict() = default;
  static constexpr Verdict Admit() { return {}; }
  // Not before `at`, which is absolute: judging later doesn't move it.
  static constexpr Verdict NotBefore(Instant at, Reason why) {
    return Verdict(Kind::kNotBefore, why, at);
  }
  // Until somebody wakes the call: a ticket's turn, a person's answer.
  static constexpr Verdict Blocked(Reason why) { return Verdict(Kind::kBlocked, why, kUnknown); }
  // The same, but to be judged again at `at` if nobody has woken the call before: a wait that ends.
  // `at` is later than now.
  static constexpr Verdict BlockedUntil(Instant at, Reason why) {
    return Verdict(Kind::kBlocked, why, at);
  }
  // Not at all. `next` is when the refuser would admit again, where it knows.
  static constexpr Verdict Reject(Reason why) { return Verdict(Kind::kReject, why, kUnknown); }
  static constexpr Verdict RejectUntil(Instant next, Reason why) {
    return Verdict(Kind::kReject, why, next);
  }

  constexpr Kind kind() const { return kind_; }
  constexpr Reason reason() const { return reason_; }
  // For kNotBefore, and where `has_next` or `has_end`.
  constexpr Instant at() const { return at_; }
  constexpr bool has_next() const { return kind_ == Kind::kReject && at_ != kUnknown; }
  constexpr bool has_end() const { return kind_ == Kind::kBlocked && at_ != kUnknown; }

  constexpr bool rejects() const { return kind_ == Kind::kReject; }
  // True when an attempt may start at `now`: a delay that is over no longer objects.
  constexpr bool admits(Instant now) const {
    return kind_ == Kind::kAdmit || (kind_ == Kind::kNotBefore && at_ <= now);
  }

  friend constexpr bool operator==(const Verdict&, const Verdict&) = default;
  // Stricter is greater: by kind, then the later delay, then the later reason.
  friend constexpr std::strong_ordering operator<=>(const Verdict& a, const Verdict& b) {
    if (auto c = a.kind_ <=> b.kind_; c != 0) return c;
    if (a.kind_ == Kind::kNotBefore) {
      if (auto c = a.at_ <=> b.at_; c != 0) return c;
    }
    if (auto c = a.reason_ <=> b.reason_; c != 0) return c;
    return a.at_ <=> b.at_;
  }
  // The stricter of two.
  friend constexpr Verdict Join(const Verdict& a, const Verdict& b) { return std::max(a, b); }

 private:
  static constexpr Instant kUnknown = Instant::FromNanos(INT64_MIN);
  constexpr Verdict(Kind kind, Reason reason, Instant at) : kind_(kind), reason_(reason), at_(at) {}

  Kind kind_ = Kind::kAdmit;
  Reason reason_ = Reason::kNone;
  Instant at_ = kUnknown;
};

}  // namespace redial

#endif  // REDIAL_VERDICT_H_
