#include "redial/policies/attempt_timeout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policies/config_hash.h"
#include "policies/configuration.h"
#include "policies/invalid.h"
#include "policies/latency_window.h"
#include "policies/recent_minimum.h"
#include "redial/time.h"
#include "src/core/mutex.h"

namespace redial {
namespace {

using internal::Invalid;
using internal::LatencyWindow;
using internal::RecentQuantile;

constexpr std::string_view kName = "AttemptTimeout";
constexpr absl::Duration kRoundTripSlice = absl::Seconds(30);
constexpr int64_t kNone = Proposal::kNone;

bool IsShare(double value) { return value > 0 && value <= 1; }

// A positive number of nanoseconds.
int64_t Scaled(int64_t nanos, double by) {
  const double scaled = std::ceil(static_cast<double>(nanos) * by);
  return scaled >= 0x1p63 ? kNone : std::max<int64_t>(1, static_cast<int64_t>(scaled));
}

absl::Status CheckRanges(const AttemptTimeoutOptions& o) {
  if (o.share != 0 && !IsShare(o.share)) {
    return Invalid(kName, "share", o.share, "be 0 or from above 0 to 1");
  }
  if (o.share_among < 0) {
    return Invalid(kName, "share_among", std::to_string(o.share_among), "not be negative");
  }
  if (o.quantile != 0 && !IsShare(o.quantile)) {
    return Invalid(kName, "quantile", o.quantile, "be 0 or from above 0 to 1");
  }
  if (!std::isfinite(o.factor) || o.factor < 1) {
    return Invalid(kName, "factor", o.factor, "be finite and at least 1");
  }
  if (o.window <= absl::ZeroDuration()) {
    return Invalid(kName, "window", o.window, "be positive");
  }
  if (o.min_samples < 1) {
    return Invalid(kName, "min_samples", std::to_string(o.min_samples), "be at least 1");
  }
  if (!std::isfinite(o.round_trips) || o.round_trips < 0) {
    return Invalid(kName, "round_trips", o.round_trips, "be finite and not negative");
  }
  return absl::OkStatus();
}

bool Computes(const AttemptTimeoutOptions& o) {
  return o.share != 0 || o.share_among != 0 || o.quantile != 0;
}

absl::Status Check(const AttemptTimeoutOptions& o) {
  if (!(o.timeout > absl::ZeroDuration())) {
    return Invalid(kName, "timeout", o.timeout, "be positive");
  }
  if (absl::Status status = CheckRanges(o); !status.ok()) return status;
  if (o.min_timeout < absl::ZeroDuration() || o.min_timeout == absl::InfiniteDuration()) {
    return Invalid(kName, "min_timeout", o.min_timeout, "be finite and not negative");
  }
  if (Computes(o) && o.min_timeout > o.timeout) {
    return Invalid(
        kName, "min_timeout", o.min_timeout,
        absl::StrCat("not be above timeout, which is ", absl::FormatDuration(o.timeout)));
  }
  if (!Computes(o) && o.timeout == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        "AttemptTimeout bounds nothing; set timeout, share, share_among or quantile");
  }
  return absl::OkStatus();
}

// Of the simple form.
absl::Status CheckFixed(absl::Duration timeout) {
  if (timeout > absl::ZeroDuration() && timeout < absl::InfiniteDuration()) {
    return absl::OkStatus();
  }
  return Invalid(kName, "timeout", timeout, "be positive and finite");
}

AttemptTimeoutOptions Fixed(absl::Duration timeout) {
  return {.timeout = timeout, .round_trips = 0};
}

// The options, in nanoseconds, with the quantile that belongs to their factor.
struct Config {
  // `before`: whose quantile goes on where it is the same; may be null.
  Config(const AttemptTimeoutOptions& o, const Config* before)
      : options(o),
        timeout(std::max<int64_t>(1, ToNanos(o.timeout))),
        min_timeout(ToNanos(o.min_timeout)),
        computes(Computes(o)),
        fixed(!computes && o.round_trips == 0) {
    if (o.quantile == 0) return;
    const bool same = before != nullptr && before->options.quantile == o.quantile;
    recent = same ? before->recent : std::make_shared<RecentQuantile>(o.quantile);
  }

