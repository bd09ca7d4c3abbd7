// The metric families of one scrape, in the making: each number that is written joins the family of its
// name.
//
//   Families families;
//   WriteMetrics(*policy, families, labels);
//   return families.Take();
//
// Not shared between threads.
#ifndef REDIAL_SRC_PROMETHEUS_FAMILIES_H_
#define REDIAL_SRC_PROMETHEUS_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "redial/metrics_sink.h"

namespace redial::internal {

class Families final : public MetricsSink {
 public:
  void Write(const Metric& metric) override;
  // By name.
  std::vector<prometheus::MetricFamily> Take();

 private:
  // Of its name; the first one says of which type.
  prometheus::MetricFamily& FamilyOf(const Metric& metric);

  std::map<std::string, prometheus::MetricFamily, std::less<>> families_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_PROMETHEUS_FAMILIES_H_
