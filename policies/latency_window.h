// How long what went well has taken lately: a histogram that forgets, for policies that go by a
// quantile of it.
//
//   LatencyWindow window({.length = absl::Seconds(30), .min_samples = 20});
//   window.Add(NanosBetween(outcome.started, outcome.ended), outcome.ended);  // on each success
//   RecentQuantile p95(0.95);
//   std::optional<int64_t> nanos = p95.Get(window, view.now);  // on each attempt
//
// Buckets are a sixteenth of an octave wide, from 1 us to 18 minutes; what lies beyond counts as the
// nearest of them. A quantile is its bucket's upper end: never below the true one, and at most a
// sixteenth above. Kept in four slices: when one is full, the oldest is forgotten, so that between
// three quarters and all of `length` counts.
//
// Safe between threads, without a lock: each processor adds to a stripe of its own, and whoever comes
// after a slice's end begins the next one, while others go on adding to the old one. So a sample may
// count in the slice beside its own; no sample is counted twice. Time that runs backwards is taken for
// the latest seen.
#ifndef REDIAL_POLICIES_LATENCY_WINDOW_H_
#define REDIAL_POLICIES_LATENCY_WINDOW_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/time/time.h"
#include "redial/time.h"
#include "src/core/striped.h"

namespace redial::internal {

class LatencyWindow {
 public:
  struct Options {
    absl::Duration length = absl::Seconds(30);  // positive; an infinite one forgets nothing
    int64_t min_samples = 20;                   // with fewer in the window there is no quantile
  };

  explicit LatencyWindow(const Options& options)
      : slice_nanos_(SliceOf(options)), min_samples_(options.min_samples) {}
  LatencyWindow(const LatencyWindow&) = delete;
  LatencyWindow& operator=(const LatencyWindow&) = delete;

  // What is in the window stays; the slice that is filled now keeps its length.
  void Change(const Options& options) {
    slice_nanos_.store(SliceOf(options), std::memory_order_relaxed);
    min_samples_.store(options.min_samples, std::memory_order_relaxed);
  }

  void Add(int64_t nanos, Instant now) {
    if (now.nanos() >= slice_end_.load(std::memory_order_relaxed)) BeginSlice(now);
    Stripe& stripe = slices_[current_.load(std::memory_order_relaxed)]
                            [StripeOfThisProcessor() % kStripesOfSlice];
    stripe.counts[BucketOf(nanos)].fetch_add(1, std::memory_order_relaxed);
  }

