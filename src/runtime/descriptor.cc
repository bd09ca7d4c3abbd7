#include "redial/descriptor.h"

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/core/barrier.h"

namespace redial {

using internal::BarrierOnEveryThread;

Descriptor::Descriptor(int fd)
    : fd_(fd),
      readable_(fd, Source::Kind::kReadable, this),
      writable_(fd, Source::Kind::kWritable, this) {}

Descriptor::~Descriptor() {
  // Nobody uses it any more, so there is nobody to look out for.
  if (!closed_.exchange(true, std::memory_order_acq_rel) || left_open_) Unpin();
}

void Descriptor::Close() {
  if (closed_.exchange(true, std::memory_order_seq_cst)) return;
  Poke();
  if (!BarrierOnEveryThread()) {
    // Who is inside can't be told. The connection ends now, its number is given back when this goes.
    ::shutdown(fd_, SHUT_RDWR);
    left_open_ = true;
    return;
  }
  AwaitLeavers();
  Unpin();
}

void Descriptor::AwaitLeavers() {
  // After the barrier: whoever entered before it is seen here, and whoever enters after it sees the
  // descriptor closed.
  for (const std::atomic<bool>& inside : inside_) {
    // A system call that doesn't wait, so this is short; but its thread may have lost the
    // processor.
    while (inside.load(std::memory_order_acquire)) ::sched_yield();
  }
}

void Descriptor::Poke() {
  readable_.Set();
  writable_.Set();
}

bool Descriptor::Pin() {
  // Relaxed: it only counts. What a wait needs to know (closed, latched) it reads under its
  // source's lock; from zero there is no way back, so the count can't rise past a close.
  int pins = pins_.load(std::memory_order_relaxed);
  while (pins > 0) {
    if (pins_.compare_exchange_weak(pins, pins + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void Descriptor::Unpin() {
  // Release: all that this user did with the descriptor comes before the close; acquire: the one
  // who closes has seen it all, the registrations included.
  if (pins_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (Source* source : {&readable_, &writable_}) {
    SourceRegistration* registration = source->SwapRegistration(nullptr);
    if (registration != nullptr) registration->Release();
  }
  ::close(fd_);  // Linux frees the number even where it answers EINTR
}

}  // namespace redial
