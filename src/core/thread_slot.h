// A small number for the calling thread that no other living thread has, for data that each thread has
// of its own: what one thread alone writes needs no locked instruction.
//
//   if (const int slot = ThreadSlot(); slot >= 0) {
//     Cell& mine = cells[slot];  // nobody else writes it
//     ...
//   }
//
// A thread gets its number when it first asks, if one is left, and gives it back when it ends: what one
// owner of a number wrote is visible to the next. After a fork the thread that forked keeps its own in the
// child, and the others are free again. (They aren't where the child has its parent's process id, as the
// first of a namespace forked by the first of another. A thread that forks gets a number for it.)
//
// Safe from any thread. Not to be inlined on both sides of a fiber's switch: there the compiler may keep
// the first thread's number or address, and two threads would write where one may. So every function
// that uses a slot is [[gnu::noinline]], or is called by one that is, and nothing in it switches.
#ifndef REDIAL_SRC_CORE_THREAD_SLOT_H_
#define REDIAL_SRC_CORE_THREAD_SLOT_H_

#include <cstdint>

namespace redial::internal {

inline constexpr int kThreadSlots = 32;
// Of threads that found none left, and of those that gave theirs back at their end. (One that first asks
// later than that, from a pthread key's destructor, keeps the number for good.)
inline constexpr int kNoThreadSlot = -1;
inline constexpr int kThreadSlotUnasked = -2;

// In the thread's fixed block also where redial is a shared library, as in clock.cc.
#if defined(__GLIBC__)
[[gnu::tls_model("initial-exec")]]
#endif
extern constinit thread_local int slot_of_this_thread;

[[gnu::cold, gnu::noinline]] int AssignThreadSlot();

// From 0 to `kThreadSlots` - 1, or kNoThreadSlot.
inline int ThreadSlot() {
  const int slot = slot_of_this_thread;
  return slot != kThreadSlotUnasked ? slot : AssignThreadSlot();
}

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_THREAD_SLOT_H_
