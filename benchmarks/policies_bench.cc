// What each policy costs a call that succeeds, alone and together, from one thread and from two, and
// where it has to take a lock; and what an open breaker's refusal costs.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
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

// Nobody to wake: who is in line asks when its turn has come.
class NobodySleeps final : public WakeSource {
 public:
  std::shared_ptr<WakeTarget> wake_target() override { return target_; }

 private:
  struct Target final : WakeTarget {
    void Wake() override {}
  };
  std::shared_ptr<WakeTarget> target_ = std::make_shared<Target>();
};

// Each call begins while the one before runs and starts once that has ended, in the engine and on one
// thread: of a single permit, each finds it taken, stands in line and is handed it.
Measured TimeHandedOn(const PolicySet& policies) {
  NobodySleeps nobody;
  const Instant now = Runtime::Current().Now();
  std::optional<CallMachine> calls[2];
  const auto begin = [&](std::optional<CallMachine>& call) {
    call.emplace(policies, CallMachine::Config{.deadline = {}, .seed = 1, .wake = &nobody});
    call->Begin(now);
  };
  const auto drain = [](CallMachine& call) {
    using Type = CallMachine::Action::Type;
    Type type;
    do type = call.Next().type;
    while (type != Type::kWait && type != Type::kDone);
    return type;
  };
  begin(calls[0]);
  drain(*calls[0]);
  const double started = NowNanos();
  for (int i = 0; i < kCalls; ++i) {
    CallMachine& running = *calls[i & 1];
    std::optional<CallMachine>& next = calls[(i + 1) & 1];
    begin(next);
    drain(*next);
    Outcome success;
    running.AttemptDone(now, 0, success);
    if (drain(running) != CallMachine::Action::Type::kDone) std::abort();
    next->Wake(now);
    drain(*next);
    if (next->attempts() != 1) std::abort();
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

// After a call that failed.
std::shared_ptr<const PolicySet> AfterAFailure(PolicyPtr policy) {
  auto set = Set({std::move(policy)});
  if (Call({}, *set, [] { return absl::UnavailableError("down"); }).ok()) std::abort();
  return set;
}

// Open for longer than anybody measures: a refusal says until when.
std::shared_ptr<const PolicySet> Refusing() {
  return AfterAFailure(
      CircuitBreaker({.consecutive_failures = 1, .open_time = Constant(absl::Hours(1))}));
}

// Its failure waits for a minimum that never comes: each success might complete it.
std::shared_ptr<const PolicySet> WatchingClosely() {
  return AfterAFailure(
      CircuitBreaker({.window = TimeWindow(absl::Hours(1)), .minimum_throughput = 1'000'000'000}));
}

// It might refuse, though by a chance that nobody meets: each attempt draws.
std::shared_ptr<const PolicySet> RefusingNext() {
  return AfterAFailure(AdaptiveThrottle({.multiplier = 1,
                                         .window = absl::Hours(24),
                                         .max_refusal = 1e-15,
                                         .overload_on = OnAnyFailure()}));
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
  AddAlone(suite, "metrics", Metrics());

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

  suite.Add(
      "locked_breaker", "no policies", [set = WatchingClosely()] { return TimeCalls(*set); },
      [none = Set({})] { return TimeCalls(*none); });
  suite.Add(
      "locked_throttle", "no policies", [set = RefusingNext()] { return TimeCalls(*set); },
      [none = Set({})] { return TimeCalls(*none); });
#if defined(REDIAL_BENCHMARK_ENGINE)
  suite.Add(
      "locked_bulkhead", "no policies",
      [set = Set({Bulkhead({.max_concurrent = 1, .target_delay = absl::InfiniteDuration()})})] {
        return TimeHandedOn(*set);
      },
      [none = Set({})] { return TimeHandedOn(*none); });
  suite.Add({.name = "breaker_refusal",
             .ours = [set = Refusing()] { return TimeRefusals(*set); },
             .bound = {.most = 20}});
#endif
  suite.Add({.name = "breaker_refusal_status",
             .ours = [set = Refusing()] { return TimeRefusedCalls(*set); }});
}

}  // namespace redial::benchmarks
