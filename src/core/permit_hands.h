// Permits that threads keep in their hands between two calls: a thread that calls again and again
// neither takes them from what all share nor gives them back, and executes no locked instruction. Each
// thread slot's hand has room for one. They lie above StripedPermits, or another store that is shared,
// which everybody falls back to.
//
//   if (hands.Take() == PermitHands::Answer::kYes || permits.TryTake()) {
//     ...
//     switch (hands.Give()) {
//       case PermitHands::Answer::kYes: break;             // kept for this thread's next call
//       case PermitHands::Answer::kNo: permits.Give(); break;
//       case PermitHands::Answer::kRecalled: TakeLockAndServe();  // TakeOwn() first
//     }
//   }
//
// Before the owner of the permits lets anybody wait or refuses him, it recalls what lies in hands. So
// hands are for times in which there are enough for all, and closed in others.
//
// Theory of operation. A hand is two flags: `held`, and `busy` while the hand's thread looks at it. All
// its stores are plain; what makes up for that is that the one who recalls has every thread pass a
// barrier (membarrier), and that happens rarely.
//
// The thread: busy = true; if `open_`, it changes `held`; busy = false.
// The recall: open_ = false; the barrier; empties each hand that isn't busy.
//
// A section (from busy = true to busy = false) that begins after the thread's barrier sees the hands
// closed, and leaves `held` alone. One that began before it is seen: as busy, or as done, with all that it
// did. So a hand that isn't busy can be emptied, and no permit is taken twice. A busy one is skipped, and
// nobody waits for it (its thread may be one that a real-time thread keeps from running). What lies in it
// isn't lost: whoever leaves a section and a permit in the hand looks whether the hands are closed,
// and if so takes the owner's lock, empties his own hand (`TakeOwn`), and serves who waits. Take does so
// with what it saw in its section. Give looks again, after busy = false: if that came before its barrier, the
// recall has seen all of it; if after, the look comes after it too, and finds the hands closed. The
// lock orders the rest: a recall is over before the hands open again.
//
// Where the kernel or a sandbox refuses the barrier, hands never open. If it is refused only later, to
// one thread or to all, they close for good and what lies in them is stranded: it comes back with the next
// call of its thread, or with a recall by a thread that isn't refused, unless a thousand were. That may be
// slow where a sandbox is for all, and is never one too many.
//
// Safe between threads; what needs the owner's lock says so. Whoever calls what concerns the thread's own
// hand must not be inlined on both sides of a fiber's switch: see ThreadSlot. 4 KB.
#ifndef REDIAL_SRC_CORE_PERMIT_HANDS_H_
#define REDIAL_SRC_CORE_PERMIT_HANDS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/core/barrier.h"
#include "src/core/striped.h"
#include "src/core/thread_slot.h"

namespace redial::internal {

class PermitHands {
 public:
  enum class Answer : uint8_t {
    kNo,
    kYes,
    // The hands were closed while a permit lies in this thread's: take the owner's lock, `TakeOwn`,
    // and serve who waits.
    kRecalled,
  };

  // Closed. A process's first one may take 15 ms, see BarrierOnEveryThread.
  PermitHands() : usable_(BarrierOnEveryThread()) {}

  // Whether `Take` would take one.
  bool MayTake() const {
    const Hand* const own = Own();
    return own != nullptr && own->held.load(std::memory_order_relaxed) &&
           open_.load(std::memory_order_relaxed);
  }