  // What remains until the call's deadline, shared out.
  int64_t Share(const View& view) const {
    if (view.deadline.is_never()) return kNone;
    const int64_t left = std::max<int64_t>(0, NanosBetween(view.now, view.deadline.instant()));
    int64_t shortest = kNone;
    if (options.share != 0) shortest = Scaled(left, options.share);
    if (options.share_among != 0) {
      shortest = std::min(shortest, left / std::max(1, options.share_among - view.attempts));
    }
    return shortest;
  }

  AttemptTimeoutOptions options;
  int64_t timeout;
  int64_t min_timeout;
  bool computes;
  bool fixed;  // it is the timeout, whatever happens
  // Null without a quantile. A cache and a clockwork of slices: asking fills and turns them.
  std::shared_ptr<RecentQuantile> recent;
};

// Safe between threads.
class Timeouts final : public AttemptTimeoutPolicy {
 public:
  Timeouts(const AttemptTimeoutOptions& options, absl::Status check)
      : AttemptTimeoutPolicy(
            {.name = kName, .capabilities = CapabilitiesFor(options), .rank = Rank::kTimeout}),
        check_(std::move(check)),
        config_(Config(check_.ok() ? options : Fixed(absl::Seconds(1)), nullptr)) {
    if (options.quantile != 0) window_ = std::make_unique<LatencyWindow>(Of(options));
  }

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return config_.word(); }
  Proposal Propose(const View& view) const override;
  void Settle(Token token, const Outcome& outcome) override;

  Snapshot snapshot() const override;
  absl::Status Reconfigure(const AttemptTimeoutOptions& options) override;
  void Describe(Description& description) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

 private:
  static uint32_t CapabilitiesFor(const AttemptTimeoutOptions& o) {
    const bool learns = o.quantile != 0 || o.round_trips != 0;
    return kProposes | kReconfigures | (learns ? kSettles : 0u);
  }
  static LatencyWindow::Options Of(const AttemptTimeoutOptions& o) {
    return {.length = o.window, .min_samples = o.min_samples};
  }
  bool learns() const { return (traits().capabilities & kSettles) != 0; }

  // What is computed from the quantile, if it is known, and the bounds on it.
  int64_t Learnt(const Config& config, std::optional<int64_t> latency) const {
    return latency ? Scaled(*latency, config.options.factor) : kNone;
  }
  int64_t Bounded(const Config& config, int64_t computed) const;

  const absl::Status check_;
  internal::Configuration<Config> config_;
  internal::StdMutex mu_;                  // of those who reconfigure
  std::unique_ptr<LatencyWindow> window_;  // where there is a quantile
  internal::RecentMinimum round_trip_{kRoundTripSlice};
};

uint64_t Timeouts::Fingerprint() const {
  const AttemptTimeoutOptions& o = config_.current().options;
  return internal::ConfigHash(kName)
      .Add(o.timeout)
      .Add(o.share)
      .Add(static_cast<uint64_t>(o.share_among))
      .Add(o.quantile)
      .Add(o.factor)
      .Add(o.window)
      .Add(static_cast<uint64_t>(o.min_samples))
      .Add(o.min_timeout)
      .Add(o.round_trips)
      .hash();
}

int64_t Timeouts::Bounded(const Config& config, int64_t computed) const {
  const int64_t shortest = std::min(config.timeout, std::max(computed, config.min_timeout));
  if (config.options.round_trips == 0) return shortest;
  const int64_t round_trip = round_trip_.Get();
  if (round_trip == 0) return shortest;
  return std::max(shortest, Scaled(round_trip, config.options.round_trips));
}

Proposal Timeouts::Propose(const View& view) const {
  const Config& config = config_.Of(view.config);
  if (config.fixed) return {.attempt_timeout_nanos = config.timeout};
  int64_t computed = kNone;
  if (config.computes) {
    computed = config.Share(view);
    if (config.recent != nullptr) {
      computed = std::min(computed, Learnt(config, config.recent->Get(*window_, view.now)));
    }
  }
  return {.attempt_timeout_nanos = Bounded(config, computed)};
}

void Timeouts::Settle(Token, const Outcome& outcome) {
  if (outcome.aborted) return;
  if (outcome.connect_nanos > 0) round_trip_.Add(outcome.connect_nanos, outcome.ended);
  if (window_ != nullptr && outcome.ok()) {
    window_->Add(NanosBetween(outcome.started, outcome.ended), outcome.ended);
  }
}

