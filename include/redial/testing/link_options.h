// How a simulated network treats what is sent between two hosts.
//
//   redial::testing::LinkOptions slow = {.latency = absl::Milliseconds(20), .loss = 0.01};
//   if (absl::Status status = slow.Validate(); !status.ok()) return status;
//
// A value: const use is safe together, anything else needs outside locking.
#ifndef REDIAL_TESTING_LINK_OPTIONS_H_
#define REDIAL_TESTING_LINK_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"

namespace redial::testing {

// How jitter is drawn for each packet.
enum class LatencySpread : uint8_t {
  kUniform,      // evenly from 0 to `jitter`
  kExponential,  // `jitter` on average, most of it small, some of it large
  kSpikes,       // `jitter` for one packet in a hundred, else nothing
};

struct LinkOptions {
  // One way, at least.
  absl::Duration latency = absl::Milliseconds(1);
  // Added to it for each packet. TCP's stay in order all the same.
  absl::Duration jitter = absl::ZeroDuration();
  LatencySpread spread = LatencySpread::kUniform;
  // The share of packets that don't arrive, from 0 to 1. TCP sends them again, so that its users
  // see a delay.
  double loss = 0;
  // The share of datagrams that arrive twice, from 0 to 1. TCP drops the second copy by itself.
  double duplication = 0;
  // Bytes a second; 0 for any number.
  int64_t bandwidth = 0;

  // kInvalidArgument that names the field, its value and what is allowed.
  REDIAL_EXPORT absl::Status Validate() const;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTING_LINK_OPTIONS_H_
