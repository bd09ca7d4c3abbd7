// A count that many threads raise and lower, and that is never raised above a limit which may change
// meanwhile. Count, limit and the limit's epoch stand in one word, so that each change of one of them
// sees the others as they are.
//
//   BoundedCount count(20);
//   uint64_t entry = 0;
//   if (!count.Enter(entry)) return Refuse();
//   ...
//   if (count.Leave().epoch == BoundedCount::Read(entry).epoch) Learn();
//
// Safe between threads. Relaxed throughout: it publishes nothing but itself.
#ifndef REDIAL_POLICIES_BOUNDED_COUNT_H_
#define REDIAL_POLICIES_BOUNDED_COUNT_H_

#include <atomic>
#include <cstdint>

#include "src/core/striped.h"

namespace redial::internal {

class BoundedCount {
 public:
  static constexpr int64_t kMost = (1 << 20) - 1;

  struct Reading {
    int64_t count;
    int64_t limit;
    uint32_t epoch;  // 24 bits, then begins again
  };
  static constexpr Reading Read(uint64_t word) {
    return {static_cast<int64_t>(word & kMask), static_cast<int64_t>(word >> kBits & kMask),
            static_cast<uint32_t>(word >> 2 * kBits)};
  }

  // Limits are from 0 to `kMost`.
  explicit BoundedCount(int64_t limit) : word_(static_cast<uint64_t>(limit) << kBits) {}

  Reading reading() const { return Read(word_.load(std::memory_order_relaxed)); }

  // Raises the count by one, unless the limit forbids it. `entry` then tells what it has become.
  bool Enter(uint64_t& entry) {
    uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      const Reading now = Read(word);
      if (now.count >= now.limit) return false;
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_relaxed));
    entry = word + 1;
    return true;
  }
  // Lowers it by one; once for each `Enter`.
  Reading Leave() { return Read(word_.fetch_sub(1, std::memory_order_relaxed) - 1); }

  // The count stays, also above the new limit.
  void SetLimit(int64_t limit, bool begins_epoch) {
    uint64_t word = word_.load(std::memory_order_relaxed);
    uint64_t next = 0;
    do {
      const uint64_t epoch = (word >> 2 * kBits) + (begins_epoch ? 1 : 0);
      next = epoch << 2 * kBits | static_cast<uint64_t>(limit) << kBits | (word & kMask);
    } while (!word_.compare_exchange_weak(word, next, std::memory_order_relaxed));
  }

 private:
  static constexpr int kBits = 20;
  static constexpr uint64_t kMask = kMost;

  // By itself: every attempt writes it.
  alignas(kStripeSize) std::atomic<uint64_t> word_;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BOUNDED_COUNT_H_
