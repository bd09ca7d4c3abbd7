// The least of what was seen lately: in this slice of time and the one before.
//
//   RecentMinimum round_trip(absl::Seconds(30));
//   round_trip.Add(outcome.connect_nanos, outcome.ended);
//   int64_t nanos = round_trip.Get();  // 0 before there is one
//
// Safe between threads, without a lock; what isn't less costs two loads. Whoever comes after a
// slice's end begins the next one; a value that comes at that moment may count in either.
#ifndef REDIAL_POLICIES_RECENT_MINIMUM_H_
#define REDIAL_POLICIES_RECENT_MINIMUM_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "redial/time.h"

namespace redial::internal {

class RecentMinimum {
 public:
  explicit RecentMinimum(absl::Duration slice) : slice_nanos_(ToNanos(slice)) {}
  RecentMinimum(const RecentMinimum&) = delete;
  RecentMinimum& operator=(const RecentMinimum&) = delete;

  void Add(int64_t nanos, Instant now) {
    int64_t end = slice_end_.load(std::memory_order_relaxed);
    if (now.nanos() >= end) BeginSlice(end, now);
    int64_t least = current_.load(std::memory_order_relaxed);
    while (nanos < least &&
           !current_.compare_exchange_weak(least, nanos, std::memory_order_relaxed)) {
    }
  }
  // As of the latest that was added.
  int64_t Get() const {
    const int64_t least = std::min(current_.load(std::memory_order_relaxed),
                                   previous_.load(std::memory_order_relaxed));
    return least == kNone ? 0 : least;
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  void BeginSlice(int64_t end, Instant now) {
    // What was idle for a whole slice has nothing to hand on.
    const bool long_ago = NanosBetween(Instant::FromNanos(end), now) >= slice_nanos_;
    const int64_t next = Plus(now, slice_nanos_).nanos();
    if (!slice_end_.compare_exchange_strong(end, next, std::memory_order_relaxed)) return;
    const int64_t last = current_.exchange(kNone, std::memory_order_relaxed);
    previous_.store(long_ago ? kNone : last, std::memory_order_relaxed);
  }

  const int64_t slice_nanos_;
  std::atomic<int64_t> slice_end_{std::numeric_limits<int64_t>::min()};
  std::atomic<int64_t> current_{kNone};
  std::atomic<int64_t> previous_{kNone};
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_RECENT_MINIMUM_H_
