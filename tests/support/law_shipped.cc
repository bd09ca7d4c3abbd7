#include "tests/support/law_shipped.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/policies/adaptive_limit.h"
#include "redial/policies/adaptive_throttle.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/policies/bulkhead.h"
#include "redial/policies/chaos.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/hedge.h"
#include "redial/policies/metrics.h"
#include "redial/policies/rate_limit.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "src/core/strings.h"

namespace redial::testing {
namespace {

// What nobody holds any more when no call is left.
bool CountsHolders(std::string_view gauge) {
  return gauge == "in_flight" || gauge == "permits_in_use" || gauge == "waiting" ||
         gauge == "probes_out";
}

}  // namespace

LawShipped::LawShipped(PolicyPtr policy, const char* config, bool alone)
    : LawPolicy(policy->traits(), config), policy_(std::move(policy)), alone_(alone) {}

void LawShipped::Complain(const char* what) const {
  const std::lock_guard lock(mu_);
  if (problem_.empty()) problem_ = what;
}

bool LawShipped::Judges(const View& view) const {
  const uint32_t bit = view.kind == AttemptKind::kFirst ? kJudgesFirst : kJudgesAgain;
  return (traits().capabilities & bit) != 0;
}

bool LawShipped::ReservesFor(AttemptKind kind) const {
  if ((traits().capabilities & kReserves) == 0) return false;
  return kind != AttemptKind::kFirst || (traits().capabilities & kReservesAgain) == 0;
}

Verdict LawShipped::Judge(const View& view) const {
  const Verdict verdict = policy_->Judge(view);
  if (alone_ && policy_->Judge(view) != verdict) Complain("judging again gave another verdict");
  return verdict;
}

Verdict LawShipped::Reserve(const View& view, Token& token, Ticket* ticket) {
  if (!ReservesFor(view.kind)) Complain("was asked to reserve for a first attempt");
  const Verdict judged = alone_ && Judges(view) ? policy_->Judge(view) : Verdict::Admit();
  const Verdict verdict = policy_->Reserve(view, token, ticket);
  if (alone_ && Judges(view) && verdict.rejects() && !judged.rejects()) {
    Complain("it refused to reserve what it had not refused to judge");
  }
  if (verdict.admits(view.now)) held_.fetch_add(1, std::memory_order_relaxed);
  return verdict;
}

bool LawShipped::Take(const View& view, Token& token) {
  const bool judged = !Judges(view) || policy_->Judge(view).kind() == Verdict::Kind::kAdmit;
  const std::string before = alone_ ? State() : "";
  const bool took = policy_->Take(view, token);
  if (took) held_.fetch_add(1, std::memory_order_relaxed);
  if (alone_ && took && !judged) Complain("it took what it refuses to judge");
  if (alone_ && !took && State() != before) Complain("it took nothing, and changed");
  return took;
}

void LawShipped::Void(Token token, Ticket* ticket) {
  held_.fetch_sub(1, std::memory_order_relaxed);
  policy_->Void(token, ticket);
}

void LawShipped::Settle(Token token, const Outcome& outcome) {
  if (ReservesFor(outcome.kind)) {
    held_.fetch_sub(1, std::memory_order_relaxed);
  } else if (token != 0) {
    Complain("has a token, and nothing was reserved");
  }
  policy_->Settle(token, outcome);
}

std::string LawShipped::Audit(bool idle) const {
  {
    const std::lock_guard lock(mu_);
    if (!problem_.empty()) return problem_;
  }
  const int held = held_.load(std::memory_order_relaxed);
  if (held < 0) return "more was given back than reserved";
  if (!idle) return "";
  if (held > 0) return absl::StrCat(held, " reservations are held");
  std::string problem;
  policy_->Measure([&](const Gauge& gauge) {
    if (CountsHolders(gauge.name) && gauge.value != 0) {
      problem = absl::StrCat("its gauge ", internal::ToAbsl(gauge.name), " shows ", gauge.value);
    }
  });
  return problem;
}

std::string LawShipped::State() const {
  std::string state;
  policy_->Measure([&](const Gauge& gauge) {
    absl::StrAppend(&state, internal::ToAbsl(gauge.name), internal::ToAbsl(gauge.state), "=",
                    gauge.value, ",");
  });
  return state;
}

namespace {

PolicyPtr RandomBreaker(bool second) {
  CircuitBreakerOptions options;
  options.window = second ? CountWindow(4) : TimeWindow(absl::Milliseconds(40));
  options.minimum_throughput = 2;
  options.counts =
      second ? CircuitBreakerOptions::Counts::kCalls : CircuitBreakerOptions::Counts::kAttempts;
  options.open_time = Constant(absl::Milliseconds(10));
  options.probes = second ? 2 : 1;
  options.probe_lease = absl::Milliseconds(20);
  return CircuitBreaker(options);
}

PolicyPtr RandomBulkhead(bool second) {
  BulkheadOptions options;
  options.max_concurrent = second ? 1 : 2;
  options.max_queue = second ? 2 : 1;
  options.order =
      second ? BulkheadOptions::Order::kLifoUnderOverload : BulkheadOptions::Order::kFifo;
  options.counts = second ? BulkheadOptions::Counts::kAttempts : BulkheadOptions::Counts::kCalls;
  options.target_delay = absl::Milliseconds(2);
  options.target_interval = absl::Milliseconds(5);
  return Bulkhead(options);
}

PolicyPtr RandomRateLimit(bool second) {
  return RateLimit(
      {.rate = second ? 200 : 500,
       .burst = second ? 2 : 1,
       .max_wait = second ? absl::InfiniteDuration() : absl::Milliseconds(10),
       .counts = second ? RateLimitOptions::Counts::kCalls : RateLimitOptions::Counts::kAttempts});
}

PolicyPtr RandomAdaptiveLimit(bool second) {
  return AdaptiveLimit({.algorithm = second ? LimitAlgorithm::kVegas : LimitAlgorithm::kGradient,
                        .initial_limit = 2,
                        .max_limit = 4,
                        .window = absl::Milliseconds(10),
                        .window_results = 2});
}

}  // namespace

void AddShipped(Choices& choices, LawKit& kit) {
  const bool second = choices.OneIn(2);
  const bool queues = kit.Count(Policy::kQueues) < PolicySet::kMaxQueues;
  switch (choices.Below(12)) {
    case 0:
      kit.Add<LawShipped>(
          second
              ? Retry({.max_attempts = 4, .backoff = Constant(absl::Milliseconds(5))})
              : Retry({.max_attempts = 3, .backoff = Exponential({.base = absl::Milliseconds(4)})}),
          second ? "4 of 5ms" : "3 of 4ms and more");
      return;
    case 1:
      kit.Add<LawShipped>(second ? RetryBudget({.initial_tokens = 1})
                                 : RetryBudget({.per_success = 0.5,
                                                .failure_cost = 0.25,
                                                .max_tokens = 2,
                                                .lifetime = absl::Milliseconds(50)}),
                          second ? "1 token" : "2 tokens for 50ms");
      return;
    case 2:
      kit.Add<LawShipped>(RandomBreaker(second), second ? "of calls" : "of attempts");
      return;
    case 3:
      kit.Add<LawShipped>(AttemptTimeout(absl::Milliseconds(second ? 3 : 8)),
                          second ? "3ms" : "8ms");
      return;
    case 4:
      kit.Add<LawShipped>(
          second ? Hedge({.delay = absl::Milliseconds(2), .max_ratio = 1})
                 : Hedge({.quantile = 0.5, .min_samples = 2, .max_hedges = 2, .max_ratio = 0.5}),
          second ? "after 2ms" : "at the median");
      return;
    case 5:
      if (queues)
        kit.Add<LawShipped>(RandomBulkhead(second), second ? "1 and 2" : "2 and 1, of calls");
      return;
    case 6:
      if (queues) kit.Add<LawShipped>(RandomRateLimit(second), second ? "5ms, of calls" : "2ms");
      return;
    case 7:
      kit.Add<LawShipped>(RandomAdaptiveLimit(second), second ? "Vegas" : "gradient");
      return;
    case 8:
      kit.Add<LawShipped>(Chaos({.i_know_this_breaks_calls = true, .error_probability = 0.5}),
                          "0.5");
      return;
    case 9:
      kit.Add<LawShipped>(
          AdaptiveThrottle({.multiplier = 1.5, .padding = 1, .window = absl::Milliseconds(50)}),
          "1.5 in 50ms");
      return;
    case 10:
      kit.Add<LawShipped>(Metrics(), "");
      return;
    default:
      kit.Add<LawShipped>(FailFast(OnErrno(1)), "on errno 1");
  }
}

}  // namespace redial::testing