  // The one in this thread's hand.
  Answer Take() {
    Hand* const own = Own();
    if (own == nullptr || !own->held.load(std::memory_order_relaxed)) return Answer::kNo;
    own->busy.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // Acquire: who opened them had emptied this one, perhaps since the look above.
    const bool open = open_.load(std::memory_order_acquire);
    const bool held = own->held.load(std::memory_order_relaxed);
    if (open && held) own->held.store(false, std::memory_order_relaxed);
    own->busy.store(false, std::memory_order_release);
    if (!held) return Answer::kNo;
    return open ? Answer::kYes : Answer::kRecalled;
  }
  // Into this thread's hand. kNo: the permit is still the caller's.
  Answer Give() {
    Hand* const own = Own();
    // If it is being emptied, that is one that this permit needn't lie in.
    if (own == nullptr || own->held.load(std::memory_order_relaxed)) return Answer::kNo;
    own->busy.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const bool open = open_.load(std::memory_order_acquire);
    if (open) own->held.store(true, std::memory_order_relaxed);
    own->busy.store(false, std::memory_order_release);
    if (!open) return Answer::kNo;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return open_.load(std::memory_order_relaxed) ? Answer::kYes : Answer::kRecalled;
  }

  // Under the owner's lock, like all that follows. Only while nobody waits for a permit.
  void Open() {
    if (usable_) open_.store(true, std::memory_order_release);
  }
  // Whether `Open` opens them.
  bool usable() const { return usable_; }
  bool open() const { return open_.load(std::memory_order_relaxed); }
  // Whether a recall would do anything.
  bool recallable() const { return open() || stranded(); }
  // Closes them. Returns how many permits lay in hands: they are the caller's.
  [[nodiscard]] int64_t Recall() {
    if (!recallable()) return 0;
    open_.store(false, std::memory_order_seq_cst);
    if (!BarrierOnEveryThread()) {
      usable_ = false;
      stranded_.store(++refusals_ < kMostRefusals, std::memory_order_relaxed);
      return TakeOwn();
    }
    stranded_.store(false, std::memory_order_relaxed);
    int64_t recalled = 0;
    for (Hand& hand : hands_) {
      if (!hand.busy.load(std::memory_order_acquire)) recalled += Empty(hand);
    }
    return recalled;
  }
  // What lies in this thread's hand, 0 or 1, open or closed: it is the caller's.
  [[nodiscard]] int64_t TakeOwn() {
    Hand* const own = Own();
    return own != nullptr ? Empty(*own) : 0;
  }
  // Whether there is one that a recall or `TakeOwn` would get.
  bool Any() const { return HasOwn() || (open() && Held() > 0); }
  // For those who don't have the lock, before they refuse anybody: whether there is something for the
  // lock's owner to look for.
  bool MayHaveMore() const { return stranded() || HasOwn(); }
  // Of some moment for each hand.
  int64_t Held() const {
    int64_t sum = 0;
    for (const Hand& hand : hands_) sum += hand.held.load(std::memory_order_relaxed) ? 1 : 0;
    return sum;
  }

 private:
  static constexpr int kMostRefusals = 1000;

  struct alignas(kStripeSize) Hand {
    std::atomic<bool> busy{false};  // the thread's alone to write
    std::atomic<bool> held{false};
  };

  Hand* Own() {
    const int slot = ThreadSlot();
    return slot >= 0 ? &hands_[static_cast<size_t>(slot)] : nullptr;
  }
  const Hand* Own() const {
    const int slot = ThreadSlot();
    return slot >= 0 ? &hands_[static_cast<size_t>(slot)] : nullptr;
  }
  bool HasOwn() const {
    const Hand* const own = Own();
    return own != nullptr && own->held.load(std::memory_order_relaxed);
  }
  // A recall was refused the barrier.
  bool stranded() const { return stranded_.load(std::memory_order_relaxed); }
  static int64_t Empty(Hand& hand) {
    if (!hand.held.load(std::memory_order_relaxed)) return 0;
    hand.held.store(false, std::memory_order_relaxed);
    return 1;
  }

  std::array<Hand, kThreadSlots> hands_;
  alignas(kStripeSize) std::atomic<bool> open_{false};  // read by all, written rarely
  std::atomic<bool> stranded_{false};                   // likewise
  bool usable_;
  int refusals_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_PERMIT_HANDS_H_
