#include "redial/policies/recommended.h"

#include "redial/policies/attempt_timeout.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"

namespace redial {

PolicyList Recommended(const RecommendedOptions& options) {
  const Backoff open_time = {
      .base = absl::Seconds(5), .cap = absl::Seconds(30), .jitter = Jitter::kEqual};
  PolicyList policies = {Retry(), RetryBudget(),
                         AttemptTimeout({.timeout = options.attempt_timeout, .share = 0.5}),
                         CircuitBreaker({.label = options.label, .open_time = open_time})};
  if (options.report != nullptr) policies.push_back(Report(options.report));
  return policies;
}

}  // namespace redial
