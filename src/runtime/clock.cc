#include "src/runtime/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "src/runtime/cycle_clock.h"

namespace redial::runtime_internal {
namespace {

Instant KernelNow() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Instant::FromNanos(int64_t{now.tv_sec} * kNanosPerSecond + now.tv_nsec);
}

#if defined(__x86_64__)

// In the thread's fixed block also where redial is a shared library: it is small, and read by every
// call. Other C libraries than glibc have no room there for what is loaded later.
#if defined(__GLIBC__)
[[gnu::tls_model("initial-exec")]]
#endif
constinit thread_local CycleClock clock_of_this_thread;

// Whether the counter's rate depends neither on the processor's frequency nor on its sleep.
bool CounterIsInvariant() {
  constexpr unsigned kPowerManagement = 0x80000007;
  constexpr unsigned kInvariant = 1u << 8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(kPowerManagement, &a, &b, &c, &d) != 0 && (d & kInvariant) != 0;
}

[[gnu::cold, gnu::noinline]] Instant Look() {
  static const bool invariant = CounterIsInvariant();
  if (!invariant) return KernelNow();
  const uint64_t before = __builtin_ia32_rdtsc();
  const Instant kernel = KernelNow();
  const uint64_t after = __builtin_ia32_rdtsc();
  return Instant::FromNanos(clock_of_this_thread.Look(before, kernel.nanos(), after));
}

#endif

}  // namespace

#if defined(__x86_64__)
// Never inlined: a fiber that goes on in another thread must not take this one's clock along.
[[gnu::noinline]] Instant MonotonicNow() {
  const auto now = clock_of_this_thread.At(__builtin_ia32_rdtsc());
  return now ? Instant::FromNanos(*now) : Look();
}
#else
Instant MonotonicNow() { return KernelNow(); }
#endif

}  // namespace redial::runtime_internal
