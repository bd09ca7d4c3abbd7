// Counts the system calls that the benchmarks compare, by standing in front of libc's wrappers.
// Both sides pay the same nanosecond for it.
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "benchmarks/suite.h"

namespace {

thread_local long calls = 0;

template <class F>
F* Next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#define REDIAL_COUNTED(result, name, parameters, arguments)   \
  extern "C" result name parameters {                         \
    static auto* const next = Next<result parameters>(#name); \
    ++calls;                                                  \
    return next arguments;                                    \
  }

REDIAL_COUNTED(ssize_t, recv, (int fd, void* p, size_t n, int flags), (fd, p, n, flags))
REDIAL_COUNTED(ssize_t, send, (int fd, const void* p, size_t n, int flags), (fd, p, n, flags))
REDIAL_COUNTED(ssize_t, recvmsg, (int fd, msghdr* m, int flags), (fd, m, flags))
REDIAL_COUNTED(ssize_t, sendmsg, (int fd, const msghdr* m, int flags), (fd, m, flags))
REDIAL_COUNTED(ssize_t, read, (int fd, void* p, size_t n), (fd, p, n))
REDIAL_COUNTED(ssize_t, write, (int fd, const void* p, size_t n), (fd, p, n))
REDIAL_COUNTED(int, poll, (pollfd * p, nfds_t n, int t), (p, n, t))
REDIAL_COUNTED(int, ppoll, (pollfd * p, nfds_t n, const timespec* t, const sigset_t* s),
               (p, n, t, s))
REDIAL_COUNTED(int, epoll_wait, (int e, epoll_event* v, int n, int t), (e, v, n, t))
REDIAL_COUNTED(int, epoll_pwait2,
               (int e, epoll_event* v, int n, const timespec* t, const sigset_t* s),
               (e, v, n, t, s))
REDIAL_COUNTED(int, epoll_ctl, (int e, int op, int fd, epoll_event* v), (e, op, fd, v))
REDIAL_COUNTED(int, timerfd_settime, (int fd, int f, const itimerspec* n, itimerspec* o),
               (fd, f, n, o))

long redial::benchmarks::CountedCalls() { return calls; }
