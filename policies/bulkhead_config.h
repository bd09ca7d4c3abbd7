// A bulkhead's options, checked, and in the numbers that it works with.
#ifndef REDIAL_POLICIES_BULKHEAD_CONFIG_H_
#define REDIAL_POLICIES_BULKHEAD_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/status.h"
#include "policies/codel.h"
#include "redial/description.h"
#include "redial/policies/bulkhead.h"

namespace redial::internal {

inline constexpr std::string_view kBulkheadName = "Bulkhead";

absl::Status CheckBulkhead(const BulkheadOptions& options);

// Immutable: safe between threads.
struct BulkheadConfig {
  explicit BulkheadConfig(const BulkheadOptions& o);

  bool bounds_waits() const { return max_wait != std::numeric_limits<int64_t>::max(); }
  uint64_t Fingerprint() const;
  void Describe(Description& d) const;

  BulkheadOptions options;
  size_t max_queue;
  int64_t max_wait;  // in nanoseconds
  Codel::Options codel;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BULKHEAD_CONFIG_H_
