// Metrics: counts calls and attempts, what became of them and how long they took. It changes nothing.
//
//   auto metrics = redial::Metrics();  // share it: one for all clients that are counted together
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), metrics});
//   const auto counts = metrics->snapshot();
//   std::cout << counts.calls.total() << " calls, " << counts.retries.total() << " retries\n";
//   if (auto p99 = counts.ok_calls.Quantile(0.99)) std::cout << "99 % within " << *p99 << '\n';
//
// For Prometheus, redial/prometheus.h exposes it, and redial/metrics_sink.h hands it to any other system;
// docs/metrics.md lists the names.
//
// Safe between threads, and exact: each processor counts in a place of its own, and `snapshot` adds
// them up. Calls that end while it does may be in some of its figures and not yet in others. A
// success takes no lock; a call that a policy refused does.
#ifndef REDIAL_POLICIES_METRICS_H_
#define REDIAL_POLICIES_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"
#include "redial/reason.h"

namespace redial {

struct MetricsOptions {
  // The upper bounds of the histograms' buckets, inclusive, from 1 to 30 of them: positive, finite and
  // ascending. Another bucket holds what is longer than all. The default has three steps a decade from
  // 100 us, which a cache next door needs, to 30 s, which is longer than most deadlines.
  std::vector<absl::Duration> buckets = DefaultBuckets();

  // 100us 250us 500us 1ms 2.5ms 5ms 10ms 25ms 50ms 100ms 250ms 500ms 1s 2.5s 5s 10s 30s
  REDIAL_EXPORT static std::vector<absl::Duration> DefaultBuckets();
};

// How many took how long.
struct LatencyHistogram {
  std::vector<absl::Duration> bounds;  // as in the options
  std::vector<int64_t> counts;         // one more: the last is of what is longer than all bounds
  absl::Duration sum;

  REDIAL_EXPORT int64_t count() const;
  // What a share `q` (0 to 1) of them didn't exceed, by the rule of Prometheus's histogram_quantile:
  // as if each bucket were filled evenly; the last bound, if it is longer than all. nullopt where
  // there are none.
  REDIAL_EXPORT std::optional<absl::Duration> Quantile(double q) const;
};

// How many came to what.
struct ResultCounts {
  static constexpr size_t kCodes = 17;    // of absl::StatusCode
  std::array<int64_t, kCodes> by_code{};  // OK: without those of the next line
  int64_t failed_results = 0;             // a value that a policy counts as a failure
  int64_t aborted = 0;  // of attempts: the call was over before they were, which proves nothing

  int64_t of(absl::StatusCode code) const { return by_code[static_cast<size_t>(code)]; }
  REDIAL_EXPORT int64_t total() const;
};

class REDIAL_EXPORT MetricsPolicy : public Policy {
 public:
  using Policy::Policy;

  // Since it was made.
  struct Snapshot {
    // Calls that are over, by the code that their caller saw, UNKNOWN where an exception left the call;
    // and attempts that have returned.
    ResultCounts calls;
    ResultCounts attempts;
    // How long they took: calls with all their attempts, pauses and queues. Failed calls include those
    // that were refused before their first attempt; aborted attempts are in neither.
    LatencyHistogram ok_calls;
    LatencyHistogram failed_calls;
    LatencyHistogram ok_attempts;
    LatencyHistogram failed_attempts;
    // Retries that were launched and have returned, by the failure that they followed; hedges likewise.
    ResultCounts retries;
    int64_t hedges = 0;
    // Calls that failed, by the reason why there were no more attempts; those that an exception left
    // are under Reason::kNone.
    std::array<int64_t, kReasonCount> failed_calls_by_reason{};
    // Calls that ended because a policy refused another attempt, or the first: by its name, in
    // alphabetical order. Where several refused at once, under each.
    struct Refusals {
      std::string policy;
      int64_t calls = 0;
    };
    std::vector<Refusals> refusals;
    // How many calls had so many attempts, hedges included, from 0 to 8; the last is of those with
    // more.
    static constexpr size_t kMostAttempts = 8;
    std::array<int64_t, kMostAttempts + 2> calls_by_attempts{};
    int64_t attempts_of_calls = 0;  // of all calls together
  };
  virtual Snapshot snapshot() const = 0;

  // `policy` as what it is, if `Metrics` made it; else null.
  static const MetricsPolicy* Of(const Policy& policy);
};

// kInvalidArgument when it joins a set: buckets that aren't positive, finite and ascending, none, or
// more than 30.
REDIAL_EXPORT std::shared_ptr<MetricsPolicy> Metrics(MetricsOptions options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_METRICS_H_
