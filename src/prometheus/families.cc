// Of results, those that have occurred are exposed, and OK; the histograms' counts are there from the
// first scrape on, so that a rate of failures has something to begin with.
#include "src/prometheus/families.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "redial/reason.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric::Histogram ToHistogram(const LatencyHistogram& latency) {
  ClientMetric::Histogram histogram;
  uint64_t below = 0;
  for (size_t i = 0; i < latency.counts.size(); ++i) {
    below += static_cast<uint64_t>(latency.counts[i]);
    const bool last = i == latency.bounds.size();
    histogram.bucket.push_back({.cumulative_count = below,
                                .upper_bound = last ? std::numeric_limits<double>::infinity()
                                                    : absl::ToDoubleSeconds(latency.bounds[i])});
  }
  histogram.sample_count = below;
  histogram.sample_sum = absl::ToDoubleSeconds(latency.sum);
  return histogram;
}

}  // namespace

ClientMetric& Families::Series(std::string_view name, std::string_view help, MetricType type,
                               const PrometheusLabels& labels) {
  auto it = families_.find(name);
  if (it == families_.end()) {
    MetricFamily family;
    family.name = std::string(name);
    family.help = std::string(help);
    family.type = type;
    it = families_.emplace(std::string(name), std::move(family)).first;
  }
  ClientMetric& series = it->second.metric.emplace_back();
  for (const auto& [label, value] : labels) series.label.push_back({label, value});
  return series;
}

void Families::AddCounter(std::string_view name, std::string_view help, PrometheusLabels labels,
                          std::string_view label, std::string_view value, double count) {
  if (!label.empty()) labels.emplace(label, value);
  Series(name, help, MetricType::Counter, labels).counter.value = count;
}

void Families::AddResults(std::string_view name, std::string_view help, std::string_view label,
                          const ResultCounts& results, const PrometheusLabels& labels) {
  const auto add = [&](std::string_view value, int64_t n, bool always) {
    if (n > 0 || always) AddCounter(name, help, labels, label, value, static_cast<double>(n));
  };
  for (size_t i = 0; i < ResultCounts::kCodes; ++i) {
    const auto code = static_cast<absl::StatusCode>(i);
    const std::string text = absl::StatusCodeToString(code);
    add(text, results.by_code[i], label == "result" && code == absl::StatusCode::kOk);
  }
  add("failed_result", results.failed_results, false);
  add("aborted", results.aborted, false);
}

void Families::AddLatency(std::string_view name, std::string_view help, const LatencyHistogram& ok,
                          const LatencyHistogram& failed, const PrometheusLabels& labels) {
  for (const bool is_ok : {true, false}) {
    PrometheusLabels all = labels;
    all.emplace("outcome", is_ok ? "ok" : "failed");
    Series(name, help, MetricType::Histogram, all).histogram = ToHistogram(is_ok ? ok : failed);
  }
}

void Families::AddCallAttempts(const MetricsPolicy::Snapshot& counts,
                               const PrometheusLabels& labels) {
  ClientMetric::Histogram histogram;
  uint64_t below = 0;
  for (size_t i = 0; i < counts.calls_by_attempts.size(); ++i) {
    below += static_cast<uint64_t>(counts.calls_by_attempts[i]);
    const bool last = i + 1 == counts.calls_by_attempts.size();
    histogram.bucket.push_back(
        {.cumulative_count = below,
         .upper_bound = last ? std::numeric_limits<double>::infinity() : static_cast<double>(i)});
  }
  histogram.sample_count = below;
  histogram.sample_sum = static_cast<double>(counts.attempts_of_calls);
  Series("redial_call_attempts", "Attempts of each call, hedges included.", MetricType::Histogram,
         labels)
      .histogram = std::move(histogram);
}

void Families::AddCounts(const MetricsPolicy::Snapshot& counts, const PrometheusLabels& labels) {
  AddResults("redial_calls_total", "Calls that are over, by the status code their caller saw.",
             "result", counts.calls, labels);
  AddResults("redial_attempts_total", "Attempts that have returned, by status code.", "result",
             counts.attempts, labels);
  AddLatency("redial_call_duration_seconds",
             "How long calls took, with all their attempts, pauses and queues.", counts.ok_calls,
             counts.failed_calls, labels);
  AddLatency("redial_attempt_duration_seconds",
             "How long attempts took; those that were aborted are left out.", counts.ok_attempts,
             counts.failed_attempts, labels);
  AddCallAttempts(counts, labels);
  AddResults("redial_retries_total", "Retries, by the status code of the failure they followed.",
             "reason", counts.retries, labels);
  AddCounter("redial_hedges_total", "Attempts that were started beside another.", labels, "", "",
             static_cast<double>(counts.hedges));
  for (size_t i = 0; i < counts.failed_calls_by_reason.size(); ++i) {
    const int64_t calls = counts.failed_calls_by_reason[i];
    if (calls == 0) continue;
    AddCounter("redial_failed_calls_total",
               "Calls that failed, by the reason why there were no more attempts.", labels, "why",
               ReasonName(static_cast<Reason>(i)), static_cast<double>(calls));
  }
  for (const MetricsPolicy::Snapshot::Refusals& refusals : counts.refusals) {
    AddCounter("redial_refusals_total",
               "Calls that ended because a policy refused another attempt, or the first.", labels,
               "policy", refusals.policy, static_cast<double>(refusals.calls));
  }
}

void Families::AddGauge(const Policy& policy, const Gauge& gauge, PrometheusLabels labels) {
  std::string name = absl::StrCat("redial_", SnakeCase(policy.name()), "_", SnakeCase(gauge.name));
  if (gauge.counts_up && !name.ends_with("_total")) name += "_total";
  const std::string help =
      absl::StrCat("Of a ", ToAbsl(policy.name()),
                   " policy: ", absl::StrReplaceAll(ToAbsl(gauge.name), {{"_", " "}}),
                   gauge.state.empty() ? "" : ", 1 for the one that it is in", ".");
  if (!gauge.state.empty()) labels.emplace("state", gauge.state);
  const MetricType type = gauge.counts_up ? MetricType::Counter : MetricType::Gauge;
  ClientMetric& series = Series(name, help, type, labels);
  (gauge.counts_up ? series.counter.value : series.gauge.value) = gauge.value;
}

void Families::Add(const Policy& policy, const PrometheusLabels& labels) {
  if (const MetricsPolicy* metrics = MetricsPolicy::Of(policy)) {
    AddCounts(metrics->snapshot(), labels);
    return;
  }
  policy.Measure([&](const Gauge& gauge) { AddGauge(policy, gauge, labels); });
}

std::vector<MetricFamily> Families::Take() {
  std::vector<MetricFamily> taken;
  taken.reserve(families_.size());
  for (auto& [name, family] : families_) taken.push_back(std::move(family));
  families_.clear();
  return taken;
}

}  // namespace redial::internal
