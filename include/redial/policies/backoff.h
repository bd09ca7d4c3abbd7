// How long to pause before the next attempt.
//
//   redial::Backoff backoff =
//       redial::Exponential({.base = absl::Milliseconds(50), .cap = absl::Seconds(20)});
//   redial::Backoff steady = redial::Constant(absl::Seconds(1));
//
// Immutable values; safe between threads.
#ifndef REDIAL_POLICIES_BACKOFF_H_
#define REDIAL_POLICIES_BACKOFF_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/view.h"

namespace redial {

// How chance is mixed into a delay d (names as in AWS's "Exponential Backoff And Jitter", 2015).
enum class Jitter : uint8_t {
  kNone,          // d
  kFull,          // U(0,1] * d
  kEqual,         // d/2 + U(0,1] * d/2
  kDecorrelated,  // U[base, min(cap, 3 * previous delay)]; Exponential only. AWS draws first and
                  // caps then, so that many draw the cap itself.
  kProportional,  // d * (1 - fraction + 2 * fraction * U[0,1)): Polly's constant jitter at 0.25,
                  // gRPC A6 at 0.2
};

struct Backoff {
  enum class Kind : uint8_t { kConstant, kLinear, kExponential };

  Kind kind = Kind::kExponential;
  absl::Duration base = absl::Milliseconds(50);  // of the first delay; not negative
  double multiplier = 2;                         // of kExponential; at least 1
  absl::Duration cap =
      absl::Seconds(20);  // applied before jitter; not below `base`; may be infinite
  Jitter jitter = Jitter::kFull;
  double jitter_fraction = 0.25;  // of kProportional; from 0 to 1

  // kInvalidArgument naming "<owner>.backoff.<field>".
  REDIAL_EXPORT absl::Status Validate(std::string_view owner) const;
  // The pause, in nanoseconds, that follows `view.attempts` attempts; pure. Never 0 or negative,
  // unless `base` is 0.
  REDIAL_EXPORT int64_t DelayNanos(const View& view) const;
  // The same without jitter, after `attempts` attempts.
  REDIAL_EXPORT int64_t PlainNanos(int attempts) const;
};

struct ExponentialOptions {
  absl::Duration base = absl::Milliseconds(50);
  double multiplier = 2;
  absl::Duration cap = absl::Seconds(20);
  Jitter jitter = Jitter::kFull;
  double jitter_fraction = 0.25;
};

// `delay`, each time.
REDIAL_EXPORT Backoff Constant(absl::Duration delay, Jitter jitter = Jitter::kNone,
                               double jitter_fraction = 0.25);
// `base`, 2 * `base`, 3 * `base`, … up to `cap`.
REDIAL_EXPORT Backoff Linear(absl::Duration base, absl::Duration cap = absl::Seconds(20),
                             Jitter jitter = Jitter::kFull);
// `base`, `base` * m, `base` * m^2, … up to `cap`. The defaults are those of AWS's standard
// retries 2.1 for transient faults.
REDIAL_EXPORT Backoff Exponential(ExponentialOptions options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_BACKOFF_H_
