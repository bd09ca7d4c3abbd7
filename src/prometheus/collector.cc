#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/metrics_sink.h"
#include "redial/policy.h"
#include "redial/prometheus.h"
#include "src/core/mutex.h"
#include "src/core/snake_case.h"
#include "src/prometheus/families.h"
#include "src/prometheus/labels.h"

namespace redial {
namespace {

using Labels = PrometheusCollector::Labels;

struct Added {
  PolicySet policies;
  Labels labels;
};
struct Exposed {
  const Policy* policy;
  Labels labels;
};

// Copies of a set share what they hold.
bool IsCopy(const PolicySet& a, const PolicySet& b) { return a.all().data() == b.all().data(); }

Labels InCommon(const Labels& a, const Labels& b) {
  Labels common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                        std::inserter(common, common.end()));
  return common;
}

// Each policy once, in the order in which their sets were added.
std::vector<Exposed> EachOnce(const std::vector<Added>& added) {
  std::vector<Exposed> exposed;
  std::map<const Policy*, size_t> known;
  for (const Added& one : added) {
    for (const auto& member : one.policies.all()) {
      const auto [it, is_new] = known.emplace(member.policy, exposed.size());
      if (is_new) {
        exposed.push_back({member.policy, one.labels});
      } else {
        Labels& labels = exposed[it->second].labels;
        labels = InCommon(labels, one.labels);
      }
    }
  }
  return exposed;
}

}  // namespace

struct PrometheusCollector::State {
  mutable internal::StdMutex mu;
  std::vector<Added> added ABSL_GUARDED_BY(mu);
};

PrometheusCollector::PrometheusCollector() : state_(std::make_unique<State>()) {}
PrometheusCollector::~PrometheusCollector() = default;

absl::Status PrometheusCollector::Add(const PolicySet& policies, Labels labels) {
  if (absl::Status status = internal::CheckLabels(labels); !status.ok()) return status;
  const internal::StdMutexLock lock(state_->mu);
  for (const Added& one : state_->added) {
    if (!policies.all().empty() && IsCopy(one.policies, policies)) {
      return absl::AlreadyExistsError("these policies were added before");
    }
  }
  state_->added.push_back({policies, std::move(labels)});
  return absl::OkStatus();
}

bool PrometheusCollector::Remove(const PolicySet& policies) {
  const internal::StdMutexLock lock(state_->mu);
  const auto gone = std::find_if(state_->added.begin(), state_->added.end(),
                                 [&](const Added& one) { return IsCopy(one.policies, policies); });
  if (gone == state_->added.end()) return false;
  state_->added.erase(gone);
  return true;
}

std::vector<prometheus::MetricFamily> PrometheusCollector::Collect() const {
  std::vector<Added> added;
  {
    const internal::StdMutexLock lock(state_->mu);
    added = state_->added;
  }
  internal::Families families;
  std::map<std::tuple<std::string, Labels>, int> alike;
  for (Exposed& exposed : EachOnce(added)) {
    const Policy& policy = *exposed.policy;
    if (!policy.label().empty()) exposed.labels.emplace("label", policy.label());
    // What becomes of the name in the exposition is what has to differ.
    const int number = ++alike[{internal::SnakeCase(policy.name()), exposed.labels}];
    if (number > 1) exposed.labels.emplace("number", absl::StrCat(number));
    std::vector<MetricLabel> all;
    for (const auto& [name, value] : exposed.labels) all.push_back({name, value});
    WriteMetrics(policy, families, all);
  }
  return families.Take();
}

}  // namespace redial
