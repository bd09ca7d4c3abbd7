// PrometheusCollector: exposes what `Metrics` policies count, and the state of all other policies (a
// breaker that is open, a budget's tokens), through prometheus-cpp. The component `prometheus`.
//
//   auto collector = std::make_shared<redial::PrometheusCollector>();
//   absl::Status added = collector->Add(client->policies(), {{"client", "cache"}});
//   if (!added.ok()) std::cerr << added.message() << '\n';
//   prometheus::Exposer exposer("127.0.0.1:9464");
//   exposer.RegisterCollectable(collector);
//
// docs/metrics.md lists names, types and labels. A policy is exposed once, however many clients share
// it, under the labels that all of these have in common; two that nothing else tells apart are
// numbered (`number="2"`). Give each client a label of its own, and register one collector for all:
// two of them at one exposer would give the same families twice.
//
// Safe between threads: clients may come and go, and call, while Prometheus scrapes.
#ifndef REDIAL_PROMETHEUS_H_
#define REDIAL_PROMETHEUS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "redial/export.h"
#include "redial/policy_set.h"

namespace redial {

class REDIAL_EXPORT PrometheusCollector final : public prometheus::Collectable {
 public:
  using Labels = std::map<std::string, std::string>;

  PrometheusCollector();
  ~PrometheusCollector() override;
  PrometheusCollector(const PrometheusCollector&) = delete;
  PrometheusCollector& operator=(const PrometheusCollector&) = delete;

  // From now on the policies of this set are exposed, with these labels. The collector keeps them: the
  // last counts of a client that is gone are still to be scraped. kInvalidArgument for a label that
  // Prometheus doesn't allow or that redial sets itself, kAlreadyExists for a set, or a copy of one,
  // that was added before.
  absl::Status Add(const PolicySet& policies, Labels labels = {});
  // No longer, unless another set has them too. False where the set, or a copy of it, wasn't added.
  bool Remove(const PolicySet& policies);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace redial

#endif  // REDIAL_PROMETHEUS_H_
