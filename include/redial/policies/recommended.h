// Recommended: the policies to start from, where nobody has yet measured anything.
//
//   const redial::PolicyList shared = redial::Recommended({.label = "cache"});  // once a target
//   auto reads = redial::Client::Create("tcp://cache:6379", shared);
//   auto writes = redial::Client::Create("tcp://cache:6379", shared);
//
// | policy         | what it does                                                            |
// |----------------|-------------------------------------------------------------------------|
// | Retry          | up to three attempts; pauses of up to 50 ms, doubled, 1 s if overloaded |
// | RetryBudget    | at most one retry for ten successes, in the long run                    |
// | AttemptTimeout | half of what remains for each attempt                                   |
// | CircuitBreaker | refuses for a while when half of at least 20 attempts in 10 s failed    |
// | Report         | where there is a sink                                                   |
//
// Each default is argued for in docs/decisions/recommended.md. What isn't among them needs a figure
// that only you know (Bulkhead, RateLimit), or costs the server something (Hedge).
//
// The policies share their state among all who hold the list: make one for each target, not one for
// each client, and never one for two targets. Where the clients of a target differ in the rest, or a
// program wants to look at its breaker, make what is shared first:
//
//   auto breaker = redial::CircuitBreaker(redial::RecommendedBreaker("cache"));
//   auto budget = redial::RetryBudget();
//   auto quick = redial::Recommended(
//       {.attempt_timeout = absl::Milliseconds(50), .breaker = breaker, .retry_budget = budget});
//   auto patient = redial::Recommended({.breaker = breaker, .retry_budget = budget});
//   bool down = breaker->state() != redial::CircuitBreakerPolicy::State::kClosed;
#ifndef REDIAL_POLICIES_RECOMMENDED_H_
#define REDIAL_POLICIES_RECOMMENDED_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/report.h"
#include "redial/policies/retry_budget.h"
#include "redial/policy.h"

namespace redial {

struct RecommendedOptions {
  std::string label = {};  // of the breaker, in events and metrics; one of your own has its own
  // No attempt gets more, whatever remains, but for three round trips. At least 10 ms.
  absl::Duration attempt_timeout = absl::Seconds(10);
  SinkPtr report = nullptr;
  // In place of those that it would make.
  std::shared_ptr<CircuitBreakerPolicy> breaker = nullptr;
  std::shared_ptr<RetryBudgetPolicy> retry_budget = nullptr;
};

// Of the breaker that it makes: the defaults, but open for half a minute at the longest.
REDIAL_EXPORT CircuitBreakerOptions RecommendedBreaker(std::string label = {});

// Errors show when the list joins a set, as for each of its policies.
REDIAL_EXPORT PolicyList Recommended(const RecommendedOptions& options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_RECOMMENDED_H_
