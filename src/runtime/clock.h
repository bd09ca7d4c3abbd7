// The one clock of the runtimes on real time, and its values as the kernel takes them.
//
//   timespec timeout = ToTimespec(NanosBetween(MonotonicNow(), deadline.instant()));
//
// Safe from any thread.
#ifndef REDIAL_SRC_RUNTIME_CLOCK_H_
#define REDIAL_SRC_RUNTIME_CLOCK_H_

#include <time.h>

#include <cstdint>

#include "redial/export.h"
#include "redial/time.h"

namespace redial::runtime_internal {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

// CLOCK_MONOTONIC, to a microsecond: see src/runtime/cycle_clock.h.
REDIAL_EXPORT Instant MonotonicNow();

inline timespec ToTimespec(int64_t nanos) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(nanos / kNanosPerSecond);
  time.tv_nsec = static_cast<long>(nanos % kNanosPerSecond);
  return time;
}

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_CLOCK_H_
