#include "src/prometheus/labels.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace redial::internal {
namespace {

// Those of our own, and of Prometheus's histograms and summaries.
constexpr std::string_view kReserved[] = {"label",    "le",     "number", "outcome", "policy",
                                          "quantile", "reason", "result", "state",   "why"};

bool IsLabelName(const std::string& name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

}  // namespace

absl::Status CheckLabels(const PrometheusLabels& labels) {
  for (const auto& [name, value] : labels) {
    if (!IsLabelName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the label name '", name,
                       "' isn't one of Prometheus's: letters, digits and _, no digit first"));
    }
    if (name.starts_with("__")) {
      return absl::InvalidArgumentError(
          absl::StrCat("the label name '", name, "' is Prometheus's own: it begins with __"));
    }
    if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the label '", name, "' is one that redial sets itself"));
    }
  }
  return absl::OkStatus();
}

}  // namespace redial::internal
