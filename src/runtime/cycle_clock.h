// The kernel's monotonic clock, read off the processor's time stamp counter between two looks at it: a
// look at the counter takes half as long, and doesn't wait for the instructions before it.
//
//   CycleClock clock;                                  // one for each thread
//   auto now = clock.At(cycles);                       // the time, or nothing: then look at the kernel's
//   if (!now) now = clock.Look(before, kernel, after);
//
// Theory of operation. Linux computes its clock from the same counter, so between two looks only the
// rate can be off: by the error of the looks, and by what the kernel's clock is adjusted meanwhile (the
// kernel's own limit is 500 millionths). A look holds for kHolds cycles, about a millisecond, so the
// error stays below a microsecond. A look that took longer than kQuick says that the thread was held
// up, or that the kernel's clock isn't made from this counter: it is believed, but nothing is built on
// it, nor on a rate before a second one has confirmed it. If the rate ever changes by more than such an
// adjustment, the counter isn't steady, or somebody adjusts the clock by force: from then on the clock
// is the kernel's.
//
// A thread never sees it run backwards; two threads may differ by the error. Needs outside locking.
// See docs/decisions/cycle-clock.md.
#ifndef REDIAL_SRC_RUNTIME_CYCLE_CLOCK_H_
#define REDIAL_SRC_RUNTIME_CYCLE_CLOCK_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace redial::runtime_internal {

class CycleClock {
 public:
  static constexpr uint64_t kQuick = 500;
  static constexpr uint64_t kHolds = uint64_t{1} << 21;
  // Of two looks that are further apart, no rate is made: the machine may have slept, and the counter
  // need not have.
  static constexpr uint64_t kLongest = uint64_t{1} << 32;

  // The time when the counter stood at `cycles`, in nanoseconds; nothing where a look is due.
  std::optional<int64_t> At(uint64_t cycles) {
    const uint64_t passed = cycles - cycles_;
    if (passed >= holds_) [[unlikely]] {
      return std::nullopt;
    }
    return Advance(nanos_ + static_cast<int64_t>(passed * rate_ >> kRateShift));
  }

  // The kernel's clock stood at `nanos` at some moment while the counter went from `before` to
  // `after`. Returns the time.
  int64_t Look(uint64_t before, int64_t nanos, uint64_t after) {
    if (after - before <= kQuick && !unsteady_) Anchor(before + (after - before) / 2, nanos);
    return Advance(nanos);
  }

 private:
  static constexpr int kRateShift = 32;
  // A larger change than any adjustment of the kernel's clock and the error of two looks make: two
  // thousandths.
  static constexpr uint64_t kLargestChange = 500;

  int64_t Advance(int64_t nanos) { return latest_ = std::max(latest_, nanos); }

  void Anchor(uint64_t cycles, int64_t nanos) {
    const uint64_t passed = cycles - cycles_;
    // The first look stays until one comes that is far enough from it.
    if (anchored_ && passed < kHolds) return;
    if (anchored_ && passed <= kLongest) {
      const uint64_t rate = Rate(passed, nanos - nanos_);
      const bool confirmed = rate != 0 && rate_ != 0 && !Differ(rate, rate_);
      unsteady_ = holds_ != 0 && !confirmed;
      holds_ = confirmed ? kHolds : 0;
      rate_ = rate;
    }
    anchored_ = true;
    cycles_ = cycles;
    nanos_ = nanos;
  }

  static bool Differ(uint64_t a, uint64_t b) {
    return std::max(a, b) - std::min(a, b) > a / kLargestChange;
  }

  // 0 for one that can't be: a counter slower than a nanosecond's quarter, or time that ran back.
  static uint64_t Rate(uint64_t cycles, int64_t nanos) {
    if (nanos <= 0 || static_cast<uint64_t>(nanos) > 4 * cycles) return 0;
    return (static_cast<uint64_t>(nanos) << 29) / (cycles >> 3);
  }

  uint64_t cycles_ = 0;  // of the latest look that was kept, and its time
  int64_t nanos_ = 0;
  uint64_t holds_ = 0;  // for so many cycles; 0 while no rate is confirmed
  uint64_t rate_ = 0;   // nanoseconds per 2^32 cycles; 0 while it isn't known
  int64_t latest_ = std::numeric_limits<int64_t>::min();
  bool anchored_ = false;
  bool unsteady_ = false;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_CYCLE_CLOCK_H_
