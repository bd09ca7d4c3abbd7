#include "tests/unit/ppoll_probe.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace redial {
namespace {

thread_local int calls = 0;
thread_local nfds_t limit = 0;
thread_local int failure = 0;

}  // namespace

int PpollCalls() { return calls; }

void FailNextPpollOfMoreThan(int descriptors, int error) {
  limit = static_cast<nfds_t>(descriptors);
  failure = error;
}

}  // namespace redial

// The program's own definition stands before libc's.
extern "C" int ppoll(pollfd* polls, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  ++redial::calls;
  if (redial::failure != 0 && count > redial::limit) {
    errno = std::exchange(redial::failure, 0);
    return -1;
  }
  timespec rest{};
  if (timeout != nullptr) rest = *timeout;  // the kernel counts it down in place
  return static_cast<int>(
      ::syscall(SYS_ppoll, polls, count, timeout != nullptr ? &rest : nullptr, mask, _NSIG / 8));
}
