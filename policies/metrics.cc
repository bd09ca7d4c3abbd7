// Theory of operation. Whatever succeeded is counted when the call ends (`Conclude`), its attempt
// included, since that is when all of it is known; attempts that failed or were aborted when they
// return (`Settle`). Nearly every call is over after one attempt that began with it, and then call
// and attempt took the same time: one bucket and one sum stand for both, and are added to both when
// somebody asks. So what such a call pays is two additions.
#include "redial/policies/metrics.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "policies/invalid.h"
#include "policies/latency_buckets.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/striped.h"

namespace redial {
namespace {

// An array of its own and not a literal, which the linker could merge with somebody else's: `Of` knows
// its policies by this address.
constexpr char kName[] = "Metrics";

using Counter = std::atomic<int64_t>;
using Snapshot = MetricsPolicy::Snapshot;

void Count(Counter& counter, int64_t n = 1) { counter.fetch_add(n, std::memory_order_relaxed); }

// Results in one row: the codes, and then those that have none.
constexpr size_t kFailedResult = ResultCounts::kCodes;
constexpr size_t kAborted = kFailedResult + 1;
constexpr size_t kResults = kAborted + 1;

size_t ResultOf(absl::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return index < ResultCounts::kCodes ? index : static_cast<size_t>(absl::StatusCode::kUnknown);
}
size_t ResultOf(const Outcome& outcome) {
  if (outcome.aborted) return kAborted;
  return outcome.failed_result ? kFailedResult : ResultOf(outcome.code);
}

struct HistogramCells {
  Counter sum{0};
  std::array<Counter, internal::LatencyBuckets::kMost + 1> counts{};

  void Add(size_t bucket, int64_t nanos) {
    Count(counts[bucket]);
    Count(sum, nanos);
  }
};

// Successes are in the histograms alone.
struct Cells {
  HistogramCells at_once;  // calls that were over after one attempt, with that attempt
  HistogramCells ok_calls, failed_calls, ok_attempts, failed_attempts;  // the others
  std::array<Counter, kResults> calls{}, attempts{}, retries{};
  Counter hedges{0};
  std::array<Counter, kReasonCount> reasons{};
  std::array<Counter, Snapshot::kMostAttempts + 2> by_attempts{};
  Counter attempts_of_calls{0};
};

LatencyHistogram Sum(LatencyHistogram a, const LatencyHistogram& b) {
  for (size_t i = 0; i < a.counts.size(); ++i) a.counts[i] += b.counts[i];
  a.sum += b.sum;
  return a;
}

std::vector<int64_t> Nanos(const std::vector<absl::Duration>& bounds) {
  std::vector<int64_t> nanos;
  nanos.reserve(bounds.size());
  for (const absl::Duration bound : bounds) nanos.push_back(ToNanos(bound));
  return nanos;
}

absl::Status Check(const MetricsOptions& options) {
  const std::vector<absl::Duration>& bounds = options.buckets;
  if (bounds.empty() || bounds.size() > internal::LatencyBuckets::kMost) {
    return absl::InvalidArgumentError(absl::StrCat("Metrics.buckets has ", bounds.size(),
                                                   " bounds; it must have from 1 to ",
                                                   internal::LatencyBuckets::kMost));
  }
  for (size_t i = 0; i < bounds.size(); ++i) {
    const std::string field = absl::StrCat("buckets[", i, "]");
    if (ToNanos(bounds[i]) <= 0 || bounds[i] == absl::InfiniteDuration()) {
      return internal::Invalid(kName, field, bounds[i], "be positive and finite");
    }
    if (i > 0 && ToNanos(bounds[i]) <= ToNanos(bounds[i - 1])) {
      return internal::Invalid(
          kName, field, bounds[i],
          absl::StrCat("be above the one before it, ", absl::FormatDuration(bounds[i - 1])));
    }
  }
  return absl::OkStatus();
}

// Safe between threads.
class Recorder final : public MetricsPolicy {
 public:
  explicit Recorder(MetricsOptions options)
      : MetricsPolicy({.name = {kName, sizeof kName - 1}, .capabilities = kSettles | kConcludes}),
        check_(Check(options)),
        bounds_(std::move(options.buckets)),
        buckets_(check_.ok() ? Nanos(bounds_) : std::vector<int64_t>()) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override {
    internal::ConfigHash hash(name());
    for (const absl::Duration bound : bounds_) hash.Add(bound);
    return hash.hash();
  }

