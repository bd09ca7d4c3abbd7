#include "redial/policies/recommended.h"

#include "redial/policies/attempt_timeout.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"

namespace redial {

PolicyList Recommended(const RecommendedOptions& options) {
  PolicyList policies = {
      Retry(), RetryBudget(),
      AttemptTimeout({.timeout = options.attempt_timeout, .share = 0.5, .quantile = 0.99}),
      CircuitBreaker({.label = options.label})};
  if (options.report != nullptr) policies.push_back(Report(options.report));
  return policies;
}

}  // namespace redial
