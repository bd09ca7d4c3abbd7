// RetryBudget: what keeps retries from multiplying the load of a server that is down. Successes fill
// it, retries and hedges empty it, and once it is empty calls fail with their first failure.
//
//   auto budget = redial::RetryBudget();  // share it: one for all clients of one target
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), budget});
//   std::cout << budget->snapshot().tokens << " retries left\n";
//
// While everything fails, no more than `initial_tokens` and what was saved up is retried, and then
// nothing; in the long run at most `per_success / retry_cost` of what succeeds. It follows the
// client's own rate: there is no allowance per second unless one is asked for, since ten thousand
// clients with ten retries a second each are a storm.
//
// Observers are told (`CallEvent::Type::kPolicyChanged`) when it begins to refuse, "refusing", and when
// somebody sees that it has tokens for five retries again or is half full, "admitting": a retry, or the
// success by which one processor has brought so many.
//
// Safe between threads. A success takes no lock; retries do.
#ifndef REDIAL_POLICIES_RETRY_BUDGET_H_
#define REDIAL_POLICIES_RETRY_BUDGET_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// Tokens come in fractions, down to a millionth. A retry or hedge is admitted while more than
// `kept_back` is there, and its cost on top of that.
struct RetryBudgetOptions {
  double per_success = 0.1;  // what a success brings
  // Of a retry or hedge; the second one where the latest failure was the peer's word that it has
  // enough: kResourceExhausted, or a RetryAfter.
  double retry_cost = 1;
  double overload_retry_cost = 1;
  double failure_cost = 0;  // taken away by each attempt that fails for the moment (IsTransient)
  double max_tokens = 10;   // the most that it holds
  double initial_tokens = 2;
  double kept_back = 0;
  // A success brings what its attempt has cost, where that is more than `per_success`.
  bool refunds = false;
  // How long what came and went counts; infinite: for good. Kept in ten slices.
  absl::Duration lifetime = absl::InfiniteDuration();
  // Admitted on top of all; needs a lifetime.
  double min_retries_per_second = 0;
};

// The peers' rules.
//
// gRPC A6: a failure costs one, a success brings `token_ratio`, and there are retries while more than
// half of `max_tokens` is left.
REDIAL_EXPORT RetryBudgetOptions GrpcRetryThrottling(double max_tokens = 10,
                                                     double token_ratio = 0.1);
// Finagle's RetryBudget: `percent_can_retry` of the successes of the last `ttl`, and
// `min_retries_per_second`. (Finagle counts requests, not successes.)
REDIAL_EXPORT RetryBudgetOptions FinagleRetryBudget(absl::Duration ttl = absl::Seconds(10),
                                                    double min_retries_per_second = 10,
                                                    double percent_can_retry = 0.2);
// The retry quota of AWS's standard retries 2.1: 500 tokens; a retry costs 14, or 5 after it was
// throttled, and is refunded if it succeeds.
REDIAL_EXPORT RetryBudgetOptions AwsRetryQuota();

class REDIAL_EXPORT RetryBudgetPolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    double tokens = 0;  // with a lifetime: as of the latest call that ended
    double max_tokens = 0;
    int64_t admitted = 0;  // retries and hedges that are over, since it was made
  };
  virtual Snapshot snapshot() const = 0;
  // Calls that have begun go on with what they began with. What was saved up stays, as far as the new
  // limit lets it. Errors as `Validate`'s; nothing changes then.
  virtual absl::Status Reconfigure(const RetryBudgetOptions& options) = 0;
};

// kInvalidArgument when it joins a set: a number that is negative or not finite, costs without end,
// a limit below one retry's cost.
REDIAL_EXPORT std::shared_ptr<RetryBudgetPolicy> RetryBudget(RetryBudgetOptions options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_RETRY_BUDGET_H_