  void Settle(Token, const Outcome& outcome) override {
    const bool ok = outcome.ok() && !outcome.aborted;
    if (!ok || outcome.kind != AttemptKind::kFirst) SettleClosely(outcome, ok);
  }
  void Conclude(const Conclusion& end) override {
    if (end.ok && end.attempts == 1 && end.outcome->started == end.began) [[likely]] {
      const int64_t nanos = NanosBetween(end.began, end.ended);
      cells_.Mine().at_once.Add(buckets_.IndexOf(nanos), nanos);
    } else {
      ConcludeClosely(end);
    }
  }

  MetricsPolicy::Snapshot snapshot() const override;
  void Describe(Description& description) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

 private:
  void Record(HistogramCells& histogram, Instant from, Instant to) const {
    const int64_t nanos = NanosBetween(from, to);
    histogram.Add(buckets_.IndexOf(nanos), nanos);
  }
  [[gnu::cold]] void SettleClosely(const Outcome& outcome, bool ok);
  [[gnu::cold]] void ConcludeClosely(const Conclusion& end);

  LatencyHistogram Gather(HistogramCells Cells::* histogram) const;
  ResultCounts Gather(std::array<Counter, kResults> Cells::* results, int64_t ok) const;

  const absl::Status check_;
  const std::vector<absl::Duration> bounds_;
  const internal::LatencyBuckets buckets_;
  internal::Striped<Cells> cells_;

  mutable internal::StdMutex mu_;
  // By name, which is of static storage.
  std::map<std::string_view, int64_t> refusals_ ABSL_GUARDED_BY(mu_);
};

void Recorder::SettleClosely(const Outcome& outcome, bool ok) {
  Cells& cells = cells_.Mine();
  if (outcome.kind == AttemptKind::kHedge) {
    Count(cells.hedges);
  } else if (outcome.kind == AttemptKind::kRetry) {
    const bool value = outcome.follows == absl::StatusCode::kOk;
    Count(cells.retries[value ? kFailedResult : ResultOf(outcome.follows)]);
  }
  if (ok) return;  // Conclude comes
  Count(cells.attempts[ResultOf(outcome)]);
  if (!outcome.aborted) Record(cells.failed_attempts, outcome.started, outcome.ended);
}

void Recorder::ConcludeClosely(const Conclusion& end) {
  Cells& cells = cells_.Mine();
  const auto attempts = static_cast<size_t>(end.attempts);
  Count(cells.by_attempts[std::min(attempts, Snapshot::kMostAttempts + 1)]);
  Count(cells.attempts_of_calls, end.attempts);
  if (end.ok) {
    Record(cells.ok_attempts, end.outcome->started, end.outcome->ended);
    Record(cells.ok_calls, end.began, end.ended);
    return;
  }
  Record(cells.failed_calls, end.began, end.ended);
  Count(cells.calls[end.code == absl::StatusCode::kOk ? kFailedResult : ResultOf(end.code)]);
  Count(cells.reasons[static_cast<size_t>(end.reason)]);
  if (end.refused_by.empty()) return;
  const internal::StdMutexLock lock(mu_);
  for (size_t i = 0; i < end.refused_by.size(); ++i) {
    // Two of one name are one refusal under it.
    const auto before = end.refused_by.first(i);
    if (std::find(before.begin(), before.end(), end.refused_by[i]) != before.end()) continue;
    ++refusals_[end.refused_by[i]];
  }
}

LatencyHistogram Recorder::Gather(HistogramCells Cells::* histogram) const {
  LatencyHistogram gathered;
  gathered.bounds = bounds_;
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    gathered.counts.push_back(
        cells_.Sum([&](const Cells& c) -> auto& { return (c.*histogram).counts[i]; }));
  }
  gathered.sum =
      absl::Nanoseconds(cells_.Sum([&](const Cells& c) -> auto& { return (c.*histogram).sum; }));
  return gathered;
}

ResultCounts Recorder::Gather(std::array<Counter, kResults> Cells::* results, int64_t ok) const {
  const auto sum = [&](size_t i) {
    return cells_.Sum([&](const Cells& c) -> auto& { return (c.*results)[i]; });
  };
  ResultCounts counts;
  for (size_t i = 0; i < ResultCounts::kCodes; ++i) counts.by_code[i] = sum(i);
  counts.by_code[static_cast<size_t>(absl::StatusCode::kOk)] += ok;
  counts.failed_results = sum(kFailedResult);
  counts.aborted = sum(kAborted);
  return counts;
}

MetricsPolicy::Snapshot Recorder::snapshot() const {
  Snapshot s;
  const LatencyHistogram at_once = Gather(&Cells::at_once);
  s.ok_calls = Sum(Gather(&Cells::ok_calls), at_once);
  s.failed_calls = Gather(&Cells::failed_calls);
  s.ok_attempts = Sum(Gather(&Cells::ok_attempts), at_once);
  s.failed_attempts = Gather(&Cells::failed_attempts);
  s.calls = Gather(&Cells::calls, s.ok_calls.count());
  s.attempts = Gather(&Cells::attempts, s.ok_attempts.count());
  s.retries = Gather(&Cells::retries, 0);
  s.hedges = cells_.Sum([](const Cells& c) -> auto& { return c.hedges; });
  for (size_t i = 0; i < s.failed_calls_by_reason.size(); ++i) {
    s.failed_calls_by_reason[i] = cells_.Sum([&](const Cells& c) -> auto& { return c.reasons[i]; });
  }
  for (size_t i = 0; i < s.calls_by_attempts.size(); ++i) {
    s.calls_by_attempts[i] = cells_.Sum([&](const Cells& c) -> auto& { return c.by_attempts[i]; });
  }
  s.calls_by_attempts[1] += at_once.count();
  s.attempts_of_calls =
      at_once.count() + cells_.Sum([](const Cells& c) -> auto& { return c.attempts_of_calls; });
  const internal::StdMutexLock lock(mu_);
  for (const auto& [policy, calls] : refusals_) {
    s.refusals.push_back({.policy = std::string(policy), .calls = calls});
  }
  return s;
}

void Recorder::Describe(Description& description) const {
  description.does.emplace_back(
      "counts calls, attempts, retries and refusals, and how long they took");
  description.shares = "its counts";
}

void Recorder::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot s = snapshot();
  const auto count = [&](std::string_view name, int64_t n) {
    visit({.name = name, .value = static_cast<double>(n), .counts_up = true});
  };
  count("calls", s.calls.total());
  count("failed_calls", s.failed_calls.count());
  count("attempts", s.attempts.total());
  count("retries", s.retries.total());
  count("hedges", s.hedges);
}

}  // namespace

