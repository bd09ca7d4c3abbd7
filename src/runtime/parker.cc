#include "src/runtime/parker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "src/runtime/fork.h"

namespace redial::runtime_internal {
namespace {

// Without a destructor, so that a wait in another thread_local's destructor still finds it alive.
constinit thread_local Parker parker;

}  // namespace

struct Parker::Closer {
  ~Closer() {
    if (parker.fd_ >= 0 && !parker.IsForeign()) ::close(parker.fd_);
    parker.fd_ = -1;
    parker.retired_ = true;
  }
  void Arm() {}
};

Parker& Parker::OfThisThread() { return parker; }

bool Parker::IsForeign() const { return generation_ != ForkGeneration(); }

void Parker::Renew() {
  woken_.store(false, std::memory_order_relaxed);  // nobody holds the parker yet
  if (retired_) return;
  thread_local Closer closer;
  closer.Arm();
  // A child shares its parent's eventfd and could swallow the parent's wake-ups. The old number
  // isn't closed: a child that closed all its descriptors may have it in use for something else.
  generation_ = ForkGeneration();
  fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void Parker::Wake() {
  // Acquire and release, here and in Drain: either this finds the flag down and writes, or the
  // owner's exchange comes later, reads ours, and so sees what was set before this call.
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  if (fd_ < 0) return;
  const uint64_t token = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd_, &token, sizeof(token));
}

void Parker::Drain() {
  // The token first: a waker who still finds the flag up writes none, but what it set is seen by
  // the look that follows.
  if (fd_ >= 0) {
    uint64_t tokens;
    [[maybe_unused]] const ssize_t taken = ::read(fd_, &tokens, sizeof(tokens));
  }
  woken_.exchange(false, std::memory_order_acq_rel);
}

}  // namespace redial::runtime_internal
