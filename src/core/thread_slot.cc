#include "src/core/thread_slot.h"

#include <pthread.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <utility>

namespace redial::internal {

constinit thread_local int slot_of_this_thread = kThreadSlotUnasked;

namespace {

static_assert(kThreadSlots == 32);
constinit std::atomic<uint32_t> slots_taken{0};

constexpr uint32_t BitOf(int slot) { return uint32_t{1} << slot; }

// At the end of a thread. What ends after this one finds no slot, and takes none.
struct SlotReturn {
  ~SlotReturn() {
    const int slot = std::exchange(slot_of_this_thread, kNoThreadSlot);
    slots_taken.fetch_and(~BitOf(slot), std::memory_order_release);
  }
};

// In a forked child, which has one thread.
void FreeSlotsOfOthers() {
  const int slot = slot_of_this_thread;
  slots_taken.store(slot >= 0 ? BitOf(slot) : 0, std::memory_order_relaxed);
}

}  // namespace

int AssignThreadSlot() {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, &FreeSlotsOfOthers);
  uint32_t taken = slots_taken.load(std::memory_order_relaxed);
  while (taken != ~uint32_t{0}) {
    const int slot = std::countr_one(taken);
    // Acquire: what its last owner wrote comes before.
    if (slots_taken.compare_exchange_weak(taken, taken | BitOf(slot), std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      slot_of_this_thread = slot;
      [[maybe_unused]] static thread_local const SlotReturn at_end;
      return slot;
    }
  }
  return slot_of_this_thread = kNoThreadSlot;
}

}  // namespace redial::internal
