// How long to pause before the next attempt.
//
//   redial::Backoff backoff =
//       redial::Exponential({.base = absl::Milliseconds(50), .cap = absl::Seconds(20)});
//   redial::Backoff steady = redial::Constant(absl::Seconds(1));
//   redial::Backoff own = redial::CustomBackoff([](const redial::BackoffTurn& turn) {
//     return absl::Milliseconds(10) * turn.attempts * (1 + turn.draw);
//   });
//
// Immutable values; safe between threads, as far as a function of one's own is.
#ifndef REDIAL_POLICIES_BACKOFF_H_
#define REDIAL_POLICIES_BACKOFF_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
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
  kUpward,        // U[d, d * multiplier), at the cap U[cap / multiplier, cap): google-cloud-cpp's;
                  // Exponential only
  kSmooth,        // with t = attempts - 1 + U[0,1) and f(t) = 2^t * tanh(sqrt(4t)), the step from
  // the f before to this one, times base / 1.4: Polly's, which it calls decorrelated
  // as well. Where steps could pass the cap they are scaled to end at it, where Polly
  // cuts them off and most are alike. Exponential with multiplier 2 only.
};

// What a function of one's own knows.
struct BackoffTurn {
  int attempts;         // so far: from 1
  double draw;          // from [0, 1), this turn's
  const Outcome* last;  // the latest failure; null where there is none
};
// Pure: the same turn, the same pause. A negative one is none, one above `cap` is `cap`. It is called for
// each decision, never under a lock, and may throw, which ends the call. Immutable and cheap to copy.
class REDIAL_EXPORT BackoffFunction {
 public:
  BackoffFunction() = default;  // none
  explicit BackoffFunction(std::function<absl::Duration(const BackoffTurn&)> pause);
  // Not in the header: g++ 12 would warn, wherever a call's arguments hold a Backoff and something
  // that may throw, that it destroys what it didn't construct (-Wmaybe-uninitialized).
  BackoffFunction(const BackoffFunction& other);
  BackoffFunction(BackoffFunction&& other) noexcept;
  BackoffFunction& operator=(const BackoffFunction& other);
  BackoffFunction& operator=(BackoffFunction&& other) noexcept;
  ~BackoffFunction();

  // There must be one that can be called.
  absl::Duration operator()(const BackoffTurn& turn) const;
  // False where none was given.
  explicit operator bool() const { return pause_ != nullptr; }
  // Whether there is none to call, where one was given.
  bool empty() const;

 private:
  std::shared_ptr<const std::function<absl::Duration(const BackoffTurn&)>> pause_;
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
  // In place of all the above but `cap`; see `CustomBackoff`.
  BackoffFunction function = {};

  // kInvalidArgument naming "<owner>.<field>.base" and the like.
  REDIAL_EXPORT absl::Status Validate(std::string_view owner,
                                      std::string_view field = "backoff") const;
  // The pause, in nanoseconds, that follows `view.attempts` attempts; pure. Never 0 or negative,
  // unless `base` is 0 or the function's own pause is.
  REDIAL_EXPORT int64_t DelayNanos(const View& view) const;
  // The same without jitter, after `attempts` attempts; `cap` for a function.
  REDIAL_EXPORT int64_t PlainNanos(int attempts) const;
  // The longest that it can be.
  REDIAL_EXPORT int64_t LongestNanos(int attempts) const;
  // For people: "50ms, doubled each time, at most 20s, with full jitter".
  REDIAL_EXPORT std::string ToString() const;
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
// Exponential with kDecorrelated: each delay drawn from `base` to three times the one before.
REDIAL_EXPORT Backoff Decorrelated(absl::Duration base, absl::Duration cap = absl::Seconds(20));

// The peers' rules.
//
// gRPC A6: `initial` * `multiplier`^(n-1), at most `max`, a fifth more or less.
REDIAL_EXPORT Backoff GrpcBackoff(absl::Duration initial, absl::Duration max,
                                  double multiplier = 2);
// google-cloud-cpp's ExponentialBackoffPolicy.
REDIAL_EXPORT Backoff GoogleCloudBackoff(absl::Duration initial, absl::Duration max,
                                         double scaling = 2);
// Polly's exponential backoff with jitter ("decorrelated jitter v2"), without its flaw at the cap.
REDIAL_EXPORT Backoff PollyBackoff(absl::Duration base, absl::Duration cap = absl::Seconds(20));

// A function of one's own; validation refuses an empty one.
REDIAL_EXPORT Backoff CustomBackoff(std::function<absl::Duration(const BackoffTurn&)> function,
                                    absl::Duration cap = absl::InfiniteDuration());

}  // namespace redial

#endif  // REDIAL_POLICIES_BACKOFF_H_
