// A number of permits that every call takes and gives back, without a lock and without a cache line
// that all processors fight for: each processor has a stripe of its own with some of them. Exact: no
// more are ever out than there are.
//
//   StripedPermits permits(10);
//   if (permits.TryTake()) {     // from this processor's stripe
//     ...
//     if (permits.Give()) Serve();  // somebody waits for it
//   }
//
// Theory of operation. What one stripe lacks another may have, and whoever finds none at all wants
// to wait. Both need a lock, the owner's: under it a newcomer may look everywhere (`TakeAny`), and
// who begins to wait closes the gate. While the gate is closed `TryTake` takes nothing, so that
// nobody slips past those who wait, and `Give` answers true: take the lock, and serve the line.
//
// No wake-up is lost. Who waits closes the gate, then looks into all stripes; who gives a permit
// back raises a stripe, then looks at the gate. These four are sequentially consistent, so at least
// one of the two sees what the other did: either the permit is found, or its giver comes to serve.
// One that wanders, taken from a stripe not yet looked at and given to one that was, is given after
// the gate was closed, and its giver comes too.
//
// Safe between threads; what needs the owner's lock says so.
#ifndef REDIAL_SRC_CORE_STRIPED_PERMITS_H_
#define REDIAL_SRC_CORE_STRIPED_PERMITS_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/core/striped.h"

namespace redial::internal {

class StripedPermits {
 public:
  explicit StripedPermits(int64_t n) { Add(n); }

  // Whether `TryTake` would take one. Relaxed: who passes the gate just as it closes takes a permit
  // that is free, and gives it back to those who wait.
  bool MayTake() const {
    return !closed_.load(std::memory_order_relaxed) && FreeIn(Load(Own())) > 0;
  }
  bool TryTake() { return !closed_.load(std::memory_order_relaxed) && TakeFrom(Own(), 1); }

  // True: the gate is closed, so the owner has somebody to serve.
  [[nodiscard]] bool Give() {
    Add(1);
    return closed_.load(std::memory_order_seq_cst);
  }

  // Under the owner's lock, like all that follows but `Free`: two at once would take each other's moves
  // for permits that are gone.
  void Close() { SetGate(true); }
  void Open() { SetGate(false); }

  // One from any stripe, and half of what is left there comes to this processor's: who has to look
  // here often soon needn't.
  bool TakeAny() {
    if (TakeFrom(Own(), 1)) return true;
    while (Stripe* const stripe = FindAny()) {
      const int64_t half = (FreeIn(Load(*stripe)) + 1) / 2;
      if (half == 0 || !TakeFrom(*stripe, half)) continue;
      if (half > 1) Add(half - 1);
      return true;
    }
    return false;
  }
  // As many as are there, up to `n`.
  int64_t TakeUpTo(int64_t n) {
    int64_t taken = 0;
    while (taken < n) {
      Stripe* const stripe = FindAny();
      if (stripe == nullptr) break;
      const int64_t some = std::min(n - taken, FreeIn(Load(*stripe)));
      if (some > 0 && TakeFrom(*stripe, some)) taken += some;
    }
    return taken;
  }
  bool Any() const { return FindAny() != nullptr; }
  // New ones, or some that were taken, without a look at the gate: serve the line after it.
  void Add(int64_t n) {
    Own().value.fetch_add(static_cast<uint64_t>(n) * kGiven, std::memory_order_seq_cst);
  }

  // While others take and give: of some moment for each stripe.
  int64_t Free() const {
    int64_t sum = 0;
    for (const Stripe& stripe : stripes_) sum += FreeIn(Load(stripe));
    return sum;
  }

 private:
  // The low half counts the permits, the high half how many were ever given (modulo its size), which
  // tells a stripe that stayed empty from one that was so twice.
  static constexpr uint64_t kGiven = (uint64_t{1} << 32) | 1;
  struct alignas(kStripeSize) Stripe {
    std::atomic<uint64_t> value{0};
  };
  Stripe& Own() const { return stripes_[StripeOfThisProcessor()]; }
  static uint64_t Load(const Stripe& stripe) {
    return stripe.value.load(std::memory_order_relaxed);
  }
  static int64_t FreeIn(uint64_t value) { return static_cast<uint32_t>(value); }

  // All `n` or nothing. Acquire: what was done under the permit before comes before.
  static bool TakeFrom(Stripe& stripe, int64_t n) {
    uint64_t value = Load(stripe);
    while (FreeIn(value) >= n) {
      if (stripe.value.compare_exchange_weak(value, value - static_cast<uint64_t>(n),
                                             std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  void SetGate(bool closed) {
    if (closed_.load(std::memory_order_relaxed) == closed) return;
    closed_.store(closed, std::memory_order_seq_cst);
  }

  // A stripe that has some. Null only if there was a moment at which none had: a permit that wanders
  // ahead of the look, given back behind it and taken before it, must not make them all seem gone.
  Stripe* FindAny() const {
    std::array<uint64_t, kStripes> seen{};
    for (bool again = false;; again = true) {
      bool changed = !again;
      for (size_t i = 0; i < kStripes; ++i) {
        const uint64_t value = stripes_[i].value.load(std::memory_order_seq_cst);
        if (FreeIn(value) > 0) return &stripes_[i];
        changed |= value != seen[i];
        seen[i] = value;
      }
      if (!changed) return nullptr;
    }
  }

  mutable std::array<Stripe, kStripes> stripes_;
  alignas(kStripeSize) std::atomic<bool> closed_{
      false};  // read by all, written when lines come and go
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_STRIPED_PERMITS_H_
