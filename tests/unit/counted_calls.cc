#include "tests/unit/counted_calls.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <new>

#include "src/runtime/cycle_clock.h"

namespace redial::testing {

constinit thread_local Counts counts;
constinit thread_local int failing_allocation = 0;

}  // namespace redial::testing

extern "C" {

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
  ++redial::testing::counts.receives;
  return ::syscall(SYS_recvfrom, fd, buffer, size, flags, nullptr, nullptr);
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
  ++redial::testing::counts.sends;
  return ::syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}

ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, sockaddr* from, socklen_t* length) {
  ++redial::testing::counts.receives;
  return ::syscall(SYS_recvfrom, fd, buffer, size, flags, from, length);
}

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t length) {
  ++redial::testing::counts.sends;
  return ::syscall(SYS_sendto, fd, data, size, flags, to, length);
}

struct pollfd;
int ppoll(pollfd* fds, unsigned long count, const timespec* timeout, const sigset_t* mask) {
  ++redial::testing::counts.waits;
  timespec copy{};
  if (timeout != nullptr) copy = *timeout;
  return static_cast<int>(::syscall(SYS_ppoll, fds, count, timeout != nullptr ? &copy : nullptr,
                                    mask, sizeof(unsigned long)));
}

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  ++redial::testing::counts.clock_reads;
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
#if defined(__x86_64__)
  // Takes so long that no clock is read off the processor's counter in place of this one.
  using redial::runtime_internal::CycleClock;
  const auto before = __builtin_ia32_rdtsc();
  while (__builtin_ia32_rdtsc() - before <= CycleClock::kQuick) {
  }
#endif
  return result;
}

}  // extern "C"

void* operator new(size_t size) {
  ++redial::testing::counts.allocations;
#if defined(__cpp_exceptions)
  int& failing = redial::testing::failing_allocation;
  if (failing == 1) {
    failing = 0;
    throw std::bad_alloc();
  }
  if (failing > 1) --failing;
#endif
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
