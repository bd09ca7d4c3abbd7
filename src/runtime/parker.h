// What wakes a thread that sits in ppoll: an eventfd of its own, in every set that it polls.
#ifndef REDIAL_SRC_RUNTIME_PARKER_H_
#define REDIAL_SRC_RUNTIME_PARKER_H_

#include <atomic>
#include <cstdint>

#include "redial/source.h"

namespace redial::runtime_internal {

// The order of a wait: `Open`; hand the parker to the sources and the stop callback; poll; where
// that reports the parker, `Drain` and look at the latches; once nobody holds it any more,
// `Settle`. Wake may be called by any thread that was handed it, all else by its own thread alone.
class Parker final : public Waiter {
 public:
  static Parker& OfThisThread();

  // Makes the descriptor where there is none, or only a forked parent's.
  void Open() {
    if (fd_ < 0 || IsForeign()) Renew();
  }

  // To be polled for reading. -1 when the process has no descriptor to spare: then the wait must
  // look at its latches every now and then.
  int fd() const { return fd_; }

  void Wake() override;

  // Takes back a wake-up; what was latched before it can be seen afterwards. Only once the token is
  // known to be there (polled), or to be needed by nobody (no descriptor).
  void Drain();

  // Leaves nothing behind for the next wait.
  void Settle() {
    // Relaxed: every waker has let go under a lock that we took since.
    if (woken_.load(std::memory_order_relaxed)) Drain();
  }

 private:
  struct Closer;

  bool IsForeign() const;
  void Renew();

  int fd_ = -1;
  bool retired_ = false;  // the thread's destructors have begun
  uint32_t generation_ = 0;
  // The eventfd holds a token, or is about to: one is enough.
  std::atomic<bool> woken_{false};
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_PARKER_H_
