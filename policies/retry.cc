#include "redial/policies/retry.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "redial/time.h"
#include "src/core/strings.h"

namespace redial {
namespace {

// Which of the view's random draws is spent on what; the backoff takes draw 0.
constexpr uint32_t kHintDraw = 1;

int64_t SaturatedSum(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

absl::Status Bad(std::string_view field, std::string_view value, std::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat("Retry.", internal::ToAbsl(field), " is ",
                                                 internal::ToAbsl(value), "; it must ",
                                                 internal::ToAbsl(allowed)));
}

// Decides whether a call may go on after a failure, and when. Whether it is safe to repeat what may
// have been executed isn't asked here: the engine sees to that, whatever the policies say.
//
// Immutable: safe between threads.
class RetryPolicy final : public Policy {
 public:
  explicit RetryPolicy(RetryOptions options)
      : Policy({.name = "Retry", .capabilities = CapabilitiesFor(options)}),
        options_(std::move(options)) {}

  absl::Status Validate() const override;
  uint64_t Fingerprint() const override;
  Verdict Judge(const View& view) const override;
  bool IsFailure(const Outcome& outcome) const override { return IsRetriable(outcome); }

 private:
  static uint32_t CapabilitiesFor(const RetryOptions& options) {
    const bool examines = options.retry_on.examines() || options.also_retry_on.examines();
    return kJudgesAgain | kRetries | (examines ? kExamines : 0u);
  }

  bool IsRetriable(const Outcome& outcome) const;
  Verdict PauseAfter(const View& view) const;

  const RetryOptions options_;
};

absl::Status RetryPolicy::Validate() const {
  if (options_.max_attempts < 1) {
    return Bad("max_attempts", absl::StrCat(options_.max_attempts), "be at least 1");
  }
  if (absl::Status status = options_.backoff.Validate(name()); !status.ok()) return status;
  if (options_.max_hint_excess < absl::ZeroDuration()) {
    return Bad("max_hint_excess", absl::FormatDuration(options_.max_hint_excess),
               "not be negative");
  }
  if (options_.hint_jitter < absl::ZeroDuration()) {
    return Bad("hint_jitter", absl::FormatDuration(options_.hint_jitter), "not be negative");
  }
  if (options_.hint_jitter == absl::InfiniteDuration()) {
    return Bad("hint_jitter", "inf", "be finite");
  }
  return absl::OkStatus();
}

uint64_t RetryPolicy::Fingerprint() const {
  const Backoff& backoff = options_.backoff;
  return internal::ConfigHash(name())
      .Add(static_cast<uint64_t>(options_.max_attempts))
      .Add(static_cast<uint64_t>(backoff.kind))
      .Add(backoff.base)
      .Add(backoff.multiplier)
      .Add(backoff.cap)
      .Add(static_cast<uint64_t>(backoff.jitter))
      .Add(backoff.jitter_fraction)
      .Add(options_.max_hint_excess)
      .Add(options_.hint_jitter)
      .hash();
}

bool RetryPolicy::IsRetriable(const Outcome& outcome) const {
  if (options_.never_retry_on(outcome)) return false;
  if (options_.also_retry_on(outcome)) return true;
  return options_.retry_on ? options_.retry_on(outcome) : IsTransient(outcome);
}

Verdict RetryPolicy::Judge(const View& view) const {
  if (view.attempts >= options_.max_attempts) return Verdict::Reject(Reason::kExhausted);
  // A hedge is another policy's idea, and follows no failure: it counts, and no more.
  if (view.kind == AttemptKind::kHedge || view.last == nullptr) return Verdict::Admit();
  if (!IsRetriable(*view.last)) return Verdict::Reject(Reason::kNotRetriable);
  return PauseAfter(view);
}

Verdict RetryPolicy::PauseAfter(const View& view) const {
  const Outcome& last = *view.last;
  int64_t pause = options_.backoff.DelayNanos(view);
  Reason reason = Reason::kBackoff;
  if (last.has_retry_after) {
    const int64_t longest = SaturatedSum(pause, ToNanos(options_.max_hint_excess));
    const int64_t hinted = std::min(last.retry_after_nanos, longest);
    if (hinted > pause) {
      const double extra =
          view.Uniform(kHintDraw) * static_cast<double>(ToNanos(options_.hint_jitter));
      pause = SaturatedSum(hinted, static_cast<int64_t>(extra));
      reason = Reason::kServerHint;
    }
  }
  if (pause == 0) return Verdict::Admit();
  return Verdict::NotBefore(Plus(last.ended, pause), reason);
}

}  // namespace

bool IsTransient(const Outcome& outcome) {
  if (outcome.ok()) return false;
  switch (outcome.code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
      return true;
    default:
      return outcome.has_retry_after;
  }
}

PolicyPtr Retry(RetryOptions options) { return std::make_shared<RetryPolicy>(std::move(options)); }

}  // namespace redial