std::vector<absl::Duration> MetricsOptions::DefaultBuckets() {
  return {absl::Microseconds(100), absl::Microseconds(250),  absl::Microseconds(500),
          absl::Milliseconds(1),   absl::Microseconds(2500), absl::Milliseconds(5),
          absl::Milliseconds(10),  absl::Milliseconds(25),   absl::Milliseconds(50),
          absl::Milliseconds(100), absl::Milliseconds(250),  absl::Milliseconds(500),
          absl::Seconds(1),        absl::Milliseconds(2500), absl::Seconds(5),
          absl::Seconds(10),       absl::Seconds(30)};
}

int64_t LatencyHistogram::count() const {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

std::optional<absl::Duration> LatencyHistogram::Quantile(double q) const {
  const int64_t total = count();
  if (total == 0 || std::isnan(q)) return std::nullopt;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  int64_t below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    const int64_t here = counts[i];
    if (here > 0 && static_cast<double>(below + here) >= rank) {
      const absl::Duration lower = i == 0 ? absl::ZeroDuration() : bounds[i - 1];
      const double share = (rank - static_cast<double>(below)) / static_cast<double>(here);
      return lower + (bounds[i] - lower) * share;
    }
    below += here;
  }
  return bounds.back();
}

int64_t ResultCounts::total() const {
  return std::accumulate(by_code.begin(), by_code.end(), failed_results + aborted);
}

const MetricsPolicy* MetricsPolicy::Of(const Policy& policy) {
  return policy.name().data() == kName ? static_cast<const MetricsPolicy*>(&policy) : nullptr;
}

std::shared_ptr<MetricsPolicy> Metrics(MetricsOptions options) {
  return std::make_shared<Recorder>(std::move(options));
}

}  // namespace redial
