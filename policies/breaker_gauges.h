// A breaker's state as numbers, for `Policy::Measure`.
#ifndef REDIAL_POLICIES_BREAKER_GAUGES_H_
#define REDIAL_POLICIES_BREAKER_GAUGES_H_

#include "absl/functional/function_ref.h"
#include "redial/description.h"
#include "redial/policies/circuit_breaker.h"

namespace redial::internal {

void VisitBreakerGauges(const CircuitBreakerPolicy::Snapshot& snapshot,
                        absl::FunctionRef<void(const Gauge&)> visit);

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BREAKER_GAUGES_H_
