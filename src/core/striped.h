// Counters that every call touches, without a cache line that all processors fight for: each
// processor adds to a stripe of its own, and whoever reads adds them up. Exact: what was added is in
// the sum of everybody who is told of it.
//
//   StripedCounter successes;
//   successes.Add(1);             // on the path of every call
//   int64_t n = successes.Sum();  // where somebody asks
//
// `Striped` is the same for a struct of several counters.
//
// Safe between threads.
#ifndef REDIAL_SRC_CORE_STRIPED_H_
#define REDIAL_SRC_CORE_STRIPED_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/core/processor.h"

namespace redial::internal {

inline constexpr size_t kStripes = 16;
// Two lines: processors fetch them in pairs.
inline constexpr size_t kStripeSize = 128;

// The running processor's, or another: any will do.
inline size_t StripeOfThisProcessor() { return RunningProcessor() % kStripes; }

class StripedCounter {
 public:
  // Returns what this stripe holds then.
  int64_t Add(int64_t n) {
    return stripes_[StripeOfThisProcessor()].count.fetch_add(n, std::memory_order_relaxed) + n;
  }
  int64_t Sum() const {
    int64_t sum = 0;
    for (const Stripe& stripe : stripes_) sum += stripe.count.load(std::memory_order_relaxed);
    return sum;
  }
  // The sum, and begins anew. What is added meanwhile is in this sum or in the next one.
  int64_t Take() {
    int64_t sum = 0;
    for (Stripe& stripe : stripes_) {
      // Most are empty, and reading leaves them where they are.
      if (stripe.count.load(std::memory_order_relaxed) == 0) continue;
      sum += stripe.count.exchange(0, std::memory_order_acq_rel);
    }
    return sum;
  }

 private:
  struct alignas(kStripeSize) Stripe {
    std::atomic<int64_t> count{0};
  };
  std::array<Stripe, kStripes> stripes_;
};

// `Cells` is a struct of atomic counters that begin at 0.
template <class Cells>
class Striped {
 public:
  // Those of the running processor, to add to.
  Cells& Mine() { return stripes_[StripeOfThisProcessor()].cells; }
  // Of one counter: `pick` takes const Cells& and returns a reference to it.
  template <class Pick>
  int64_t Sum(Pick pick) const {
    int64_t sum = 0;
    for (const Stripe& stripe : stripes_) {
      sum += pick(stripe.cells).load(std::memory_order_relaxed);
    }
    return sum;
  }

 private:
  struct alignas(kStripeSize) Stripe {
    Cells cells;
  };
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_STRIPED_H_
