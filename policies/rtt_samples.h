// Round-trip times that every call adds and a few take out: how many, and their sum. Each thread has a
// word of its own for both, so that one store adds a sample and no taker sees half of it. The words only
// rise, modulo their size; the taker remembers where they stood.
//
//   RttSamples samples;
//   const bool full = samples.Add(nanos);  // on the path of every call
//   const RttSamples::Sum sum = samples.Take();
//
// Adding is safe between threads (as to OwnedCounter); taking needs the owner's lock. Times are rounded
// up to 256 ns; one above 18 minutes counts as 18 minutes. 4.6 KB.
#ifndef REDIAL_POLICIES_RTT_SAMPLES_H_
#define REDIAL_POLICIES_RTT_SAMPLES_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "src/core/owned_counter.h"

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

  // True when this thread's word is filling up: they should be taken soon.
  bool Add(int64_t nanos) {
    const uint64_t units = Units(nanos);
    if (Cell* const own = cells_.Own(); own != nullptr) [[likely]] {
      const uint64_t word = own->word.load(std::memory_order_relaxed);
      own->word.store(Plus(word, units), std::memory_order_relaxed);
      return IsFilling(*own, word);
    }
    Cell& shared = cells_.Shared();
    uint64_t word = shared.word.load(std::memory_order_relaxed);
    while (!shared.word.compare_exchange_weak(word, Plus(word, units), std::memory_order_relaxed)) {
    }
    return IsFilling(shared, word);
  }
  // What was added since the last time. What is added meanwhile is in this sum or in the next one.
  Sum Take() {
    Sum sum;
    cells_.ForEach([&sum](Cell& cell) {
      const uint64_t word = cell.word.load(std::memory_order_relaxed);
      const uint64_t taken = cell.taken.load(std::memory_order_relaxed);
      if (word == taken) return;
      cell.taken.store(word, std::memory_order_relaxed);
      sum.count += static_cast<int64_t>(CountSince(taken, word));
      const uint64_t units = ((word & ~kCountMask) - (taken & ~kCountMask)) >> kCountBits;
      sum.nanos += static_cast<double>(units) * kUnit;
    });
    return sum;
  }

 private:
  static constexpr int kCountBits = 20;
  static constexpr uint64_t kCountMask = (1u << kCountBits) - 1;
  static constexpr int64_t kUnit = 256;
  static constexpr int64_t kMostUnits = 0xffffffff;
  // So many of the longest just fit above the count.
  static constexpr uint64_t kFilling = 4095;

  struct Cell {
    std::atomic<uint64_t> word{0};
    std::atomic<uint64_t> taken{0};  // the word as it was last taken: the taker's alone to write
  };

  static uint64_t Units(int64_t nanos) {
    return static_cast<uint64_t>(
        std::clamp<int64_t>(nanos / kUnit + (nanos % kUnit != 0 ? 1 : 0), 1, kMostUnits));
  }
  // The count begins again at its end, and carries nothing into the sum.
  static uint64_t Plus(uint64_t word, uint64_t units) {
    return ((word & ~kCountMask) + (units << kCountBits)) | ((word + 1) & kCountMask);
  }
  static uint64_t CountSince(uint64_t taken, uint64_t word) { return (word - taken) & kCountMask; }
  static bool IsFilling(const Cell& cell, uint64_t word) {
    const uint64_t count = CountSince(cell.taken.load(std::memory_order_relaxed), word);
    return count >= kFilling && count <= kCountMask / 2;  // more than that: it has been taken since
  }

  OwnedCells<Cell> cells_;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_RTT_SAMPLES_H_
