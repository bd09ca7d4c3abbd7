#include "redial/policies/backoff.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policies/backoff_math.h"
#include "policies/invalid.h"
#include "redial/time.h"
#include "src/core/strings.h"

namespace redial {
namespace {

using internal::NanosOf;
using internal::ToAbsl;

constexpr int64_t kMaxNanos = std::numeric_limits<int64_t>::max();

// Decorrelated delays are replayed from the first; beyond this many the start is forgotten, which
// shows in no distribution and bounds the work.
constexpr int kReplayed = 1024;

// Whose options are looked at.
struct Owner {
  std::string_view name;
  std::string_view field;
};

absl::Status Bad(const Owner& owner, std::string_view field, const std::string& value,
                 const std::string& must) {
  return internal::Invalid(owner.name, std::string(owner.field) + "." + std::string(field), value,
                           must);
}

absl::Status CheckLengths(const Backoff& b, const Owner& owner) {
  if (b.base < absl::ZeroDuration()) {
    return Bad(owner, "base", absl::FormatDuration(b.base), "not be negative");
  }
  if (b.base == absl::InfiniteDuration()) return Bad(owner, "base", "inf", "be finite");
  if (!std::isfinite(b.multiplier) || b.multiplier < 1) {
    return Bad(owner, "multiplier", absl::StrCat(b.multiplier), "be finite and at least 1");
  }
  if (b.cap < b.base) {
    return Bad(owner, "cap", absl::FormatDuration(b.cap),
               absl::StrCat("not be below base, which is ", absl::FormatDuration(b.base)));
  }
  return absl::OkStatus();
}

absl::Status CheckJitter(const Backoff& b, const Owner& owner) {
  if (b.jitter > Jitter::kSmooth) {
    return Bad(owner, "jitter", absl::StrCat(static_cast<int>(b.jitter)),
               "be kNone, kFull, kEqual, kDecorrelated, kProportional, kUpward or kSmooth");
  }
  if (!(b.jitter_fraction >= 0 && b.jitter_fraction <= 1)) {
    return Bad(owner, "jitter_fraction", absl::StrCat(b.jitter_fraction), "be from 0 to 1");
  }
  const bool grows = b.kind == Backoff::Kind::kExponential;
  if (b.jitter == Jitter::kDecorrelated && !grows) {
    return Bad(owner, "jitter", "kDecorrelated", "be another one where kind isn't kExponential");
  }
  if (b.jitter == Jitter::kUpward && !grows) {
    return Bad(owner, "jitter", "kUpward", "be another one where kind isn't kExponential");
  }
  if (b.jitter == Jitter::kSmooth && (!grows || b.multiplier != 2)) {
    return Bad(owner, "jitter", "kSmooth",
               "be another one where kind isn't kExponential with multiplier 2");
  }
  return absl::OkStatus();
}

std::string_view JitterText(Jitter jitter) {
  switch (jitter) {
    case Jitter::kNone:
      return "without jitter";
    case Jitter::kFull:
      return "with full jitter";
    case Jitter::kEqual:
      return "with equal jitter";
    case Jitter::kDecorrelated:
      return "with decorrelated jitter";
    case Jitter::kProportional:
      return "with proportional jitter";
    case Jitter::kUpward:
      return "with upward jitter";
    case Jitter::kSmooth:
      return "with smooth jitter";
  }
  return "";
}

}  // namespace

BackoffFunction::BackoffFunction(std::function<absl::Duration(const BackoffTurn&)> pause)
    : pause_(std::make_shared<const std::function<absl::Duration(const BackoffTurn&)>>(
          std::move(pause))) {}
BackoffFunction::BackoffFunction(const BackoffFunction& other) = default;
BackoffFunction::BackoffFunction(BackoffFunction&& other) noexcept = default;
BackoffFunction& BackoffFunction::operator=(const BackoffFunction& other) = default;
BackoffFunction& BackoffFunction::operator=(BackoffFunction&& other) noexcept = default;
BackoffFunction::~BackoffFunction() = default;

absl::Duration BackoffFunction::operator()(const BackoffTurn& turn) const {
  return (*pause_)(turn);
}
bool BackoffFunction::empty() const { return pause_ != nullptr && *pause_ == nullptr; }

absl::Status Backoff::Validate(std::string_view owner_name, std::string_view field) const {
  const Owner owner{owner_name, field};
  if (function) {
    if (function.empty()) return Bad(owner, "function", "empty", "be callable");
    if (cap < absl::ZeroDuration()) {
      return Bad(owner, "cap", absl::FormatDuration(cap), "not be negative");
    }
    return absl::OkStatus();
  }
  if (kind > Kind::kExponential) {
    return Bad(owner, "kind", absl::StrCat(static_cast<int>(kind)),
               "be kConstant, kLinear or kExponential");
  }
  if (absl::Status status = CheckLengths(*this, owner); !status.ok()) return status;
  return CheckJitter(*this, owner);
}

int64_t Backoff::PlainNanos(int attempts) const {
  const int64_t most = NanosOf(cap);
  if (function) return most;
  const int64_t first = NanosOf(base);
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
  if (function) {
    const BackoffTurn turn{view.attempts, view.Uniform(), view.last};
    return std::min(NanosOf(function(turn)), NanosOf(cap));
  }
  if (jitter == Jitter::kSmooth) {
    return internal::Smooth(*this, view.attempts, view.UniformAt(view.attempts - 1),
                            view.Uniform());
  }
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

int64_t Backoff::LongestNanos(int attempts) const {
  const int64_t plain = PlainNanos(attempts);
  if (function || plain == 0) return plain;
  const auto longest = static_cast<double>(plain);
  switch (jitter) {
    case Jitter::kNone:
    case Jitter::kFull:
    case Jitter::kEqual:
      return plain;
    case Jitter::kProportional:
      return internal::PositiveNanos(longest * (1 + jitter_fraction));
    case Jitter::kUpward:
      return std::min(NanosOf(cap), internal::PositiveNanos(longest * multiplier));
    case Jitter::kDecorrelated:
      return std::min(NanosOf(cap), internal::PositiveNanos(static_cast<double>(NanosOf(base)) *
                                                            std::pow(3, std::max(attempts, 1))));
    case Jitter::kSmooth:
      return internal::LongestSmooth(*this, attempts);
  }
  return plain;
}

std::string Backoff::ToString() const {
  const std::string at_most =
      cap == absl::InfiniteDuration() ? "" : absl::StrCat(", at most ", absl::FormatDuration(cap));
  if (function) return absl::StrCat("as a function says", at_most);
  std::string growth;
  if (base > absl::ZeroDuration() && kind == Kind::kLinear) {
    growth = absl::StrCat(", as much more each time", at_most);
  } else if (base > absl::ZeroDuration() && kind == Kind::kExponential && multiplier == 2) {
    growth = absl::StrCat(", doubled each time", at_most);
  } else if (base > absl::ZeroDuration() && kind == Kind::kExponential && multiplier > 1) {
    growth = absl::StrCat(", times ", multiplier, " each time", at_most);
  }
  return absl::StrCat(absl::FormatDuration(base), growth, ", ", ToAbsl(JitterText(jitter)));
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

Backoff Decorrelated(absl::Duration base, absl::Duration cap) {
  return Exponential({.base = base, .cap = cap, .jitter = Jitter::kDecorrelated});
}

Backoff GrpcBackoff(absl::Duration initial, absl::Duration max, double multiplier) {
  return Exponential({.base = initial,
                      .multiplier = multiplier,
                      .cap = max,
                      .jitter = Jitter::kProportional,
                      .jitter_fraction = 0.2});
}

Backoff GoogleCloudBackoff(absl::Duration initial, absl::Duration max, double scaling) {
  return Exponential(
      {.base = initial, .multiplier = scaling, .cap = max, .jitter = Jitter::kUpward});
}

Backoff PollyBackoff(absl::Duration base, absl::Duration cap) {
  return Exponential({.base = base, .cap = cap, .jitter = Jitter::kSmooth});
}

Backoff CustomBackoff(std::function<absl::Duration(const BackoffTurn&)> function,
                      absl::Duration cap) {
  Backoff backoff;
  backoff.cap = cap;
  backoff.function = BackoffFunction(std::move(function));
  return backoff;
}

}  // namespace redial
