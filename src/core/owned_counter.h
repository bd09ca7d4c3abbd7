// Counters that every call touches, as StripedCounter's, and without a locked instruction: each thread
// slot has a cell that its owner alone writes, with a plain load and a plain store. (A locked one
// costs a call up to 10 ns where nobody competes: it waits for all stores before it.) Threads without a
// slot share cells by processor. Exact: what was added is in the sum of everybody who is told of it.
//
//   OwnedCounter successes;
//   successes.Add(1);                // on the path of every call
//   const int64_t n = successes.Take();  // where somebody asks, under the owner's lock
//
// Adding is safe between threads, but not to be inlined on both sides of a fiber's switch: see
// ThreadSlot. A counter takes 4.6 KB, the price of lines that no two threads write.
#ifndef REDIAL_SRC_CORE_OWNED_COUNTER_H_
#define REDIAL_SRC_CORE_OWNED_COUNTER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "src/core/processor.h"
#include "src/core/striped.h"
#include "src/core/thread_slot.h"

namespace redial::internal {

// A `Cell` for each slot, and a few for threads that have none.
template <class Cell>
class OwnedCells {
 public:
  // The calling thread's, which it alone writes. Null if it has no slot: then there is `Shared`.
  Cell* Own() {
    const int slot = ThreadSlot();
    return slot >= 0 ? &cells_[static_cast<size_t>(slot)].cell : nullptr;
  }
  // Others write it too.
  Cell& Shared() { return cells_[kThreadSlots + RunningProcessor() % kShared].cell; }

  template <class Visit>
  void ForEach(Visit visit) {
    for (Line& line : cells_) visit(line.cell);
  }
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const Line& line : cells_) visit(line.cell);
  }

 private:
  static constexpr size_t kShared = 4;
  struct alignas(kStripeSize) Line {
    Cell cell;
  };
  std::array<Line, kThreadSlots + kShared> cells_;
};

class OwnedCounter {
 public:
  // `n` isn't negative.
  void Add(int64_t n) {
    if (Count* const own = cells_.Own(); own != nullptr) [[likely]] {
      own->store(own->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    } else {
      cells_.Shared().fetch_add(n, std::memory_order_relaxed);
    }
  }

  // Since the last `Take`. Under a lock of the owner's, like the other.
  int64_t Sum() const { return Total() - taken_; }
  // The sum, and begins anew. What is added meanwhile is in this sum or in the next one.
  int64_t Take() {
    const int64_t total = Total();
    return total - std::exchange(taken_, total);
  }

 private:
  using Count = std::atomic<int64_t>;
  // The cells only rise, so no two totals are out of order.
  int64_t Total() const {
    int64_t total = 0;
    cells_.ForEach(
        [&total](const Count& count) { total += count.load(std::memory_order_relaxed); });
    return total;
  }

  OwnedCells<Count> cells_;
  int64_t taken_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_OWNED_COUNTER_H_
