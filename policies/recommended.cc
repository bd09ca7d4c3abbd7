#include "redial/policies/recommended.h"

#include <string>
#include <utility>

#include "redial/policies/attempt_timeout.h"
#include "redial/policies/retry.h"

namespace redial {

CircuitBreakerOptions RecommendedBreaker(std::string label) {
  CircuitBreakerOptions options;
  options.label = std::move(label);
  options.open_time.cap = absl::Seconds(30);
  return options;
}

PolicyList Recommended(const RecommendedOptions& options) {
  PolicyList policies = {Retry(),
                         AttemptTimeout({.timeout = options.attempt_timeout, .share = 0.5})};
  policies.push_back(options.retry_budget != nullptr ? options.retry_budget : RetryBudget());
  policies.push_back(options.breaker != nullptr
                         ? options.breaker
                         : CircuitBreaker(RecommendedBreaker(options.label)));
  if (options.report != nullptr) policies.push_back(Report(options.report));
  return policies;
}

}  // namespace redial
