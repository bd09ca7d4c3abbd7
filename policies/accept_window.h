// What was sent in the last while, in ten slices, and how much of it was accepted: each attempt counts
// in the slice in which it was sent, however late its result comes.
//
//   AcceptWindow window(absl::Minutes(2));
//   window.Advance(now);
//   window.Add(sent_at, {.denied = 1});
//   double share = window.RefusalShare(2, 8);
//
// Needs outside locking.
#ifndef REDIAL_POLICIES_ACCEPT_WINDOW_H_
#define REDIAL_POLICIES_ACCEPT_WINDOW_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "redial/time.h"

namespace redial::internal {

class AcceptWindow {
 public:
  static constexpr int64_t kSlices = 10;

  struct Count {
    int64_t accepted = 0;
    int64_t denied = 0;
  };

  explicit AcceptWindow(absl::Duration length)
      : slice_nanos_(std::max<int64_t>(1, ToNanos(length) / kSlices)) {}

  Count sum() const { return sum_; }
  // Of the slice that is filled now.
  int64_t slice_begin() const { return end_ - slice_nanos_; }
  int64_t slice_end() const { return end_; }
  // That it was advanced to; the earliest there is before.
  Instant latest() const { return latest_; }

  // Forgets what is too old by now. Time that runs backwards is taken for the latest seen.
  void Advance(Instant now) {
    latest_ = std::max(latest_, now);
    if (now.nanos() < end_) return;
    const int64_t passed = begun_ ? 1 + (now.nanos() - end_) / slice_nanos_ : kSlices + 1;
    for (int64_t i = std::min(passed, kSlices); i > 0; --i) {
      current_ = (current_ + 1) % kSlices;
      sum_.accepted -= slices_[current_].accepted;
      sum_.denied -= slices_[current_].denied;
      slices_[current_] = {};
    }
    end_ = passed > kSlices ? now.nanos() + slice_nanos_ : end_ + passed * slice_nanos_;
    begun_ = true;
  }
  // To the slice of `sent`, unless that is forgotten already.
  void Add(Instant sent, Count count) {
    const int64_t ago =
        sent.nanos() >= slice_begin() ? 0 : 1 + (slice_begin() - 1 - sent.nanos()) / slice_nanos_;
    if (ago >= kSlices) return;
    Count& slice =
        slices_[static_cast<size_t>((static_cast<int64_t>(current_) + kSlices - ago) % kSlices)];
    slice.accepted += count.accepted;
    slice.denied += count.denied;
    sum_.accepted += count.accepted;
    sum_.denied += count.denied;
  }

 private:
  int64_t slice_nanos_;
  bool begun_ = false;
  Instant latest_ = Instant::FromNanos(std::numeric_limits<int64_t>::min());
  int64_t end_ = std::numeric_limits<int64_t>::min() / 2;
  size_t current_ = 0;
  Count sum_;
  std::array<Count, kSlices> slices_ = {};
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_ACCEPT_WINDOW_H_
