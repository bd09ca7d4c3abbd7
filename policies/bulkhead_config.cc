#include "policies/bulkhead_config.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "policies/config_hash.h"
#include "policies/invalid.h"
#include "redial/time.h"
#include "src/core/mix.h"

namespace redial::internal {
namespace {

using Counts = BulkheadOptions::Counts;
using Order = BulkheadOptions::Order;

constexpr int kMost = 1'000'000;

}  // namespace

absl::Status CheckBulkhead(const BulkheadOptions& o) {
  if (o.max_concurrent < 1 || o.max_concurrent > kMost) {
    return Invalid(kBulkheadName, "max_concurrent", absl::StrCat(o.max_concurrent),
                   absl::StrCat("be from 1 to ", kMost));
  }
  if (o.max_queue < 0 || o.max_queue > kMost) {
    return Invalid(kBulkheadName, "max_queue", absl::StrCat(o.max_queue),
                   absl::StrCat("be from 0 to ", kMost));
  }
  if (o.max_wait <= absl::ZeroDuration()) {
    return Invalid(kBulkheadName, "max_wait", o.max_wait,
                   "be positive; for no wait at all, max_queue is 0");
  }
  if (o.target_delay <= absl::ZeroDuration()) {
    return Invalid(kBulkheadName, "target_delay", o.target_delay, "be positive");
  }
  if (o.target_interval <= absl::ZeroDuration() || o.target_interval == absl::InfiniteDuration()) {
    return Invalid(kBulkheadName, "target_interval", o.target_interval, "be positive and finite");
  }
  return absl::OkStatus();
}

BulkheadConfig::BulkheadConfig(const BulkheadOptions& o)
    : options(o),
      max_queue(static_cast<size_t>(o.max_queue)),
      max_wait(ToNanos(o.max_wait)),
      codel{.target_nanos = ToNanos(o.target_delay), .interval_nanos = ToNanos(o.target_interval)} {
}

uint64_t BulkheadConfig::Fingerprint() const {
  const BulkheadOptions& o = options;
  return ConfigHash(kBulkheadName)
      .Add(HashName(o.label))
      .Add(static_cast<uint64_t>(o.counts))
      .Add(static_cast<uint64_t>(o.max_concurrent))
      .Add(static_cast<uint64_t>(o.max_queue))
      .Add(static_cast<uint64_t>(o.order))
      .Add(o.max_wait)
      .Add(o.target_delay)
      .Add(o.target_interval)
      .hash();
}

void BulkheadConfig::Describe(Description& d) const {
  const BulkheadOptions& o = options;
  const bool calls = o.counts == Counts::kCalls;
  const bool judges_waits = o.max_queue > 0 && o.target_delay < absl::InfiniteDuration();
  d.does.push_back(absl::StrCat("lets at most ", o.max_concurrent, calls ? " call" : " attempt",
                                o.max_concurrent == 1 ? "" : "s", " run at a time"));
  if (o.max_queue == 0) {
    d.does.emplace_back("refuses whoever finds no permit");
  } else {
    d.does.push_back(
        absl::StrCat("lets up to ", o.max_queue, " more wait",
                     o.max_wait < absl::InfiniteDuration()
                         ? absl::StrCat(", each at most ", absl::FormatDuration(o.max_wait))
                         : std::string(),
                     ", the higher priority first, then the oldest"));
    d.queueing = o.max_wait;
  }
  if (judges_waits) {
    d.does.push_back(
        absl::StrCat("after ", absl::FormatDuration(o.target_interval),
                     " in which everyone waited longer than ", absl::FormatDuration(o.target_delay),
                     ", refuses whoever has waited ", absl::FormatDuration(2 * o.target_delay),
                     o.order == Order::kLifoUnderOverload ? " and serves the newest first" : ""));
  }
  d.shares = "its permits and its line";
  if (judges_waits && o.max_wait <= 2 * o.target_delay) {
    d.warnings.push_back(absl::StrCat("Bulkhead.target_delay does nothing: at most ",
                                      absl::FormatDuration(o.max_wait),
                                      " is waited, and only twice the target is too long."));
  }
}

}  // namespace redial::internal
