// How fast a rate limit lets attempts start, and the arithmetic of its one number (GCRA): the instant
// at which the next attempt would be due if all had come evenly. An attempt may come earlier than that,
// by as much as a burst allows.
//
//   Pace pace(3, 1'000'000'000, 1);            // three a second, one at a time
//   int64_t due = pace.Next(0, now);           // one starts now; the next is due a third of a second later
//   int64_t start = pace.StartOf(pace.Next(due, now));  // when the one after that may start
//
// A third of a second is no number of nanoseconds, and what is rounded each time adds up. So time is
// counted in ticks, each a nanosecond or up to two, of which a period has a whole number. An instant
// that `Next` gave stands for a tick exactly, and is turned back into it without loss: a tick
// holds at least one nanosecond. An attempt that needn't wait counts from the tick in which it starts:
// what is rounded is less than a tick, and never adds up.
//
// Immutable: safe between threads.
#ifndef REDIAL_POLICIES_PACE_H_
#define REDIAL_POLICIES_PACE_H_

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace redial::internal {

class Pace {
 public:
  static constexpr int64_t kLongestTick = 2;  // nanoseconds; it is shorter than that

  // `rate` attempts in `per_nanos`: from one in that time to one a nanosecond, and `burst`, at least 1,
  // at once. The time of a whole burst fits into `int64_t` easily.
  Pace(int64_t rate, int64_t per_nanos, int64_t burst)
      : period_(per_nanos / rate),
        tolerance_(period_ * (burst - 1)),
        numerator_(rate * period_ / std::gcd(rate * period_, per_nanos)),
        denominator_(per_nanos / std::gcd(rate * period_, per_nanos)),
        slack_(static_cast<int64_t>(Wide{tolerance_} * denominator_ / numerator_)) {}

  // What is due after an attempt that starts at `now` or as soon as it may, where `due` was before.
  int64_t Next(int64_t due, int64_t now) const {
    return Nanos(Ticks(std::max(due, now)) + period_);
  }
  // Undoes `Next`. What was due before may have been earlier, but no later than its attempt came, and
  // that makes no difference from then on.
  int64_t Before(int64_t next) const { return Nanos(Ticks(next) - period_); }
  // When the attempt may start after which `next` is due; long ago if it hasn't used up the burst.
  int64_t StartOf(int64_t next) const { return Nanos(Ticks(next) - period_ - tolerance_); }
  // Whether an attempt may start at `now`, seen cheaply: false at times where `StartOf` says yes.
  bool SurelyFree(int64_t due, int64_t now) const { return due - slack_ <= now; }

 private:
  __extension__ using Wide = __int128;

  int64_t Ticks(int64_t nanos) const {
    if (numerator_ == denominator_) return nanos;
    return static_cast<int64_t>(Wide{nanos} * numerator_ / denominator_);
  }
  // The first nanosecond of a tick. What is negative was long ago, and may be rounded either way.
  int64_t Nanos(int64_t ticks) const {
    if (numerator_ == denominator_) return ticks;
    return static_cast<int64_t>((Wide{ticks} * denominator_ + numerator_ - 1) / numerator_);
  }

  // In ticks, of which `numerator_` are as long as `denominator_` nanoseconds.
  int64_t period_;
  int64_t tolerance_;
  int64_t numerator_;
  int64_t denominator_;
  int64_t slack_;  // the tolerance in nanoseconds, rounded down
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_PACE_H_
