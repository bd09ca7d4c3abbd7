// The arithmetic of `Backoff` with the chance taken out, so that tests can put in the draws that
// other libraries publish.
#ifndef REDIAL_POLICIES_BACKOFF_MATH_H_
#define REDIAL_POLICIES_BACKOFF_MATH_H_

#include <cstdint>

#include "redial/policies/backoff.h"

namespace redial::internal {

// `nanos` as an integer of at least 1, saturated.
int64_t PositiveNanos(double nanos);

// The delay `plain` with jitter; `u` is from [0, 1). Not for kDecorrelated, which needs the delay
// before.
int64_t Jittered(const Backoff& backoff, int64_t plain, double u);

// One step of kDecorrelated: the delay that follows the delay `previous`.
int64_t Decorrelated(const Backoff& backoff, int64_t previous, double u);

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BACKOFF_MATH_H_
