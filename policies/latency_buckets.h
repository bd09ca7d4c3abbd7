// The buckets of a latency histogram, and which of them a duration falls into, quickly: its highest
// bit leads to the first bucket that it could be in, and few steps lie between that and its own.
//
//   LatencyBuckets buckets({1'000, 2'500});
//   buckets.IndexOf(1'000);  // 0: bounds are inclusive
//   buckets.IndexOf(2'501);  // 2: longer than all
//
// Immutable: safe between threads.
#ifndef REDIAL_POLICIES_LATENCY_BUCKETS_H_
#define REDIAL_POLICIES_LATENCY_BUCKETS_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace redial::internal {

class LatencyBuckets {
 public:
  static constexpr size_t kMost = 30;  // bounds

  // `bounds`: ascending nanoseconds, at most `kMost`; what is beyond is left out.
  explicit LatencyBuckets(const std::vector<int64_t>& bounds)
      : size_(std::min(bounds.size(), kMost)) {
    std::copy_n(bounds.begin(), size_, bounds_.begin());
    for (size_t width = 1; width < first_.size(); ++width) {
      const uint64_t least = uint64_t{1} << (width - 1);
      while (first_[width] < size_ && static_cast<uint64_t>(bounds_[first_[width]]) < least) {
        ++first_[width];
      }
    }
  }

  size_t IndexOf(int64_t nanos) const {
    const auto value = static_cast<uint64_t>(std::max<int64_t>(nanos, 0));
    size_t i = first_[static_cast<size_t>(std::bit_width(value))];
    while (i < size_ && nanos > bounds_[i]) ++i;
    return i;
  }

 private:
  size_t size_;
  std::array<int64_t, kMost> bounds_{};
  std::array<uint8_t, 65> first_{};  // by the width of the duration in bits
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_LATENCY_BUCKETS_H_
