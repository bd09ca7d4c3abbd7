#include "policies/backoff_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "redial/time.h"

namespace redial::internal {
namespace {

// Polly's: the median of the first delay is about `base` then.
constexpr double kSmoothScale = 1 / 1.4;
// Steps beyond this one last longer than any cap or clock.
constexpr int kLastStep = 100;

double SmoothCurve(double t) { return t <= 0 ? 0 : std::exp2(t) * std::tanh(std::sqrt(4 * t)); }

// The largest step to the curve's n-th stretch, from 0.
double LargestStep(int n) { return SmoothCurve(n + 1) - SmoothCurve(n - 1); }

int StepOf(int attempts) { return std::clamp(attempts - 1, 0, kLastStep); }

double AsDouble(absl::Duration d) { return static_cast<double>(NanosOf(d)); }

int64_t Upward(const Backoff& backoff, int64_t plain, double u) {
  const double cap = AsDouble(backoff.cap);
  const auto d = static_cast<double>(plain);
  const double least = d < cap ? d : std::max(AsDouble(backoff.base), cap / backoff.multiplier);
  const double most = std::min(cap, d * backoff.multiplier);
  return PositiveNanos(least + (most - least) * u);
}

}  // namespace

int64_t PositiveNanos(double nanos) {
  // 2^63, the least double that doesn't fit; NaN can't come out of validated options.
  if (nanos >= 0x1p63) return std::numeric_limits<int64_t>::max();
  return std::max<int64_t>(1, std::llround(nanos));
}

int64_t NanosOf(absl::Duration d) {
  if (d <= absl::ZeroDuration()) return 0;
  return std::max<int64_t>(1, ToNanos(d));
}

int64_t Jittered(const Backoff& backoff, int64_t plain, double u) {
  if (plain <= 0) return 0;
  const double d = static_cast<double>(plain);
  switch (backoff.jitter) {
    case Jitter::kNone:
    case Jitter::kDecorrelated:
    case Jitter::kSmooth:
      return plain;
    case Jitter::kFull:
      return PositiveNanos(d * (1 - u));  // (0, 1]: a pause of nothing is no pause
    case Jitter::kEqual:
      return PositiveNanos(d / 2 + d / 2 * (1 - u));
    case Jitter::kProportional:
      return PositiveNanos(d * (1 - backoff.jitter_fraction + 2 * backoff.jitter_fraction * u));
    case Jitter::kUpward:
      return Upward(backoff, plain, u);
  }
  return plain;
}

int64_t Decorrelated(const Backoff& backoff, int64_t previous, double u) {
  const double base = AsDouble(backoff.base);
  const double most = std::min(AsDouble(backoff.cap), 3 * static_cast<double>(previous));
  return PositiveNanos(base + (most - base) * u);
}

int64_t Smooth(const Backoff& backoff, int attempts, double before, double u) {
  const double base = AsDouble(backoff.base);
  if (base <= 0) return 0;
  const int n = StepOf(attempts);
  const double step = SmoothCurve(n + u) - (n == 0 ? 0 : SmoothCurve(n - 1 + before));
  const double largest = LargestStep(n) * base * kSmoothScale;
  const double cap = AsDouble(backoff.cap);
  // Cut off at the cap, most would draw the cap itself.
  if (largest > cap) return PositiveNanos(cap * (step / LargestStep(n)));
  return PositiveNanos(step * base * kSmoothScale);
}

int64_t LongestSmooth(const Backoff& backoff, int attempts) {
  const double base = AsDouble(backoff.base);
  if (base <= 0) return 0;
  return PositiveNanos(
      std::min(AsDouble(backoff.cap), LargestStep(StepOf(attempts)) * base * kSmoothScale));
}

}  // namespace redial::internal
