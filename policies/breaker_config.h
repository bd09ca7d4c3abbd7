// A circuit breaker's options, checked and ready for use: what counts for it, and as what.
//
// A value; safe between threads as far as its predicates are.
#ifndef REDIAL_POLICIES_BREAKER_CONFIG_H_
#define REDIAL_POLICIES_BREAKER_CONFIG_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "policies/breaker_window.h"
#include "redial/policies/circuit_breaker.h"

namespace redial::internal {

inline constexpr std::string_view kBreakerName = "CircuitBreaker";

absl::Status CheckBreaker(const CircuitBreakerOptions& options);

struct BreakerConfig {
  explicit BreakerConfig(const CircuitBreakerOptions& o);

  // What the outcome says of the server; false if nothing. Runs the user's predicates.
  bool Counts(const Outcome& outcome, BreakerResult& result) const;
  uint64_t Fingerprint() const;
  void Describe(Description& description) const;

  CircuitBreakerOptions options;
  int64_t slow_after_nanos;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BREAKER_CONFIG_H_
