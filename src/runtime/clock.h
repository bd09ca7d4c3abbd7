// The one clock of the runtimes on real time, and its values as the kernel takes them.
//
//   timespec timeout = ToTimespec(NanosBetween(MonotonicNow(), deadline.instant()));
//
// Safe from any thread.
#ifndef REDIAL_SRC_RUNTIME_CLOCK_H_
#define REDIAL_SRC_RUNTIME_CLOCK_H_

#include <time.h>

#include <cstdint>

#include "redial/time.h"

namespace redial::runtime_internal {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

inline Instant MonotonicNow() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Instant::FromNanos(int64_t{now.tv_sec} * kNanosPerSecond + now.tv_nsec);
}

inline timespec ToTimespec(int64_t nanos) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(nanos / kNanosPerSecond);
  time.tv_nsec = static_cast<long>(nanos % kNanosPerSecond);
  return time;
}

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_CLOCK_H_
