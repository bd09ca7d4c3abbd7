// Round-trip times that every call adds and a few take out: how many, and their sum. Each processor has a
// word of its own for both, so that one step adds a sample and no taker sees half of it.
//
//   RttSamples samples;
//   const bool full = samples.Add(nanos);  // on the path of every call
//   const RttSamples::Sum sum = samples.Take();
//
// Safe between threads. Times are rounded up to 256 ns; one above 18 minutes counts as 18 minutes.
#ifndef REDIAL_POLICIES_RTT_SAMPLES_H_
#define REDIAL_POLICIES_RTT_SAMPLES_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "src/core/striped.h"

namespace redial::internal {

class RttSamples {
 public:
  struct Sum {
    int64_t count = 0;
    double nanos = 0;

    void Add(const Sum& other) {
      count += other.count;
      nanos += other.nanos;
    }
  };

  // True when this processor's word is filling up: they should be taken soon.
  bool Add(int64_t nanos) {
    const uint64_t units = Units(nanos);
    const uint64_t before = stripes_[StripeOfThisProcessor()].word.fetch_add(
        units << kCountBits | 1, std::memory_order_relaxed);
    return (before & kCountMask) >= kFilling;
  }
  // What was added, and begins anew. What is added meanwhile is in this sum or in the next one.
  Sum Take() {
    Sum sum;
    for (Stripe& stripe : stripes_) {
      if (stripe.word.load(std::memory_order_relaxed) == 0) continue;
      const uint64_t word = stripe.word.exchange(0, std::memory_order_relaxed);
      sum.count += static_cast<int64_t>(word & kCountMask);
      sum.nanos += static_cast<double>(word >> kCountBits) * kUnit;
    }
    return sum;
  }

 private:
  static constexpr int kCountBits = 20;
  static constexpr uint64_t kCountMask = (1u << kCountBits) - 1;
  static constexpr int64_t kUnit = 256;
  static constexpr int64_t kMostUnits = 0xffffffff;
  // So many of the longest just fit above the count.
  static constexpr uint64_t kFilling = 4095;

  static uint64_t Units(int64_t nanos) {
    return static_cast<uint64_t>(
        std::clamp<int64_t>(nanos / kUnit + (nanos % kUnit != 0 ? 1 : 0), 1, kMostUnits));
  }

  struct alignas(kStripeSize) Stripe {
    std::atomic<uint64_t> word{0};
  };
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_RTT_SAMPLES_H_
