#include "redial/testing/link_options.h"

#include "absl/strings/str_cat.h"

namespace redial::testing {
namespace {

bool IsDelay(absl::Duration d) { return d >= absl::ZeroDuration() && d <= absl::Hours(1); }

}  // namespace

absl::Status LinkOptions::Validate() const {
  if (!IsDelay(latency)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "LinkOptions.latency is ", absl::FormatDuration(latency), "; it must be from 0 to 1h"));
  }
  if (!IsDelay(jitter)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "LinkOptions.jitter is ", absl::FormatDuration(jitter), "; it must be from 0 to 1h"));
  }
  if (spread > LatencySpread::kSpikes) {
    return absl::InvalidArgumentError(
        absl::StrCat("LinkOptions.spread is ", static_cast<int>(spread),
                     "; it must be kUniform, kExponential or kSpikes"));
  }
  if (!(loss >= 0 && loss <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("LinkOptions.loss is ", loss, "; it must be from 0 to 1"));
  }
  if (!(duplication >= 0 && duplication <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("LinkOptions.duplication is ", duplication, "; it must be from 0 to 1"));
  }
  if (bandwidth < 0) {
    return absl::InvalidArgumentError(absl::StrCat("LinkOptions.bandwidth is ", bandwidth,
                                                   "; it must be at least 0 bytes a second "
                                                   "(0: any number)"));
  }
  return absl::OkStatus();
}

}  // namespace redial::testing
