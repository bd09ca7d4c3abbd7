// A program that asks for the component `prometheus`: what a call came to, as Prometheus scrapes it.

#include <prometheus/text_serializer.h>

#include <iostream>
#include <sstream>

#include "redial/prometheus.h"
#include "redial/redial.h"

int main() {
  auto policies = redial::PolicySet::Create({redial::Metrics(), redial::RetryBudget()});
  redial::PrometheusCollector collector;
  if (!policies.ok() || !collector.Add(*policies, {{"client", "consumer"}}).ok()) return 1;
  if (!redial::Call({}, *policies, [] { return absl::OkStatus(); }).ok()) return 1;
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, collector.Collect());
  std::cout << text.str();
  const bool counted = text.str().find("redial_calls_total{client=\"consumer\",result=\"OK\"} 1") !=
                       std::string::npos;
  return counted ? 0 : 1;
}
