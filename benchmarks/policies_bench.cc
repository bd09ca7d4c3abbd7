// What each policy costs a call that succeeds, alone and together, from one thread and from two; and
// what an open breaker's refusal costs.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "benchmarks/suite.h"
#include "redial/redial.h"
#include "src/core/call_machine.h"

namespace redial::benchmarks {
namespace {

constexpr int kCalls = 100000;

[[gnu::noinline]] absl::Status Empty() {
  asm volatile("");
  return absl::OkStatus();
}

std::shared_ptr<const PolicySet> Set(PolicyList policies) {
  auto set = PolicySet::Create(std::move(policies));
  if (!set.ok()) {
    std::fprintf(stderr, "%s\n", set.status().ToString().c_str());
    std::abort();
  }
  return std::make_shared<const PolicySet>(*std::move(set));
}

void MakeCalls(const PolicySet& policies, int calls) {
  const CallOptions options{.operation = "empty", .timeout = absl::Seconds(1), .idempotent = true};
  for (int i = 0; i < calls; ++i) {
    if (!Call(options, policies, [] { return Empty(); }).ok()) std::abort();
  }
}

Measured TimeCalls(const PolicySet& policies) {
  const double started = NowNanos();
  MakeCalls(policies, kCalls);
  return {(NowNanos() - started) / kCalls};
}

// Nothing but the function.
Measured TimeBare() {
  const double started = NowNanos();
  for (int i = 0; i < kCalls; ++i) {
    if (!Empty().ok()) std::abort();
  }
  return {(NowNanos() - started) / kCalls};
}

// On a thread for each of the first `threads` processors, beginning together: wall time per call.
Measured TimeThreads(const PolicySet& policies, int threads) {
  constexpr int kLonger = 4 * kCalls;
  std::atomic<int> ready = 0;
  std::atomic<bool> go = false;
  std::vector<std::thread> running;
  for (int cpu = 0; cpu < threads; ++cpu) {
    running.emplace_back([&, cpu] {
      PinTo(cpu);
      MakeCalls(policies, 1000);
      ++ready;
      while (!go.load(std::memory_order_acquire)) {
      }
      MakeCalls(policies, kLonger);
    });
  }
  while (ready != threads) std::this_thread::yield();
  const double started = NowNanos();
  go.store(true, std::memory_order_release);
  for (std::thread& thread : running) thread.join();
  return {(NowNanos() - started) / kLonger / threads};
}

// A rate that nobody reaches.
PolicyPtr Plenty() { return RateLimit({.rate = 100'000'000, .burst = 1'000'000}); }

PolicyList Five() {
  return {Retry(), RetryBudget(), CircuitBreaker(), AttemptTimeout(absl::Milliseconds(500)),
          Bulkhead()};
}

PolicyList Ten() {
  PolicyList ten = Five();
  for (PolicyPtr policy :
       PolicyList{Plenty(), AdaptiveLimit(), AdaptiveThrottle(), Hedge(), FailFast(OnErrno(111))}) {
    ten.push_back(std::move(policy));
  }
  return ten;
}

PolicyList And(PolicyList policies, PolicyPtr one) {
  policies.push_back(std::move(one));
  return policies;
}

void AddAlone(Suite& suite, const std::string& name, PolicyPtr policy) {
  suite.Add(
      "policy_" + name, "no policies", [set = Set({std::move(policy)})] { return TimeCalls(*set); },
      [none = Set({})] { return TimeCalls(*none); }, {.difference = 30});
}

#if defined(REDIAL_BENCHMARK_ENGINE)
// From the call's beginning to its end, in the engine: no clock, no status.
Measured TimeRefusals(const PolicySet& policies) {
  const Instant now = Runtime::Current().Now();
  const double started = NowNanos();
  for (int i = 0; i < kCalls; ++i) {
    CallMachine machine(policies, {.deadline = {}, .idempotent = true, .seed = 1});
    if (machine.BeginAtOnce(now).why != Reason::kBreakerOpen) std::abort();
  }
  return {(NowNanos() - started) / kCalls};
}
#endif

Measured TimeRefusedCalls(const PolicySet& policies) {
  const CallOptions options{.operation = "empty", .timeout = absl::Seconds(1), .idempotent = true};
  const double started = NowNanos();
  for (int i = 0; i < kCalls; ++i) {
    if (Call(options, policies, [] { return Empty(); }).ok()) std::abort();
  }
  return {(NowNanos() - started) / kCalls};
}

std::shared_ptr<const PolicySet> Refusing() {
  const auto breaker = CircuitBreaker();
  breaker->Force(CircuitBreakerPolicy::Override::kForcedOpen);
  return Set({breaker});
}

}  // namespace

void AddPolicyBenchmarks(Suite& suite) {
  AddAlone(suite, "retry", Retry());
  AddAlone(suite, "retry_budget", RetryBudget());
  AddAlone(suite, "circuit_breaker", CircuitBreaker());
  AddAlone(suite, "attempt_timeout", AttemptTimeout(absl::Milliseconds(500)));
  AddAlone(suite, "attempt_timeout_adaptive", AttemptTimeout({.quantile = 0.99}));
  AddAlone(suite, "hedge", Hedge());
  AddAlone(suite, "bulkhead", Bulkhead());
  AddAlone(suite, "rate_limit", Plenty());
  AddAlone(suite, "adaptive_limit", AdaptiveLimit());
  AddAlone(suite, "adaptive_throttle", AdaptiveThrottle());
  // One that draws, and breaks nothing.
  AddAlone(suite, "chaos", Chaos({.i_know_this_breaks_calls = true, .error_probability = 1e-15}));
  AddAlone(suite, "fail_fast", FailFast(OnErrno(111)));
  AddAlone(suite, "report", Report());

  suite.Add("five_policies", "bare function call", [set = Set(Five())] { return TimeCalls(*set); },
            TimeBare, {.difference = 90});
  suite.Add("ten_policies", "bare function call", [set = Set(Ten())] { return TimeCalls(*set); },
            TimeBare, {.difference = 200});
  // 1 / 1.6
  const auto five = Set(Five());
  suite.Add(
      "five_policies_two_threads", "one thread", [five] { return TimeThreads(*five, 2); },
      [five] { return TimeThreads(*five, 1); }, {.ratio = 0.625});
  suite.Add(
      "metrics_on", "five_policies",
      [set = Set(And(Five(), Metrics()))] { return TimeCalls(*set); },
      [set = Set(Five())] { return TimeCalls(*set); }, {.difference = 60});

#if defined(REDIAL_BENCHMARK_ENGINE)
  suite.Add({.name = "breaker_refusal",
             .ours = [set = Refusing()] { return TimeRefusals(*set); },
             .bound = {.most = 20}});
#endif
  suite.Add({.name = "breaker_refusal_status",
             .ours = [set = Refusing()] { return TimeRefusedCalls(*set); }});
}

}  // namespace redial::benchmarks
