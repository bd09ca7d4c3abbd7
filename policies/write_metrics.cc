// Of results, those that have occurred are written, and OK; the histograms are there from the beginning,
// so that a rate of failures has something to begin with.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "redial/metrics_sink.h"
#include "redial/policies/metrics.h"
#include "redial/reason.h"
#include "src/core/snake_case.h"
#include "src/core/strings.h"

namespace redial {
namespace {

using internal::SnakeCase;
using internal::ToAbsl;
using Labels = std::map<std::string, std::string>;
using Type = Metric::Type;

// What the numbers of one policy have in common.
class Writer {
 public:
  // Views of `labels`.
  Writer(MetricsSink& sink, const Labels& labels) : sink_(sink) {
    for (const auto& [name, value] : labels) labels_.push_back({name, value});
  }

  // `own` is one more label, if it has a name.
  void Write(Metric metric, const MetricLabel& own = {}) {
    const bool has_own = !own.name.empty();
    if (has_own) labels_.push_back(own);
    metric.labels = labels_;
    sink_.Write(metric);
    if (has_own) labels_.pop_back();
  }
  void Count(std::string_view name, std::string_view help, int64_t count,
             const MetricLabel& own = {}) {
    Write({.name = name, .help = help, .type = Type::kCounter, .value = static_cast<double>(count)},
          own);
  }

