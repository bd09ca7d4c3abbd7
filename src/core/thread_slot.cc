#include "src/core/thread_slot.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <utility>

namespace redial::internal {

constinit thread_local int slot_of_this_thread = kThreadSlotUnasked;

namespace {

static_assert(kThreadSlots == 32);

// Which slots are taken, below, and above in which process. A fork's child finds its parent's, whose
// threads it hasn't got but for the one that forked.
constinit std::atomic<uint64_t> slots{0};
// Of threads in the midst of a fork: their slots, and above how many there are. So the child knows whose
// slot it keeps, whatever runs first there: a handler of somebody else's may start threads.
constinit std::atomic<uint64_t> forking{0};
// One within the other, where a handler forks.
constinit thread_local int forks_of_this_thread = 0;

constexpr int kProcessShift = 32;
constexpr uint64_t kOneFork = uint64_t{1} << 32;
constexpr uint64_t BitOf(int slot) { return uint64_t{1} << slot; }
constexpr uint32_t Taken(uint64_t word) { return static_cast<uint32_t>(word); }

// Where nobody tells who forked, all stay taken: a thread without one is slower, and that is all.
uint64_t OfThisProcess(uint64_t word) {
  const auto process = static_cast<uint64_t>(::getpid());
  if (word >> kProcessShift == process) return word;
  const uint64_t forkers = forking.load(std::memory_order_relaxed);
  return process << kProcessShift | (forkers >= kOneFork ? Taken(forkers) : Taken(word));
}

uint64_t OwnFork() {
  const int slot = slot_of_this_thread;
  return kOneFork + (slot >= 0 ? BitOf(slot) : 0);
}
void BeforeFork() {
  ThreadSlot();  // now, not in some other handler
  if (forks_of_this_thread++ == 0) forking.fetch_add(OwnFork(), std::memory_order_relaxed);
}
void AfterForkInParent() {
  if (--forks_of_this_thread == 0) forking.fetch_sub(OwnFork(), std::memory_order_relaxed);
}
void AfterForkInChild() {
  uint64_t word = slots.load(std::memory_order_relaxed);
  while (!slots.compare_exchange_weak(word, OfThisProcess(word), std::memory_order_relaxed)) {
  }
  AfterForkInParent();
}

// At the end of a thread. What ends after this one finds no slot, and takes none.
struct SlotReturn {
  ~SlotReturn() {
    const int slot = std::exchange(slot_of_this_thread, kNoThreadSlot);
    slots.fetch_and(~BitOf(slot), std::memory_order_release);
  }
};

// No static local: its guard would stay taken in the child of a fork that comes in the middle of it.
void RegisterOnce() {
  static constinit std::atomic<bool> registered{false};
  if (registered.exchange(true, std::memory_order_relaxed)) return;
  ::pthread_atfork(&BeforeFork, &AfterForkInParent, &AfterForkInChild);
}

}  // namespace

int AssignThreadSlot() {
  RegisterOnce();
  uint64_t word = slots.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t own = OfThisProcess(word);
    const int slot = std::countr_one(Taken(own));
    if (slot == kThreadSlots) break;
    // Acquire: what its last owner wrote comes before.
    if (slots.compare_exchange_weak(word, own | BitOf(slot), std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      slot_of_this_thread = slot;
      [[maybe_unused]] static thread_local const SlotReturn at_end;
      return slot;
    }
  }
  return slot_of_this_thread = kNoThreadSlot;
}

}  // namespace redial::internal
