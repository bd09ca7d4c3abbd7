// Names as Prometheus wants them.
#ifndef REDIAL_SRC_PROMETHEUS_NAMES_H_
#define REDIAL_SRC_PROMETHEUS_NAMES_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace redial::internal {

using PrometheusLabels = std::map<std::string, std::string>;

// Lower case, with an underscore where a word begins and in place of whatever a name may not have:
// "CircuitBreaker" is "circuit_breaker".
std::string SnakeCase(std::string_view name);

// Whether a user may give these labels: kInvalidArgument that names the one that isn't allowed.
absl::Status CheckLabels(const PrometheusLabels& labels);

}  // namespace redial::internal

#endif  // REDIAL_SRC_PROMETHEUS_NAMES_H_
