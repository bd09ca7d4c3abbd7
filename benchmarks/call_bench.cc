// call_overhead: what the policies cost when nothing goes wrong.
#include <cstdlib>
#include <memory>

#include "benchmarks/suite.h"
#include "redial/redial.h"

namespace redial::benchmarks {
namespace {

constexpr int kCalls = 200000;

[[gnu::noinline]] absl::Status Empty() {
  asm volatile("");
  return absl::OkStatus();
}

Measured TimeCalls(const PolicySet& policies) {
  const CallOptions options{.operation = "empty", .timeout = absl::Seconds(1)};
  const double started = NowNanos();
  for (int i = 0; i < kCalls; ++i) {
    if (!Call(options, policies, [] { return Empty(); }).ok()) std::abort();
  }
  return {(NowNanos() - started) / kCalls};
}

// What a careful person writes by hand: attempts, a deadline, a look at the clock before and after
// each attempt.
[[gnu::noinline]] absl::Status HandWritten(Runtime& runtime, int64_t timeout, int attempts) {
  Instant now = runtime.Now();
  const Deadline deadline = Deadline::AfterNanos(now, timeout);
  absl::Status status;
  for (int i = 0; i < attempts; ++i) {
    status = Empty();
    now = runtime.Now();
    if (status.ok() || deadline.expired(now)) return status;
    (void)runtime.SleepUntil(Earlier(deadline, Deadline::AfterNanos(now, 1000000)), {});
  }
  return status;
}

Measured TimeHandWritten() {
  Runtime& runtime = Runtime::Current();
  const double started = NowNanos();
  for (int i = 0; i < kCalls; ++i) {
    if (!HandWritten(runtime, 1000000000, 3).ok()) std::abort();
  }
  return {(NowNanos() - started) / kCalls};
}

}  // namespace

void AddCallBenchmarks(Suite& suite) {
  auto made = PolicySet::Create(
      {Retry(), FailFast(OnErrno(111)), Report(), AttemptTimeout(absl::Milliseconds(500))});
  if (!made.ok()) std::abort();
  auto policies = std::make_shared<PolicySet>(*std::move(made));
  suite.Add("call_overhead", "hand-written retry loop", [policies] { return TimeCalls(*policies); },
            TimeHandWritten, {.difference = 60});
}

}  // namespace redial::benchmarks
