#include "redial/policies/backoff.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "policies/backoff_math.h"
#include "redial/time.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr int64_t kMaxNanos = std::numeric_limits<int64_t>::max();

// Decorrelated delays are replayed from the first; beyond this many the start is forgotten, which
// shows in no distribution and bounds the work.
constexpr int kReplayed = 1024;

// A positive duration stays positive, however short.
int64_t NanosOf(absl::Duration d) {
  if (d <= absl::ZeroDuration()) return 0;
  return std::max<int64_t>(1, ToNanos(d));
}

absl::Status Bad(std::string_view owner, std::string_view field, std::string_view value,
                 std::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat(internal::ToAbsl(owner), ".backoff.", internal::ToAbsl(field), " is ",
                   internal::ToAbsl(value), "; it must ", internal::ToAbsl(allowed)));
}

}  // namespace

namespace internal {

int64_t PositiveNanos(double nanos) {
  // 2^63, the least double that doesn't fit; NaN can't come out of validated options.
  if (nanos >= 0x1p63) return kMaxNanos;
  return std::max<int64_t>(1, std::llround(nanos));
}

int64_t Jittered(const Backoff& backoff, int64_t plain, double u) {
  if (plain <= 0) return 0;
  const double d = static_cast<double>(plain);
  switch (backoff.jitter) {
    case Jitter::kNone:
    case Jitter::kDecorrelated:
      return plain;
    case Jitter::kFull:
      return PositiveNanos(d * (1 - u));  // (0, 1]: a pause of nothing is no pause
    case Jitter::kEqual:
      return PositiveNanos(d / 2 + d / 2 * (1 - u));
    case Jitter::kProportional:
      return PositiveNanos(d * (1 - backoff.jitter_fraction + 2 * backoff.jitter_fraction * u));
  }
  return plain;
}

int64_t Decorrelated(const Backoff& backoff, int64_t previous, double u) {
  const double base = static_cast<double>(NanosOf(backoff.base));
  const double cap = static_cast<double>(NanosOf(backoff.cap));
  const double most = std::min(cap, 3 * static_cast<double>(previous));
  return PositiveNanos(base + (most - base) * u);
}

}  // namespace internal

absl::Status Backoff::Validate(std::string_view owner) const {
  if (kind > Kind::kExponential) {
    return Bad(owner, "kind", absl::StrCat(static_cast<int>(kind)),
               "be kConstant, kLinear or kExponential");
  }
  if (jitter > Jitter::kProportional) {
    return Bad(owner, "jitter", absl::StrCat(static_cast<int>(jitter)),
               "be kNone, kFull, kEqual, kDecorrelated or kProportional");
  }
  if (base < absl::ZeroDuration()) {
    return Bad(owner, "base", absl::FormatDuration(base), "not be negative");
  }
  if (base == absl::InfiniteDuration()) return Bad(owner, "base", "inf", "be finite");
  if (!std::isfinite(multiplier) || multiplier < 1) {
    return Bad(owner, "multiplier", absl::StrCat(multiplier), "be finite and at least 1");
  }
  if (cap < base) {
    return Bad(owner, "cap", absl::FormatDuration(cap),
               absl::StrCat("not be below base, which is ", absl::FormatDuration(base)));
  }
  if (!(jitter_fraction >= 0 && jitter_fraction <= 1)) {
    return Bad(owner, "jitter_fraction", absl::StrCat(jitter_fraction), "be from 0 to 1");
  }
  if (jitter == Jitter::kDecorrelated && kind != Kind::kExponential) {
    return Bad(owner, "jitter", "kDecorrelated", "be another one where kind isn't kExponential");
  }
  return absl::OkStatus();
}

int64_t Backoff::PlainNanos(int attempts) const {
  const int64_t first = NanosOf(base);
  const int64_t most = NanosOf(cap);
  const int n = std::max(attempts, 1);
  if (first == 0 || n == 1) return std::min(first, most);
  int64_t plain = first;
  switch (kind) {
    case Kind::kConstant:
      break;
    case Kind::kLinear:
      if (__builtin_mul_overflow(first, n, &plain)) plain = kMaxNanos;
      break;
    case Kind::kExponential:
      plain = internal::PositiveNanos(static_cast<double>(first) * std::pow(multiplier, n - 1));
      break;
  }
  return std::min(plain, most);
}

int64_t Backoff::DelayNanos(const View& view) const {
  if (jitter != Jitter::kDecorrelated) {
    return internal::Jittered(*this, PlainNanos(view.attempts), view.Uniform());
  }
  int64_t delay = NanosOf(base);
  if (delay == 0) return 0;
  for (int k = std::max(1, view.attempts - kReplayed + 1); k <= view.attempts; ++k) {
    delay = internal::Decorrelated(*this, delay, view.UniformAt(k));
  }
  return delay;
}

Backoff Constant(absl::Duration delay, Jitter jitter, double jitter_fraction) {
  Backoff backoff;
  backoff.kind = Backoff::Kind::kConstant;
  backoff.base = delay;
  backoff.cap = absl::InfiniteDuration();
  backoff.jitter = jitter;
  backoff.jitter_fraction = jitter_fraction;
  return backoff;
}

Backoff Linear(absl::Duration base, absl::Duration cap, Jitter jitter) {
  Backoff backoff;
  backoff.kind = Backoff::Kind::kLinear;
  backoff.base = base;
  backoff.cap = cap;
  backoff.jitter = jitter;
  return backoff;
}

Backoff Exponential(ExponentialOptions options) {
  Backoff backoff;
  backoff.base = options.base;
  backoff.multiplier = options.multiplier;
  backoff.cap = options.cap;
  backoff.jitter = options.jitter;
  backoff.jitter_fraction = options.jitter_fraction;
  return backoff;
}

}  // namespace redial