  // The least bound that a share of at least `q` (from 0 to 1) of the samples doesn't exceed; nullopt
  // while there are too few. Walks the histogram, which takes a few microseconds.
  std::optional<int64_t> Quantile(double q, Instant now) {
    if (now.nanos() >= slice_end_.load(std::memory_order_relaxed)) BeginSlice(now);
    std::array<int64_t, kBuckets> sums;
    const int64_t total = SumUp(sums);
    const int64_t least = min_samples_.load(std::memory_order_relaxed);
    if (total < std::max<int64_t>(1, least)) return std::nullopt;
    // A product such as 0.07 * 100 lies a hair above the whole number that it stands for.
    const double exact = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
    const auto rank = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(exact * (1 - 1e-12))));
    int64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += sums[i];
      if (seen >= rank) return UpperEnd(i);
    }
    return UpperEnd(kBuckets - 1);
  }

  // In the window, as of the latest sample or question.
  int64_t samples() const {
    std::array<int64_t, kBuckets> sums;
    return SumUp(sums);
  }
  int64_t slice_nanos() const { return slice_nanos_.load(std::memory_order_relaxed); }

  // The upper end of the bucket that `nanos` belongs to.
  static int64_t RoundedUp(int64_t nanos) { return UpperEnd(BucketOf(nanos)); }

 private:
  static constexpr size_t kSlices = 4;
  static constexpr size_t kStripesOfSlice = 4;
  static constexpr int kLowestBit = 10;   // 2^10 ns
  static constexpr int kHighestBit = 39;  // below 2^40 ns
  static constexpr int kStepBits = 4;     // sixteen steps an octave
  static constexpr size_t kBuckets = size_t{kHighestBit - kLowestBit + 1} << kStepBits;

  struct alignas(kStripeSize) Stripe {
    std::array<std::atomic<uint32_t>, kBuckets> counts = {};
  };
  using Slice = std::array<Stripe, kStripesOfSlice>;

  static int64_t SliceOf(const Options& options) {
    return std::max<int64_t>(1, ToNanos(options.length) / static_cast<int64_t>(kSlices));
  }
  static size_t BucketOf(int64_t nanos) {
    constexpr int64_t kLeast = int64_t{1} << kLowestBit;
    constexpr int64_t kMost = (int64_t{1} << (kHighestBit + 1)) - 1;
    const auto value = static_cast<uint64_t>(std::clamp(nanos, kLeast, kMost));
    const auto bit = static_cast<int>(std::bit_width(value)) - 1;
    const uint64_t step = value >> (bit - kStepBits) & ((1u << kStepBits) - 1);
    return (static_cast<size_t>(bit - kLowestBit) << kStepBits) + step;
  }
  static int64_t UpperEnd(size_t bucket) {
    const int bit = kLowestBit + static_cast<int>(bucket >> kStepBits);
    const auto step = static_cast<int64_t>(bucket & ((1u << kStepBits) - 1));
    return (((int64_t{1} << kStepBits) + step + 1) << (bit - kStepBits)) - 1;
  }

  // Whoever finds it begun by another goes on with the slice that ends.
  void BeginSlice(Instant now) {
    if (turning_.exchange(true, std::memory_order_acquire)) return;
    const int64_t end = slice_end_.load(std::memory_order_relaxed);
    if (now.nanos() >= end) {
      const int64_t length = slice_nanos();
      const int64_t passed = NanosBetween(Instant::FromNanos(end), now) / length;
      size_t current = current_.load(std::memory_order_relaxed);
      for (int64_t i = 0; i <= std::min<int64_t>(passed, kSlices - 1); ++i) {
        current = (current + 1) % kSlices;
        Clear(slices_[current]);
      }
      current_.store(current, std::memory_order_relaxed);
      const bool long_ago = passed >= static_cast<int64_t>(kSlices);
      const Instant begun = long_ago ? now : Plus(Instant::FromNanos(end), passed * length);
      slice_end_.store(Plus(begun, length).nanos(), std::memory_order_relaxed);
    }
    turning_.store(false, std::memory_order_release);
  }

  static void Clear(Slice& slice) {
    for (Stripe& stripe : slice) {
      for (auto& count : stripe.counts) count.store(0, std::memory_order_relaxed);
    }
  }

  int64_t SumUp(std::array<int64_t, kBuckets>& sums) const {
    sums.fill(0);
    int64_t total = 0;
    for (const Slice& slice : slices_) {
      for (const Stripe& stripe : slice) {
        for (size_t i = 0; i < kBuckets; ++i) {
          const uint32_t count = stripe.counts[i].load(std::memory_order_relaxed);
          sums[i] += count;
          total += count;
        }
      }
    }
    return total;
  }

  std::atomic<int64_t> slice_nanos_;
  std::atomic<int64_t> min_samples_;
  // Relaxed: a count that lands in the slice before or after its own does no harm.
  std::atomic<int64_t> slice_end_{std::numeric_limits<int64_t>::min()};
  std::atomic<size_t> current_{0};
  std::atomic<bool> turning_{false};
  std::array<Slice, kSlices> slices_;
};

// One quantile of a window, looked up anew at most sixteen times a slice, so that asking costs two
// loads. Safe between threads, without a lock.
class RecentQuantile {
 public:
  explicit RecentQuantile(double q) : q_(q) {}
  RecentQuantile(const RecentQuantile&) = delete;
  RecentQuantile& operator=(const RecentQuantile&) = delete;

  std::optional<int64_t> Get(LatencyWindow& window, Instant now) {
    int64_t stale = stale_at_.load(std::memory_order_relaxed);
    if (now.nanos() >= stale) {
      const int64_t next = Plus(now, std::max<int64_t>(1, window.slice_nanos() / 16)).nanos();
      // One of those who find it stale looks; the others go by what was known.
      if (stale_at_.compare_exchange_strong(stale, next, std::memory_order_relaxed)) {
        nanos_.store(window.Quantile(q_, now).value_or(kUnknown), std::memory_order_relaxed);
      }
    }
    const int64_t nanos = nanos_.load(std::memory_order_relaxed);
    return nanos == kUnknown ? std::nullopt : std::optional(nanos);
  }
  // What `Get` answered last; nullopt before that.
  std::optional<int64_t> latest() const {
    const int64_t nanos = nanos_.load(std::memory_order_relaxed);
    return nanos == kUnknown ? std::nullopt : std::optional(nanos);
  }

 private:
  static constexpr int64_t kUnknown = -1;

  const double q_;
  std::atomic<int64_t> stale_at_{std::numeric_limits<int64_t>::min()};
  std::atomic<int64_t> nanos_{kUnknown};
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_LATENCY_WINDOW_H_
