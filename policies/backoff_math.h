// The arithmetic of `Backoff` with the chance taken out, so that tests can put in the draws that
// other libraries publish.
#ifndef REDIAL_POLICIES_BACKOFF_MATH_H_
#define REDIAL_POLICIES_BACKOFF_MATH_H_

#include <cstdint>

#include "redial/policies/backoff.h"

namespace redial::internal {

// `nanos` as an integer of at least 1, saturated.
int64_t PositiveNanos(double nanos);
// A positive duration stays positive, however short; a negative one is nothing.
int64_t NanosOf(absl::Duration d);

// The delay `plain` with jitter; `u` is from [0, 1). Not for kDecorrelated and kSmooth, which need the
// draw before.
int64_t Jittered(const Backoff& backoff, int64_t plain, double u);

// One step of kDecorrelated: the delay that follows the delay `previous`.
int64_t Decorrelated(const Backoff& backoff, int64_t previous, double u);

// kSmooth, after `attempts` attempts; `before` is the draw of the attempt before.
int64_t Smooth(const Backoff& backoff, int attempts, double before, double u);
// The longest that it can be.
int64_t LongestSmooth(const Backoff& backoff, int attempts);

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BACKOFF_MATH_H_