AttemptTimeoutPolicy::Snapshot Timeouts::snapshot() const {
  const Config& config = config_.current();
  Snapshot s;
  std::optional<int64_t> latency;
  if (config.recent != nullptr) {
    latency = config.recent->latest();
    if (latency) s.latency = absl::Nanoseconds(*latency);
    s.samples = window_->samples();
  }
  if (const int64_t nanos = round_trip_.Get(); nanos != 0) s.round_trip = absl::Nanoseconds(nanos);
  const int64_t timeout = Bounded(config, Learnt(config, latency));
  if (timeout != kNone) s.timeout = absl::Nanoseconds(timeout);
  return s;
}

absl::Status Timeouts::Reconfigure(const AttemptTimeoutOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  if (options.quantile != 0 && window_ == nullptr) {
    return Invalid(kName, "quantile", options.quantile, "be 0 where the policy was made without");
  }
  if (options.round_trips != 0 && !learns()) {
    return Invalid(kName, "round_trips", options.round_trips,
                   "be 0 where the policy was made without");
  }
  const internal::StdMutexLock lock(mu_);
  if (window_ != nullptr) window_->Change(Of(options));
  config_.Replace(Config(options, &config_.current()));
  return absl::OkStatus();
}

void Timeouts::Describe(Description& d) const {
  const AttemptTimeoutOptions& o = config_.current().options;
  std::vector<std::string> shortest;
  if (o.timeout < absl::InfiniteDuration()) shortest.push_back(absl::FormatDuration(o.timeout));
  if (o.share != 0) {
    shortest.push_back(absl::StrCat(o.share * 100, "% of what remains until the deadline"));
  }
  if (o.share_among != 0) {
    shortest.push_back(
        absl::StrCat("an even share of what remains among ", o.share_among, " attempts"));
  }
  if (o.quantile != 0) {
    shortest.push_back(absl::StrCat(o.factor, " times what ", o.quantile * 100,
                                    "% of the latest successes took at most"));
  }
  d.does.push_back(absl::StrCat("gives each attempt ",
                                shortest.size() > 1 ? "the shortest of " : "",
                                absl::StrJoin(shortest, ", ")));
  if (Computes(o)) {
    d.does.push_back(absl::StrCat("computes nothing below ", absl::FormatDuration(o.min_timeout)));
  }
  if (o.round_trips != 0) {
    d.does.push_back(absl::StrCat("gives no attempt less than ", o.round_trips, " round trips"));
  }
  const int64_t floor = o.round_trips != 0 ? Scaled(round_trip_.Get(), o.round_trips) : 0;
  d.attempt_timeout = std::max(o.timeout, absl::Nanoseconds(floor));
  if (o.share != 0) d.attempt_share = o.share;
  d.bounds_attempts = true;
  if (o.quantile != 0) d.shares = "the latencies that it has seen";
  if (floor > ToNanos(o.timeout)) {
    d.warnings.push_back(absl::StrCat("AttemptTimeout.timeout is ", absl::FormatDuration(o.timeout),
                                      ", but ", o.round_trips, " round trips to the server take ",
                                      absl::FormatDuration(absl::Nanoseconds(floor)),
                                      ", which it gives instead."));
  }
}

void Timeouts::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot s = snapshot();
  visit({.name = "timeout_seconds", .value = absl::ToDoubleSeconds(s.timeout)});
  if (window_ != nullptr) {
    visit({.name = "latency_seconds",
           .value = s.latency ? absl::ToDoubleSeconds(*s.latency)
                              : std::numeric_limits<double>::quiet_NaN()});
    visit({.name = "latency_samples", .value = static_cast<double>(s.samples)});
  }
  if (learns()) {
    visit({.name = "round_trip_seconds",
           .value = s.round_trip ? absl::ToDoubleSeconds(*s.round_trip)
                                 : std::numeric_limits<double>::quiet_NaN()});
  }
}

}  // namespace

std::shared_ptr<AttemptTimeoutPolicy> AttemptTimeout(absl::Duration timeout) {
  return std::make_shared<Timeouts>(Fixed(timeout), CheckFixed(timeout));
}

std::shared_ptr<AttemptTimeoutPolicy> AttemptTimeout(const AttemptTimeoutOptions& options) {
  return std::make_shared<Timeouts>(options, Check(options));
}

}  // namespace redial
