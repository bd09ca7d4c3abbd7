// A sum of what came and went in the last while, in slices: those that are older than `lifetime` no
// longer count.
//
//   TokenWindow window(absl::Seconds(10));
//   window.Advance(now);
//   window.Add(5);
//   window.Advance(now + absl::Seconds(11));  // the sum is 0
//
// Needs outside locking. Time that runs backwards is taken for the latest seen.
#ifndef REDIAL_POLICIES_TOKEN_WINDOW_H_
#define REDIAL_POLICIES_TOKEN_WINDOW_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "redial/time.h"

namespace redial::internal {

class TokenWindow {
 public:
  static constexpr int kSlices = 10;

  // An infinite one forgets nothing.
  explicit TokenWindow(absl::Duration lifetime)
      : slice_nanos_(lifetime == absl::InfiniteDuration()
                         ? kEndless
                         : std::max<int64_t>(1, ToNanos(lifetime) / kSlices)) {}

  int64_t sum() const { return sum_; }
  // When the slice that is filled now is full; never for an infinite one.
  Instant slice_end() const { return slice_end_; }
  Instant slice_begin() const { return Plus(slice_end_, -slice_nanos_); }

  // To the slice that is filled now.
  void Add(int64_t n) {
    slices_[current_] += n;
    sum_ += n;
  }
  // To the slice of `at`, unless that is forgotten already.
  void Add(Instant at, int64_t n) {
    const int64_t behind = NanosBetween(at, slice_begin());
    const int64_t ago = behind <= 0 ? 0 : 1 + (behind - 1) / slice_nanos_;
    if (ago >= kSlices) return;
    slices_[(current_ + kSlices - static_cast<int>(ago)) % kSlices] += n;
    sum_ += n;
  }
  void Advance(Instant now) {
    if (now < slice_end_) return;
    if (!begun_) {
      begun_ = true;
      slice_end_ = Plus(now, slice_nanos_);
      return;
    }
    const int64_t passed = 1 + NanosBetween(slice_end_, now) / slice_nanos_;
    for (int64_t i = std::min<int64_t>(passed, kSlices); i > 0; --i) {
      current_ = (current_ + 1) % kSlices;
      sum_ -= slices_[current_];
      slices_[current_] = 0;
    }
    slice_end_ =
        passed > kSlices ? Plus(now, slice_nanos_) : Plus(slice_end_, passed * slice_nanos_);
  }

 private:
  static constexpr int64_t kEndless = std::numeric_limits<int64_t>::max();

  int64_t slice_nanos_;
  bool begun_ = false;
  Instant slice_end_ = Instant::FromNanos(std::numeric_limits<int64_t>::min());
  int current_ = 0;
  int64_t sum_ = 0;
  std::array<int64_t, kSlices> slices_ = {};
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_TOKEN_WINDOW_H_
