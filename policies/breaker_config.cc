#include "policies/breaker_config.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "policies/invalid.h"
#include "policies/overload.h"
#include "policies/probes.h"
#include "redial/policies/retry.h"
#include "redial/time.h"
#include "src/core/format.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

absl::Status Bad(std::string_view field, std::string_view value, std::string_view must) {
  return Invalid(kBreakerName, field, value, must);
}

absl::Status CheckRatio(std::string_view field, double ratio) {
  if (ratio > 0 && ratio <= 1) return absl::OkStatus();
  return Invalid(kBreakerName, field, ratio, "be above 0 and at most 1");
}

absl::Status CheckPositive(std::string_view field, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return Invalid(kBreakerName, field, value, "be positive");
}

// Opening happens under the breaker's lock, where no user code may run.
absl::Status CheckOpenTime(const Backoff& time) {
  if (!time.function) return absl::OkStatus();
  return Bad("open_time.function", "a function", "be empty: a breaker opens under its lock");
}

absl::Status CheckWindow(const CircuitBreakerOptions& o) {
  const bool is_time = o.window.kind == BreakerWindow::Kind::kTime;
  if (is_time) {
    if (absl::Status status = CheckPositive("window.length", o.window.length); !status.ok()) {
      return status;
    }
  } else if (o.window.count < 1 || o.window.count > 1'000'000) {
    return Bad("window.count", ToStd(absl::StrCat(o.window.count)), "be from 1 to 1000000");
  }
  if (o.minimum_throughput < 1) {
    return Bad("minimum_throughput", ToStd(absl::StrCat(o.minimum_throughput)), "be at least 1");
  }
  if (o.window.kind == BreakerWindow::Kind::kCount && o.minimum_throughput > o.window.count) {
    return Bad("minimum_throughput", ToStd(absl::StrCat(o.minimum_throughput)),
               ToStd(absl::StrCat("not be above window.count, which is ", o.window.count)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckBreaker(const CircuitBreakerOptions& o) {
  for (const absl::Status& status :
       {CheckWindow(o), CheckRatio("failure_ratio", o.failure_ratio),
        CheckRatio("slow_ratio", o.slow_ratio), CheckPositive("slow_after", o.slow_after),
        CheckPositive("probe_lease", o.probe_lease), CheckOpenTime(o.open_time),
        CheckPositive("open_time.base", o.open_time.base),
        o.open_time.Validate(kBreakerName, "open_time")}) {
    if (!status.ok()) return status;
  }
  if (o.consecutive_failures < 0) {
    return Bad("consecutive_failures", ToStd(absl::StrCat(o.consecutive_failures)),
               "not be negative");
  }
  if (o.probes < 1 || o.probes > Probes::kMost) {
    return Bad("probes", ToStd(absl::StrCat(o.probes)),
               ToStd(absl::StrCat("be from 1 to ", Probes::kMost)));
  }
  return absl::OkStatus();
}

BreakerConfig::BreakerConfig(const CircuitBreakerOptions& o)
    : options(o),
      slow_after_nanos(ToNanos(o.slow_after)),
      has_predicates(static_cast<bool>(o.ignore_on) || static_cast<bool>(o.failure_on)) {}

bool BreakerConfig::CountsClosely(const Outcome& outcome, BreakerResult& result) const {
  if (outcome.aborted || (options.ignore_on && options.ignore_on(outcome))) return false;
  result.slow = IsSlow(outcome);
  if (options.failure_on) {
    result.failed = options.failure_on(outcome);
  } else if (!outcome.ok()) {
    if (IsOfThisHost(outcome.error)) return false;
    result.failed = outcome.failed_result || IsTransient(outcome);
  }
  // What the server never saw says nothing of it, unless it is to blame for that.
  return result.failed || outcome.ok() || outcome.sent != Sent::kNo;
}

uint64_t BreakerConfig::Fingerprint() const {
  const CircuitBreakerOptions& o = options;
  return ConfigHash(kBreakerName)
      .Add(HashName(o.label))
      .Add(static_cast<uint64_t>(o.counts))
      .Add(static_cast<uint64_t>(o.window.kind))
      .Add(static_cast<uint64_t>(o.window.count))
      .Add(o.window.length)
      .Add(o.failure_ratio)
      .Add(static_cast<uint64_t>(o.minimum_throughput))
      .Add(static_cast<uint64_t>(o.consecutive_failures))
      .Add(o.slow_after)
      .Add(o.slow_ratio)
      .Add(o.open_time.base)
      .Add(o.open_time.multiplier)
      .Add(o.open_time.cap)
      .Add(static_cast<uint64_t>(o.probes))
      .Add(o.probe_lease)
      .hash();
}

void BreakerConfig::Describe(Description& description) const {
  const CircuitBreakerOptions& o = options;
  const std::string_view what =
      o.counts == CircuitBreakerOptions::Counts::kCalls ? "calls" : "attempts";
  std::string window = absl::StrCat("the latest ", o.window.count, " ", ToAbsl(what));
  if (o.window.kind == BreakerWindow::Kind::kTime) {
    window =
        absl::StrCat("the ", ToAbsl(what), " of the last ", absl::FormatDuration(o.window.length));
  } else if (o.window.kind == BreakerWindow::Kind::kMovingAverage) {
    window = absl::StrCat("a moving average over ", o.window.count, " ", ToAbsl(what));
  }
  std::string opens = absl::StrCat("opens when ", o.failure_ratio * 100, "% of ", window,
                                   " have failed (of at least ", o.minimum_throughput, ")");
  if (o.consecutive_failures > 0) {
    absl::StrAppend(&opens, ", or ", o.consecutive_failures, " in a row");
  }
  if (o.slow_after != absl::InfiniteDuration()) {
    absl::StrAppend(&opens, ", or ", o.slow_ratio * 100, "% took longer than ",
                    absl::FormatDuration(o.slow_after));
  }
  description.does.push_back(std::move(opens));
  if (o.failure_on) {
    description.does.push_back(absl::StrCat("takes for a failure: ", o.failure_on.ToString()));
  }
  if (o.ignore_on) {
    description.does.push_back(absl::StrCat("doesn't count: ", o.ignore_on.ToString()));
  }
  description.does.push_back(absl::StrCat("then refuses for ", o.open_time.ToString(),
                                          ", and tries with ",
                                          Count(static_cast<uint64_t>(o.probes), "probe")));
  description.shares = "its state and what it counted";
}

}  // namespace redial::internal
