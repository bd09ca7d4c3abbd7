// A breaker's state in words, and as numbers for `Policy::Measure`.
#ifndef REDIAL_POLICIES_BREAKER_GAUGES_H_
#define REDIAL_POLICIES_BREAKER_GAUGES_H_

#include <string_view>

#include "absl/functional/function_ref.h"
#include "redial/description.h"
#include "redial/policies/circuit_breaker.h"

namespace redial::internal {

// Its state, or what somebody decided over it.
std::string_view BreakerShownName(CircuitBreakerPolicy::State state,
                                  CircuitBreakerPolicy::Override forced);

void VisitBreakerGauges(const CircuitBreakerPolicy::Snapshot& snapshot,
                        absl::FunctionRef<void(const Gauge&)> visit);

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BREAKER_GAUGES_H_
