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
#include "redial/time.h"
#include "redial/view.h"

namespace redial::internal {

inline constexpr std::string_view kBreakerName = "CircuitBreaker";

absl::Status CheckBreaker(const CircuitBreakerOptions& options);

struct BreakerConfig {
  explicit BreakerConfig(const CircuitBreakerOptions& o);

  // What the outcome says of the server; false if nothing. Runs the user's predicates.
  bool Counts(const Outcome& outcome, BreakerResult& result) const {
    if (has_predicates || outcome.aborted || !outcome.ok()) [[unlikely]] {
      return CountsClosely(outcome, result);
    }
    result.slow = IsSlow(outcome);
    return true;
  }
  uint64_t Fingerprint() const;
  void Describe(Description& description) const;

  CircuitBreakerOptions options;
  int64_t slow_after_nanos;
  bool has_predicates;

 private:
  bool IsSlow(const Outcome& outcome) const {
    return NanosBetween(outcome.started, outcome.ended) >= slow_after_nanos;
  }
  bool CountsClosely(const Outcome& outcome, BreakerResult& result) const;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BREAKER_CONFIG_H_
