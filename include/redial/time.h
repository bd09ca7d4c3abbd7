// Points in time and deadlines on a runtime's own monotonic clock.
//
// An `Instant` is what `Runtime::Now()` returns; a `Deadline` is an `Instant` by which something
// must be over, or one of two values that differ from every instant: `Deadline::Past()` and
// `Deadline::Never()`. Neither has anything to do with the wall clock, so neither moves when
// somebody sets the date.
//
//   redial::Deadline deadline = redial::Deadline::After(runtime.Now(), absl::Seconds(2));
//   if (deadline.expired(runtime.Now())) return absl::DeadlineExceededError("too late");
//
// All arithmetic saturates. Both types are values: as safe between threads as an int64_t.
#ifndef REDIAL_TIME_H_
#define REDIAL_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace redial {

// A point on a monotonic clock, in nanoseconds since that clock's origin.
//
// Real clocks run from 0 and simulated ones from `VirtualOrigin()`, 146 years later, so that a
// deadline which was made on one and used on the other can be told (debug builds check it at each
// wait).
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanos(int64_t nanos) { return Instant(nanos); }
  static constexpr Instant VirtualOrigin() { return Instant(int64_t{1} << 62); }

  constexpr int64_t nanos() const { return nanos_; }
  constexpr bool is_virtual() const { return nanos_ >= VirtualOrigin().nanos_; }

  friend constexpr auto operator<=>(Instant, Instant) = default;

 private:
  explicit constexpr Instant(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

// Nanoseconds in `d`, saturated: an infinite duration is the largest or smallest int64_t.
inline int64_t ToNanos(absl::Duration d) { return absl::ToInt64Nanoseconds(d); }

// `t` moved by `nanos`, saturated.
constexpr Instant Plus(Instant t, int64_t nanos) {
  int64_t sum = 0;
  if (__builtin_add_overflow(t.nanos(), nanos, &sum)) {
    sum = nanos < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return Instant::FromNanos(sum);
}

// Nanoseconds from `from` to `to`, saturated.
constexpr int64_t NanosBetween(Instant from, Instant to) {
  int64_t difference = 0;
  if (__builtin_sub_overflow(to.nanos(), from.nanos(), &difference)) {
    return to < from ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return difference;
}

inline Instant operator+(Instant t, absl::Duration d) { return Plus(t, ToNanos(d)); }
inline Instant operator-(Instant t, absl::Duration d) { return Plus(t, ToNanos(-d)); }
inline absl::Duration operator-(Instant to, Instant from) {
  return absl::Nanoseconds(NanosBetween(from, to));
}

// The instant by which something must be over. Ordered: `Past()` < every instant < `Never()`.
class Deadline {
 public:
  // `Never()`.
  constexpr Deadline() = default;
  constexpr explicit Deadline(Instant at)
      : nanos_(at.nanos() <= kPast    ? kPast + 1
               : at.nanos() >= kNever ? kNever - 1
                                      : at.nanos()) {}

  static constexpr Deadline Never() { return Deadline(kNever, Raw{}); }
  static constexpr Deadline Past() { return Deadline(kPast, Raw{}); }

  // `timeout` after `now`: a negative one is `Past()`, an infinite one `Never()`, and so is one
  // that leaves the clock's range (146 years).
  static Deadline After(Instant now, absl::Duration timeout) {
    return AfterNanos(now, ToNanos(timeout));
  }
  static constexpr Deadline AfterNanos(Instant now, int64_t nanos) {
    if (nanos < 0) return Past();
    int64_t at = 0;
    if (__builtin_add_overflow(now.nanos(), nanos, &at) || at == kNever) return Never();
    if (Instant::FromNanos(at).is_virtual() && !now.is_virtual()) return Never();
    return Deadline(Instant::FromNanos(at));
  }

  constexpr bool is_never() const { return nanos_ == kNever; }
  constexpr bool is_past() const { return nanos_ == kPast; }

  // True from the deadline's own instant on.
  constexpr bool expired(Instant now) const {
    if (nanos_ > now.nanos()) [[likely]] {
      return false;
    }
    return nanos_ != kNever;
  }

  // What is left at `now`: zero once expired, infinite for `Never()`.
  absl::Duration remaining(Instant now) const {
    if (is_never()) return absl::InfiniteDuration();
    return expired(now) ? absl::ZeroDuration() : absl::Nanoseconds(NanosBetween(now, instant()));
  }

  // The instant itself; the clock's last one for `Never()`, and one before all others for `Past()`.
  constexpr Instant instant() const { return Instant::FromNanos(nanos_); }

  friend constexpr auto operator<=>(Deadline, Deadline) = default;
  friend constexpr Deadline Earlier(Deadline a, Deadline b) { return a < b ? a : b; }

 private:
  struct Raw {};
  static constexpr int64_t kPast = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  constexpr Deadline(int64_t nanos, Raw) : nanos_(nanos) {}

  int64_t nanos_ = kNever;
};

}  // namespace redial

#endif  // REDIAL_TIME_H_
