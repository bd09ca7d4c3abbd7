#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "redial/metrics_sink.h"
#include "redial/prometheus.h"
#include "src/core/mutex.h"
#include "src/prometheus/families.h"
#include "src/prometheus/labels.h"

namespace redial {
namespace {

// Copies of a set share what they hold.
bool IsCopy(const PolicySet& a, const PolicySet& b) { return a.all().data() == b.all().data(); }

}  // namespace

struct PrometheusCollector::State {
  mutable internal::StdMutex mu;
  std::vector<LabelledPolicies> added ABSL_GUARDED_BY(mu);
};

PrometheusCollector::PrometheusCollector() : state_(std::make_unique<State>()) {}
PrometheusCollector::~PrometheusCollector() = default;

absl::Status PrometheusCollector::Add(const PolicySet& policies, Labels labels) {
  if (absl::Status status = internal::CheckLabels(labels); !status.ok()) return status;
  const internal::StdMutexLock lock(state_->mu);
  for (const LabelledPolicies& one : state_->added) {
    if (!policies.all().empty() && IsCopy(one.policies, policies)) {
      return absl::AlreadyExistsError("these policies were added before");
    }
  }
  state_->added.push_back({policies, std::move(labels)});
  return absl::OkStatus();
}

bool PrometheusCollector::Remove(const PolicySet& policies) {
  const internal::StdMutexLock lock(state_->mu);
  const auto gone =
      std::find_if(state_->added.begin(), state_->added.end(),
                   [&](const LabelledPolicies& one) { return IsCopy(one.policies, policies); });
  if (gone == state_->added.end()) return false;
  state_->added.erase(gone);
  return true;
}

std::vector<prometheus::MetricFamily> PrometheusCollector::Collect() const {
  std::vector<LabelledPolicies> added;
  {
    const internal::StdMutexLock lock(state_->mu);
    added = state_->added;
  }
  internal::Families families;
  WriteMetrics(added, families);
  return families.Take();
}

}  // namespace redial
