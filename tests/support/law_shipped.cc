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

bool LawShipped::remembers_being_asked() const {
  bool remembers = false;
  policy_->Measure([&](const Gauge& gauge) { remembers |= gauge.name == "latency_seconds"; });
  return remembers;
}

void LawShipped::Reconfigure() {
  if (!change_) return;
  changed_ = !changed_;
  if (!change_(changed_).ok()) Complain("refused a valid configuration");
}

namespace {

// Adds what `make` makes of `one`, which may change to `other`.
template <class Options, class Make>
void AddChanging(LawKit& kit, Make make, const Options& one, const Options& other,
                 const char* config) {
  const auto policy = make(one);
  kit.Add<LawShipped>(policy, config)->set_change([=](bool changed) {
    return policy->Reconfigure(changed ? other : one);
  });
}

void AddRetry(bool second, LawKit& kit) {
  kit.Add<LawShipped>(
      second ? Retry({.max_attempts = 4, .backoff = Constant(absl::Milliseconds(5))})
             : Retry({.max_attempts = 3, .backoff = Exponential({.base = absl::Milliseconds(4)})}),
      second ? "4 of 5ms" : "3 of 4ms and more");
}

void AddBudget(bool second, LawKit& kit) {
  const RetryBudgetOptions one = {.initial_tokens = 1};
  const RetryBudgetOptions two = {.per_success = 0.5,
                                  .failure_cost = 0.25,
                                  .max_tokens = 2,
                                  .lifetime = absl::Milliseconds(50)};
  AddChanging(kit, RetryBudget, second ? one : two, second ? two : one,
              second ? "1 token" : "2 tokens for 50ms");
}

void AddBreaker(bool second, LawKit& kit) {
  CircuitBreakerOptions options;
  options.window = second ? CountWindow(4) : TimeWindow(absl::Milliseconds(40));
  options.minimum_throughput = 2;
  options.counts =
      second ? CircuitBreakerOptions::Counts::kCalls : CircuitBreakerOptions::Counts::kAttempts;
  options.open_time = Constant(absl::Milliseconds(10));
  options.probes = second ? 2 : 1;
  options.probe_lease = absl::Milliseconds(20);
  CircuitBreakerOptions other = options;
  other.window = second ? MovingAverage(4) : CountWindow(2);
  other.probes = second ? 1 : 3;
  other.open_time = Constant(absl::Milliseconds(2));
  AddChanging(kit, CircuitBreaker, options, other, second ? "of calls" : "of attempts");
}

void AddTimeout(Choices& choices, LawKit& kit) {
  const auto make = [](const AttemptTimeoutOptions& options) { return AttemptTimeout(options); };
  const absl::Duration least = absl::Milliseconds(1);
  const AttemptTimeoutOptions share = {.share = 0.5, .min_timeout = least};
  const AttemptTimeoutOptions among = {
      .timeout = absl::Milliseconds(20), .share_among = 3, .min_timeout = least};
  const AttemptTimeoutOptions median = {.timeout = absl::Milliseconds(8),
                                        .quantile = 0.5,
                                        .window = absl::Milliseconds(40),
                                        .min_samples = 2,
                                        .min_timeout = least};
  switch (choices.Below(5)) {
    case 0:
      kit.Add<LawShipped>(AttemptTimeout(absl::Milliseconds(3)), "3ms");
      return;
    case 1:
      kit.Add<LawShipped>(AttemptTimeout(absl::Milliseconds(8)), "8ms");
      return;
    case 2:
      AddChanging(kit, make, share, among, "half of the rest");
      return;
    case 3:
      AddChanging(kit, make, among, share, "a third of the rest");
      return;
    default:
      AddChanging(kit, make, median, share, "three times the median");
  }
}

void AddHedge(bool second, LawKit& kit) {
  const HedgeOptions one = {.delay = absl::Milliseconds(2), .max_ratio = 1};
  const HedgeOptions two = {.quantile = 0.5, .min_samples = 2, .max_hedges = 2, .max_ratio = 0.5};
  AddChanging(kit, Hedge, second ? one : two, second ? two : one,
              second ? "after 2ms" : "at the median");
}

void AddBulkhead(bool second, LawKit& kit) {
  BulkheadOptions options;
  options.max_concurrent = second ? 1 : 2;
  options.max_queue = second ? 2 : 1;
  options.order =
      second ? BulkheadOptions::Order::kLifoUnderOverload : BulkheadOptions::Order::kFifo;
  options.counts = second ? BulkheadOptions::Counts::kAttempts : BulkheadOptions::Counts::kCalls;
  options.target_delay = absl::Milliseconds(2);
  options.target_interval = absl::Milliseconds(5);
  BulkheadOptions other = options;
  other.max_concurrent = second ? 2 : 1;
  other.max_queue = 1;
  other.order = BulkheadOptions::Order::kFifo;
  AddChanging(kit, Bulkhead, options, other, second ? "1 and 2" : "2 and 1, of calls");
}

void AddRateLimit(bool second, LawKit& kit) {
  const RateLimitOptions options = {
      .rate = second ? 200 : 500,
      .burst = second ? 2 : 1,
      .max_wait = second ? absl::InfiniteDuration() : absl::Milliseconds(10),
      .counts = second ? RateLimitOptions::Counts::kCalls : RateLimitOptions::Counts::kAttempts};
  RateLimitOptions other = options;
  other.rate = 1000;
  other.burst = 3;
  AddChanging(kit, RateLimit, options, other, second ? "5ms, of calls" : "2ms");
}

void AddAdaptiveLimit(bool second, LawKit& kit) {
  const AdaptiveLimitOptions options = {
      .algorithm = second ? LimitAlgorithm::kVegas : LimitAlgorithm::kGradient,
      .initial_limit = 2,
      .max_limit = 4,
      .window = absl::Milliseconds(10),
      .window_results = 2};
  AdaptiveLimitOptions other = options;
  other.initial_limit = other.max_limit = 1;
  AddChanging(kit, AdaptiveLimit, options, other, second ? "Vegas" : "gradient");
}

void AddChaos(LawKit& kit) {
  AddChanging(kit, Chaos, ChaosOptions{.i_know_this_breaks_calls = true, .error_probability = 0.5},
              ChaosOptions{.i_know_this_breaks_calls = true, .reset_probability = 1}, "0.5");
}

void AddThrottle(LawKit& kit) {
  AddChanging(
      kit, AdaptiveThrottle,
      AdaptiveThrottleOptions{.multiplier = 1.5, .padding = 1, .window = absl::Milliseconds(50)},
      AdaptiveThrottleOptions{.multiplier = 1, .window = absl::Milliseconds(20)}, "1.5 in 50ms");
}

}  // namespace

void AddShipped(Choices& choices, LawKit& kit) {
  const bool second = choices.OneIn(2);
  const bool queues = kit.Count(Policy::kQueues) < PolicySet::kMaxQueues;
  switch (choices.Below(12)) {
    case 0:
      return AddRetry(second, kit);
    case 1:
      return AddBudget(second, kit);
    case 2:
      return AddBreaker(second, kit);
    case 3:
      return AddTimeout(choices, kit);
    case 4:
      return AddHedge(second, kit);
    case 5:
      if (queues) AddBulkhead(second, kit);
      return;
    case 6:
      if (queues) AddRateLimit(second, kit);
      return;
    case 7:
      return AddAdaptiveLimit(second, kit);
    case 8:
      return AddChaos(kit);
    case 9:
      return AddThrottle(kit);
    case 10:
      kit.Add<LawShipped>(Metrics(), "");
      return;
    default:
      kit.Add<LawShipped>(FailFast(OnErrno(1)), "on errno 1");
  }
}

}  // namespace redial::testing
