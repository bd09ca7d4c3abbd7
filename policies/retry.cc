#include "redial/policies/retry.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "policies/configuration.h"
#include "policies/invalid.h"
#include "policies/overload.h"
#include "redial/time.h"

namespace redial {
namespace {

constexpr std::string_view kName = "Retry";
// Which of the view's random draws is spent on what; the backoff takes draw 0.
constexpr uint32_t kHintDraw = 1;
// Pauses that are added up one by one; the rest are taken for as long as the last.
constexpr int kAddedUp = 100;

int64_t SaturatedSum(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

bool LooksAtValues(const RetryOptions& o) {
  return o.retry_on.examines() || o.also_retry_on.examines();
}

absl::Status Check(const RetryOptions& o) {
  if (o.max_attempts < 1) {
    return internal::Invalid(kName, "max_attempts", std::to_string(o.max_attempts),
                             "be at least 1");
  }
  if (absl::Status status = o.backoff.Validate(kName); !status.ok()) return status;
  if (absl::Status status = o.overload_backoff.Validate(kName, "overload_backoff"); !status.ok()) {
    return status;
  }
  if (o.max_hint_excess < absl::ZeroDuration()) {
    return internal::Invalid(kName, "max_hint_excess", o.max_hint_excess, "not be negative");
  }
  if (o.hint_jitter < absl::ZeroDuration()) {
    return internal::Invalid(kName, "hint_jitter", o.hint_jitter, "not be negative");
  }
  if (o.hint_jitter == absl::InfiniteDuration()) {
    return internal::Invalid(kName, "hint_jitter", o.hint_jitter, "be finite");
  }
  return absl::OkStatus();
}

// The options, in nanoseconds where they are asked for on the way.
struct Config {
  explicit Config(RetryOptions o)
      : options(std::move(o)),
        max_hint_excess(ToNanos(options.max_hint_excess)),
        hint_jitter(ToNanos(options.hint_jitter)) {}

  bool IsRetriable(const Outcome& outcome) const {
    if (options.never_retry_on(outcome)) return false;
    if (options.also_retry_on(outcome)) return true;
    return options.retry_on ? options.retry_on(outcome) : IsTransient(outcome);
  }
  // The same in words.
  std::string Retried() const;
  const Backoff& BackoffAfter(const Outcome& last) const {
    const bool overload = internal::IsPeersOverload(last) || options.also_overload_on(last);
    return overload ? options.overload_backoff : options.backoff;
  }
  Verdict PauseAfter(const View& view) const;
  // The longest that the pause after so many attempts can be, without a hint.
  int64_t LongestPause(int attempts) const {
    return std::max(options.backoff.LongestNanos(attempts),
                    options.overload_backoff.LongestNanos(attempts));
  }
  // All of them together, at most; `overloaded`: where the peer says that it has enough.
  absl::Duration AllPauses(bool overloaded) const;

  RetryOptions options;
  int64_t max_hint_excess;
  int64_t hint_jitter;
};

std::string Config::Retried() const {
  std::string text =
      options.retry_on ? options.retry_on.ToString()
                       : "UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED or what has "
                         "a hint when to come back";
  if (options.also_retry_on) absl::StrAppend(&text, " or ", options.also_retry_on.ToString());
  if (options.never_retry_on) {
    absl::StrAppend(&text, "; never ", options.never_retry_on.ToString());
  }
  return text;
}

Verdict Config::PauseAfter(const View& view) const {
  const Outcome& last = *view.last;
  int64_t pause = BackoffAfter(last).DelayNanos(view);
  Reason reason = Reason::kBackoff;
  if (last.has_retry_after) {
    // A negative one is less than any pause.
    const int64_t hinted = std::min(last.retry_after_nanos, SaturatedSum(pause, max_hint_excess));
    if (hinted > pause) {
      const auto spread = static_cast<double>(std::min(hint_jitter, hinted));
      pause = SaturatedSum(hinted, static_cast<int64_t>(view.Uniform(kHintDraw) * spread));
      reason = Reason::kServerHint;
    }
  }
  if (pause == 0) return Verdict::Admit();
  return Verdict::NotBefore(Plus(last.ended, pause), reason);
}

absl::Duration Config::AllPauses(bool overloaded) const {
  absl::Duration sum = absl::ZeroDuration();
  const int pauses = options.max_attempts - 1;
  const auto longest = [&](int n) {
    const int64_t nanos = overloaded ? LongestPause(n) : options.backoff.LongestNanos(n);
    return nanos == std::numeric_limits<int64_t>::max() ? absl::InfiniteDuration()
                                                        : absl::Nanoseconds(nanos);
  };
  for (int n = 1; n <= std::min(pauses, kAddedUp); ++n) sum += longest(n);
  if (pauses > kAddedUp) sum += longest(pauses) * (pauses - kAddedUp);
  return sum;
}

// Decides whether a call may go on after a failure, and when. Whether it is safe to repeat what may
// have been executed isn't asked here: the engine sees to that, whatever the policies say.
//
// Safe between threads.
class Retrying final : public RetryPolicy {
 public:
  explicit Retrying(RetryOptions options)
      : RetryPolicy({.name = kName, .capabilities = CapabilitiesFor(options)}),
        check_(Check(options)),
        config_(Config(check_.ok() ? std::move(options) : RetryOptions())) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return config_.word(); }
  Verdict Judge(const View& view) const override;
  bool IsFailure(const Outcome& outcome) const override {
    return config_.Of(outcome.config).IsRetriable(outcome);
  }
  absl::Status Reconfigure(const RetryOptions& options) override;
  void Describe(Description& description) const override;

 private:
  static uint32_t CapabilitiesFor(const RetryOptions& options) {
    return kJudgesAgain | kRetries | kReconfigures | (LooksAtValues(options) ? kExamines : 0u) |
           (options.distinct_endpoint ? kWantsDistinctEndpoints : 0u);
  }
  bool Has(Capability capability) const { return (traits().capabilities & capability) != 0; }

  const absl::Status check_;
  internal::Configuration<Config> config_;
};

uint64_t Retrying::Fingerprint() const {
  const RetryOptions& o = config_.current().options;
  internal::ConfigHash hash(kName);
  hash.Add(static_cast<uint64_t>(o.max_attempts));
  for (const Backoff* backoff : {&o.backoff, &o.overload_backoff}) {
    hash.Add(static_cast<uint64_t>(backoff->kind))
        .Add(backoff->base)
        .Add(backoff->multiplier)
        .Add(backoff->cap)
        .Add(static_cast<uint64_t>(backoff->jitter))
        .Add(backoff->jitter_fraction)
        .Add(uint64_t{backoff->function ? 1U : 0U});
  }
  return hash.Add(o.max_hint_excess).Add(o.hint_jitter).Add(uint64_t{o.distinct_endpoint}).hash();
}

Verdict Retrying::Judge(const View& view) const {
  const Config& config = config_.Of(view.config);
  if (view.attempts >= config.options.max_attempts) return Verdict::Reject(Reason::kExhausted);
  // A hedge is another policy's idea, and follows no failure: it counts, and no more.
  if (view.kind == AttemptKind::kHedge || view.last == nullptr) return Verdict::Admit();
  if (!config.IsRetriable(*view.last)) return Verdict::Reject(Reason::kNotRetriable);
  return config.PauseAfter(view);
}

absl::Status Retrying::Reconfigure(const RetryOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  if (options.distinct_endpoint != Has(kWantsDistinctEndpoints)) {
    return absl::InvalidArgumentError(
        "Retry.distinct_endpoint can't be changed; make another policy");
  }
  if (LooksAtValues(options) && !Has(kExamines)) {
    return absl::InvalidArgumentError(
        "Retry.retry_on and also_retry_on can't begin to look at values; make another policy");
  }
  config_.Replace(Config(options));
  return absl::OkStatus();
}

void Retrying::Describe(Description& d) const {
  const Config& config = config_.current();
  const RetryOptions& o = config.options;
  d.max_attempts = o.max_attempts;
  if (o.max_attempts == 1) {
    d.does.emplace_back("makes one attempt");
    d.warnings.emplace_back("Retry.max_attempts is 1: nothing is ever retried.");
    return;
  }
  d.does.push_back(absl::StrCat("makes at most ", o.max_attempts, " attempts"));
  d.does.push_back(absl::StrCat("retries ", config.Retried()));
  d.does.push_back(absl::StrCat("pauses before each retry: ", o.backoff.ToString()));
  d.does.push_back(absl::StrCat("pauses, where the peer says that it has enough: ",
                                o.overload_backoff.ToString()));
  d.does.push_back(absl::StrCat(
      "heeds a hint when to come back, up to ", absl::FormatDuration(o.max_hint_excess),
      " beyond its own pause, spread over ", absl::FormatDuration(o.hint_jitter)));
  if (o.distinct_endpoint) {
    d.does.emplace_back("prefers an address on which no attempt of the call has failed");
  }
  d.pauses = config.AllPauses(/*overloaded=*/false);
  d.hinted_pauses =
      config.AllPauses(/*overloaded=*/true) +
      (o.max_hint_excess + o.hint_jitter) * (static_cast<int64_t>(o.max_attempts) - 1);
  if (d.pauses == absl::ZeroDuration()) {
    d.warnings.emplace_back("Retry.backoff is 0: retries follow without a pause.");
  } else if (!o.backoff.function && o.backoff.jitter == Jitter::kNone) {
    d.warnings.emplace_back(
        "Retry.backoff has no jitter: clients that failed together come back together.");
  }
  if (o.overload_backoff.PlainNanos(1) < o.backoff.PlainNanos(1)) {
    d.warnings.emplace_back(
        "Retry.overload_backoff is shorter than backoff: a server that has enough is asked again "
        "sooner than one that failed.");
  }
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

std::shared_ptr<RetryPolicy> Retry(RetryOptions options) {
  return std::make_shared<Retrying>(std::move(options));
}

}  // namespace redial
