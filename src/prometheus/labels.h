// Labels as Prometheus wants them.
#ifndef REDIAL_SRC_PROMETHEUS_LABELS_H_
#define REDIAL_SRC_PROMETHEUS_LABELS_H_

#include <map>
#include <string>

#include "absl/status/status.h"

namespace redial::internal {

using PrometheusLabels = std::map<std::string, std::string>;

// Whether a user may give these labels: kInvalidArgument that names the one that isn't allowed.
absl::Status CheckLabels(const PrometheusLabels& labels);

}  // namespace redial::internal

#endif  // REDIAL_SRC_PROMETHEUS_LABELS_H_
