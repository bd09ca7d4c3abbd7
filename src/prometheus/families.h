// The metric families of one scrape, in the making: the numbers of one policy after another, each in the
// family of its name.
//
//   Families families;
//   families.Add(*policy, {{"client", "cache"}});
//   return families.Take();
//
// Not shared between threads.
#ifndef REDIAL_SRC_PROMETHEUS_FAMILIES_H_
#define REDIAL_SRC_PROMETHEUS_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "redial/policies/metrics.h"
#include "redial/policy.h"
#include "src/prometheus/names.h"

namespace redial::internal {

class Families {
 public:
  // `labels` tell the policy apart from all others that were added.
  void Add(const Policy& policy, const PrometheusLabels& labels);
  // By name.
  std::vector<prometheus::MetricFamily> Take();

 private:
  void AddCounts(const MetricsPolicy::Snapshot& counts, const PrometheusLabels& labels);
  void AddResults(std::string_view name, std::string_view help, std::string_view label,
                  const ResultCounts& results, const PrometheusLabels& labels);
  void AddLatency(std::string_view name, std::string_view help, const LatencyHistogram& ok,
                  const LatencyHistogram& failed, const PrometheusLabels& labels);
  void AddCallAttempts(const MetricsPolicy::Snapshot& counts, const PrometheusLabels& labels);
  void AddGauge(const Policy& policy, const Gauge& gauge, PrometheusLabels labels);

  // A new series of the family of that name.
  prometheus::ClientMetric& Series(std::string_view name, std::string_view help,
                                   prometheus::MetricType type, const PrometheusLabels& labels);
  void AddCounter(std::string_view name, std::string_view help, PrometheusLabels labels,
                  std::string_view label, std::string_view value, double count);

  std::map<std::string, prometheus::MetricFamily, std::less<>> families_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_PROMETHEUS_FAMILIES_H_
