// MetricsSink: where the numbers go that `Metrics` counts and that all other policies tell of their
// state, for whatever monitoring there is. redial/prometheus.h is one for Prometheus.
//
//   class ToLog final : public redial::MetricsSink {
//     void Write(const redial::Metric& metric) override {
//       if (metric.type == redial::Metric::Type::kHistogram) return;
//       std::clog << metric.name;
//       for (const auto& label : metric.labels) std::clog << ' ' << label.name << '=' << label.value;
//       std::clog << ' ' << metric.value << '\n';
//     }
//   };
//
//   ToLog log;
//   redial::WriteMetrics(client->policies(), log);  // now; as often as you want to know
//
// docs/metrics.md lists names and labels. Sinks are called on the thread that asks for the numbers, outside
// every lock; `WriteMetrics` is safe between threads, and a sink that two of them write to must be, too.
#ifndef REDIAL_METRICS_SINK_H_
#define REDIAL_METRICS_SINK_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "redial/export.h"
#include "redial/policy_set.h"

namespace redial {

struct MetricLabel {
  std::string_view name;
  std::string_view value;
};

// One number, or one histogram. What it points to lives until `Write` has returned.
struct Metric {
  enum class Type : uint8_t {
    kCounter,    // `value`, which counts up since the policy was made, and never falls
    kGauge,      // `value`, as it is now
    kHistogram,  // `bounds`, `counts` and `sum`, since the policy was made
  };
  std::string_view name;  // by Prometheus's conventions, in base units: "redial_calls_total"
  std::string_view help;  // in a sentence
  Type type = Type::kGauge;
  absl::Span<const MetricLabel> labels = {};
  double value = 0;  // of a gauge also NaN, for what isn't known yet, or infinite
  // Upper bounds, inclusive and ascending; how many are in each bucket, and above the last bound; and the
  // sum of all that was observed. (Not cumulative, as in OpenTelemetry's explicit buckets.)
  absl::Span<const double> bounds = {};
  absl::Span<const int64_t> counts = {};
  double sum = 0;
};

class REDIAL_EXPORT MetricsSink {
 public:
  MetricsSink() = default;
  MetricsSink(const MetricsSink&) = delete;
  MetricsSink& operator=(const MetricsSink&) = delete;
  virtual ~MetricsSink();
  virtual void Write(const Metric& metric) = 0;
};

// Every number of these policies. A policy that has a label shows it as `label`; two that nothing else
// tells apart are numbered (`number` is 2), within a set in an order of its own. Allocates. What `sink`
// throws goes through.
REDIAL_EXPORT void WriteMetrics(const PolicySet& policies, MetricsSink& sink);

struct LabelledPolicies {
  PolicySet policies;
  // Any but `label`, `le`, `number`, `outcome`, `policy`, `quantile`, `reason`, `result`, `state` and `why`,
  // which would then be there twice. Not checked.
  std::map<std::string, std::string> labels;
};
// The same of several clients. A policy that they share is written once, or sums would count it twice,
// with the labels that all of these have in common.
REDIAL_EXPORT void WriteMetrics(absl::Span<const LabelledPolicies> clients, MetricsSink& sink);

}  // namespace redial

#endif  // REDIAL_METRICS_SINK_H_
