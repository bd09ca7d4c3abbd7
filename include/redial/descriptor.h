// Owns a non-blocking descriptor that several threads use, and that any of them may close.
//
//   int fd = descriptor.Enter(redial::Descriptor::kRead);
//   if (fd < 0) return -fd;                       // EBADF: closed; EBUSY: somebody else reads
//   ssize_t n = ::recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
//   descriptor.Leave(redial::Descriptor::kRead);
//
// `Close` ends all waits; the kernel's descriptor goes when the last user has left, so its number
// is never reused under somebody who still means the old one. Enter and Leave bracket system calls
// that don't wait.
//
// One thread at a time in each direction. A second one is told EBUSY where it is noticed, and
// noticing costs no atomic exchange, so two that enter within the same nanoseconds may miss each
// other.
#ifndef REDIAL_DESCRIPTOR_H_
#define REDIAL_DESCRIPTOR_H_

#include <atomic>
#include <cerrno>

#include "redial/export.h"
#include "redial/source.h"

namespace redial {

class REDIAL_EXPORT Descriptor {
 public:
  enum Direction { kRead = 0, kWrite = 1 };

  // Takes `fd` over. It must be non-blocking, or be used with MSG_DONTWAIT alone.
  explicit Descriptor(int fd);
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();  // closes; nobody may be using or awaiting it

  // The descriptor, or -EBADF once closed, or -EBUSY while another thread is inside in the same
  // direction.
  int Enter(Direction d) {
    if (inside_[d].load(std::memory_order_relaxed)) return -EBUSY;
    inside_[d].store(true, std::memory_order_relaxed);
    // Either Close sees us inside, or we see it closed. The compiler must keep the order; Close makes
    // the processors keep it, with a barrier that runs on all of them. An exchange here would cost
    // 30 ns of a read's 255.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!closed_.load(std::memory_order_acquire)) return fd_;
    inside_[d].store(false, std::memory_order_release);
    return -EBADF;
  }
  void Leave(Direction d) { inside_[d].store(false, std::memory_order_release); }

  Source& readable() { return readable_; }
  Source& writable() { return writable_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // From any thread, any number of times. The first in a process with several threads may take some
  // 15 ms; the waits end before that.
  void Close();
  // Makes every wait look again: at the deadline, at `closed()`.
  void Poke();

 private:
  friend class Source;
  // False once closed.
  bool Pin();
  void Unpin();
  void AwaitLeavers();

  const int fd_;
  std::atomic<bool> inside_[2] = {false, false};
  std::atomic<bool> closed_{false};
  std::atomic<int> pins_{1};  // waits, and one for being open
  bool left_open_ = false;    // Close couldn't tell who is inside
  Source readable_;
  Source writable_;
};

}  // namespace redial

#endif  // REDIAL_DESCRIPTOR_H_
