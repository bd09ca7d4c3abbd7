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
    // Sequentially consistent on both sides: either Close sees us inside, or we see it closed.
    if (inside_[d].exchange(true, std::memory_order_seq_cst)) return -EBUSY;
    if (!closed_.load(std::memory_order_seq_cst)) return fd_;
    inside_[d].store(false, std::memory_order_release);
    return -EBADF;
  }
  void Leave(Direction d) { inside_[d].store(false, std::memory_order_release); }

  Source& readable() { return readable_; }
  Source& writable() { return writable_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // From any thread, any number of times.
  void Close();
  // Makes every wait look again: at the deadline, at `closed()`.
  void Poke();

 private:
  friend class Source;
  // False once closed.
  bool Pin();
  void Unpin();

  const int fd_;
  std::atomic<bool> inside_[2] = {false, false};
  std::atomic<bool> closed_{false};
  std::atomic<int> pins_{1};  // waits, and one for being open
  Source readable_;
  Source writable_;
};

}  // namespace redial

#endif  // REDIAL_DESCRIPTOR_H_