 private:
  MetricsSink& sink_;
  std::vector<MetricLabel> labels_;
};

void WriteResults(Writer& writer, std::string_view name, std::string_view help,
                  std::string_view label, const ResultCounts& results) {
  const auto count = [&](std::string_view value, int64_t n, bool always) {
    if (n > 0 || always) writer.Count(name, help, n, {label, value});
  };
  for (size_t i = 0; i < ResultCounts::kCodes; ++i) {
    const auto code = static_cast<absl::StatusCode>(i);
    const std::string text = absl::StatusCodeToString(code);
    count(text, results.by_code[i], label == "result" && code == absl::StatusCode::kOk);
  }
  count("failed_result", results.failed_results, false);
  count("aborted", results.aborted, false);
}

void WriteLatency(Writer& writer, std::string_view name, std::string_view help,
                  const LatencyHistogram& ok, const LatencyHistogram& failed) {
  std::vector<double> bounds;
  bounds.reserve(ok.bounds.size());
  for (const absl::Duration bound : ok.bounds) bounds.push_back(absl::ToDoubleSeconds(bound));
  const auto write = [&](const LatencyHistogram& latency, std::string_view outcome) {
    writer.Write({.name = name,
                  .help = help,
                  .type = Type::kHistogram,
                  .bounds = bounds,
                  .counts = latency.counts,
                  .sum = absl::ToDoubleSeconds(latency.sum)},
                 {"outcome", outcome});
  };
  write(ok, "ok");
  write(failed, "failed");
}

void WriteCallAttempts(Writer& writer, const MetricsPolicy::Snapshot& counts) {
  std::array<double, MetricsPolicy::Snapshot::kMostAttempts + 1> bounds;
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = static_cast<double>(i);
  writer.Write({.name = "redial_call_attempts",
                .help = "Attempts of each call, hedges included.",
                .type = Type::kHistogram,
                .bounds = bounds,
                .counts = counts.calls_by_attempts,
                .sum = static_cast<double>(counts.attempts_of_calls)});
}

void WriteCounts(Writer& writer, const MetricsPolicy::Snapshot& counts) {
  WriteResults(writer, "redial_calls_total",
               "Calls that are over, by the status code their caller saw.", "result", counts.calls);
  WriteResults(writer, "redial_attempts_total", "Attempts that have returned, by status code.",
               "result", counts.attempts);
  WriteLatency(writer, "redial_call_duration_seconds",
               "How long calls took, with all their attempts, pauses and queues.", counts.ok_calls,
               counts.failed_calls);
  WriteLatency(writer, "redial_attempt_duration_seconds",
               "How long attempts took; those that were aborted are left out.", counts.ok_attempts,
               counts.failed_attempts);
  WriteCallAttempts(writer, counts);
  WriteResults(writer, "redial_retries_total",
               "Retries, by the status code of the failure they followed.", "reason",
               counts.retries);
  writer.Count("redial_hedges_total", "Attempts that were started beside another.", counts.hedges);
  for (size_t i = 0; i < counts.failed_calls_by_reason.size(); ++i) {
    const int64_t calls = counts.failed_calls_by_reason[i];
    if (calls == 0) continue;
    writer.Count("redial_failed_calls_total",
                 "Calls that failed, by the reason why there were no more attempts.", calls,
                 {"why", ReasonName(static_cast<Reason>(i))});
  }
  for (const MetricsPolicy::Snapshot::Refusals& refusals : counts.refusals) {
    writer.Count("redial_refusals_total",
                 "Calls that ended because a policy refused another attempt, or the first.",
                 refusals.calls, {"policy", refusals.policy});
  }
}

void WriteGauge(Writer& writer, const Policy& policy, const Gauge& gauge) {
  std::string name = absl::StrCat("redial_", SnakeCase(policy.name()), "_", SnakeCase(gauge.name));
  if (gauge.counts_up && !name.ends_with("_total")) name += "_total";
  const std::string help =
      absl::StrCat("Of a ", ToAbsl(policy.name()),
                   " policy: ", absl::StrReplaceAll(ToAbsl(gauge.name), {{"_", " "}}),
                   gauge.state.empty() ? "" : ", 1 for the one that it is in", ".");
  MetricLabel state;
  if (!gauge.state.empty()) state = {"state", gauge.state};
  writer.Write({.name = name,
                .help = help,
                .type = gauge.counts_up ? Type::kCounter : Type::kGauge,
                .value = gauge.value},
               state);
}

void WritePolicy(const Policy& policy, Writer writer) {
  if (const MetricsPolicy* metrics = MetricsPolicy::Of(policy)) {
    WriteCounts(writer, metrics->snapshot());
  } else {
    policy.Measure([&](const Gauge& gauge) { WriteGauge(writer, policy, gauge); });
  }
}

struct Exposed {
  const Policy* policy;
  Labels labels;
};

Labels InCommon(const Labels& a, const Labels& b) {
  Labels common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                        std::inserter(common, common.end()));
  return common;
}

// Each policy once, in the order in which their sets are given.
std::vector<Exposed> EachOnce(absl::Span<const LabelledPolicies> clients) {
  std::vector<Exposed> exposed;
  std::map<const Policy*, size_t> known;
  for (const LabelledPolicies& client : clients) {
    for (const PolicySet::Member& member : client.policies.all()) {
      const auto [it, is_new] = known.emplace(member.policy, exposed.size());
      if (is_new) {
        exposed.push_back({member.policy, client.labels});
      } else {
        Labels& labels = exposed[it->second].labels;
        labels = InCommon(labels, client.labels);
      }
    }
  }
  return exposed;
}

}  // namespace

MetricsSink::~MetricsSink() = default;

void WriteMetrics(const PolicySet& policies, MetricsSink& sink) {
  const LabelledPolicies one = {policies, {}};
  WriteMetrics({&one, 1}, sink);
}

void WriteMetrics(absl::Span<const LabelledPolicies> clients, MetricsSink& sink) {
  std::map<std::pair<std::string, Labels>, int> alike;
  for (Exposed& exposed : EachOnce(clients)) {
    const Policy& policy = *exposed.policy;
    if (!policy.label().empty()) exposed.labels.emplace("label", policy.label());
    // What becomes of the name has to differ, not the name.
    const int number = ++alike[{SnakeCase(policy.name()), exposed.labels}];
    if (number > 1) exposed.labels.emplace("number", absl::StrCat(number));
    WritePolicy(policy, Writer(sink, exposed.labels));
  }
}

}  // namespace redial
