#include "src/prometheus/families.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace redial::internal {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricType TypeOf(Metric::Type type) {
  switch (type) {
    case Metric::Type::kCounter:
      return MetricType::Counter;
    case Metric::Type::kGauge:
      return MetricType::Gauge;
    case Metric::Type::kHistogram:
      return MetricType::Histogram;
  }
  return MetricType::Untyped;
}

// Prometheus's buckets are cumulative, and the last one's bound is infinite.
ClientMetric::Histogram ToHistogram(const Metric& metric) {
  ClientMetric::Histogram histogram;
  uint64_t below = 0;
  for (size_t i = 0; i < metric.counts.size(); ++i) {
    below += static_cast<uint64_t>(metric.counts[i]);
    const bool last = i == metric.bounds.size();
    histogram.bucket.push_back(
        {.cumulative_count = below,
         .upper_bound = last ? std::numeric_limits<double>::infinity() : metric.bounds[i]});
  }
  histogram.sample_count = below;
  histogram.sample_sum = metric.sum;
  return histogram;
}

}  // namespace

MetricFamily& Families::FamilyOf(const Metric& metric) {
  auto it = families_.find(metric.name);
  if (it == families_.end()) {
    MetricFamily family;
    family.name = std::string(metric.name);
    family.help = std::string(metric.help);
    family.type = TypeOf(metric.type);
    it = families_.emplace(family.name, std::move(family)).first;
  }
  return it->second;
}

void Families::Write(const Metric& metric) {
  ClientMetric& series = FamilyOf(metric).metric.emplace_back();
  for (const MetricLabel& label : metric.labels) {
    series.label.push_back({std::string(label.name), std::string(label.value)});
  }
  std::sort(series.label.begin(), series.label.end());
  switch (metric.type) {
    case Metric::Type::kCounter:
      series.counter.value = metric.value;
      break;
    case Metric::Type::kGauge:
      series.gauge.value = metric.value;
      break;
    case Metric::Type::kHistogram:
      series.histogram = ToHistogram(metric);
      break;
  }
}

std::vector<MetricFamily> Families::Take() {
  std::vector<MetricFamily> taken;
  taken.reserve(families_.size());
  for (auto& [name, family] : families_) taken.push_back(std::move(family));
  families_.clear();
  return taken;
}

}  // namespace redial::internal
