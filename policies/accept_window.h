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
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "policies/token_window.h"
#include "redial/time.h"

namespace redial::internal {

class AcceptWindow {
 public:
  struct Count {
    int64_t accepted = 0;
    int64_t denied = 0;
  };

  explicit AcceptWindow(absl::Duration length) : accepted_(length), denied_(length) {}

  Count sum() const { return {accepted_.sum(), denied_.sum()}; }
  // Of the slice that is filled now.
  int64_t slice_begin() const { return accepted_.slice_begin().nanos(); }
  int64_t slice_end() const { return accepted_.slice_end().nanos(); }
  // That it was advanced to; the earliest there is before.
  Instant latest() const { return latest_; }

  // Forgets what is too old by now. Time that runs backwards is taken for the latest seen.
  void Advance(Instant now) {
    latest_ = std::max(latest_, now);
    accepted_.Advance(now);
    denied_.Advance(now);
  }
  // To the slice of `sent`, unless that is forgotten already.
  void Add(Instant sent, Count count) {
    accepted_.Add(sent, count.accepted);
    denied_.Add(sent, count.denied);
  }

 private:
  Instant latest_ = Instant::FromNanos(std::numeric_limits<int64_t>::min());
  TokenWindow accepted_;
  TokenWindow denied_;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_ACCEPT_WINDOW_H_
