// What all system calls on sockets share: the one place where those that a signal interrupted are
// made again, and what their errors and descriptors need.
#ifndef REDIAL_SRC_NET_SYSCALLS_H_
#define REDIAL_SRC_NET_SYSCALLS_H_

#include <cerrno>

namespace redial::internal {

// Nothing to take, or no room: to be waited for. POSIX lets the two differ.
inline bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

// Not for close (the descriptor is gone) nor connect (which goes on by itself).
template <typename Call>
auto RetryOnEintr(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) [[likely]] {
      return result;
    }
  }
}

// Closes `fd` when it goes out of scope, unless it was released. Used by one thread.
class ScopedFd {
 public:
  explicit ScopedFd(int fd) : fd_(fd) {}
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  ~ScopedFd();

  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_SYSCALLS_H_
