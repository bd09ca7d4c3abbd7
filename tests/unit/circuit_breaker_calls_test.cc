#include <gtest/gtest.h>

#include <string>

#include "redial/policies/circuit_breaker.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"
#include "tests/unit/circuit_breaker_kit.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using testing::For;
using testing::MachineTrace;
using testing::Succeeds;
using State = CircuitBreakerPolicy::State;

// failsafe-go, TestRetryPolicy_Composition: a retry around a breaker. Here the order in which they are
// listed is nothing.
TEST(CircuitBreakerTest, OfAttemptsEndsTheRetriesOfACall) {
  const PolicyPtr retry = Retry({.max_attempts = 7, .backoff = Constant(absl::ZeroDuration())});
  for (const bool retry_first : {false, true}) {
    const PolicyPtr breaker =
        CircuitBreaker({.minimum_throughput = 1000, .consecutive_failures = 3});
    const auto set =
        PolicySet::Create(retry_first ? PolicyList{retry, breaker} : PolicyList{breaker, retry});
    ASSERT_TRUE(set.ok()) << set.status();
    MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
    EXPECT_EQ(trace.Play([](int, AttemptKind) { return Fails(1); }),
              "0:start#1 1:failed#1 1:start#2 2:failed#2 2:start#3 3:failed#3 "
              "3:end:breaker_open 3:done");
  }
}

// failsafe-go, TestCircuitBreaker_Composition "with RetryPolicy", a breaker around a retry: three calls,
// one failure, closed.
TEST(CircuitBreakerTest, OfCallsCountsEachCallOnce) {
  const PolicyPtr retry = Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())});
  for (const bool retry_first : {false, true}) {
    const auto breaker = CircuitBreaker({.counts = CircuitBreakerOptions::Counts::kCalls,
                                         .minimum_throughput = 1000,
                                         .consecutive_failures = 3});
    const auto set =
        PolicySet::Create(retry_first ? PolicyList{retry, breaker} : PolicyList{breaker, retry});
    ASSERT_TRUE(set.ok()) << set.status();
    const auto play = [&](int failures) {
      MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
      trace.Play(
          [failures](int id, AttemptKind) { return id < failures ? Fails(1) : Succeeds(1); });
      EXPECT_EQ(trace.machine().outstanding(), 0);
      return trace.trace();
    };
    const std::string three_calls =
        "0:start#1 1:failed#1 1:start#2 2:failed#2 2:start#3 3:failed#3 3:end:exhausted 3:done";
    EXPECT_EQ(play(3), three_calls);
    EXPECT_EQ(breaker->state(), State::kClosed);
    EXPECT_EQ(breaker->snapshot().failures, 1);
    play(2);
    EXPECT_EQ(breaker->snapshot().results, 2);
    EXPECT_EQ(breaker->snapshot().consecutive_failures, 0);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(play(3), three_calls);
    EXPECT_EQ(breaker->state(), State::kOpen);
    EXPECT_EQ(play(3), "0:end:breaker_open 0:done");
  }
}

// A call that is dropped in the middle proves nothing, and one that is stopped neither.
TEST(CircuitBreakerTest, OfCallsGivesBackWhatACallHeld) {
  const auto breaker = CircuitBreaker({.counts = CircuitBreakerOptions::Counts::kCalls,
                                       .minimum_throughput = 1,
                                       .open_time = For(absl::Milliseconds(5))});
  const auto set = PolicySet::Create({breaker});
  ASSERT_TRUE(set.ok()) << set.status();
  const Instant start = Plus(Instant::VirtualOrigin(), 1'000'000'000);
  const auto begin = [&](CallMachine& machine, int64_t ms) {
    machine.Begin(Plus(start, ms * 1'000'000));
    return machine.Next().type == CallMachine::Action::Type::kStart;
  };
  const auto fail = [&](CallMachine& machine, int64_t ms) {
    Outcome outcome = FailedWith(absl::StatusCode::kUnavailable);
    machine.AttemptDone(Plus(start, ms * 1'000'000), 0, outcome);
  };
  CallMachine failing(*set, {.deadline = {}});
  ASSERT_TRUE(begin(failing, 0));
  fail(failing, 0);
  ASSERT_EQ(breaker->state(), State::kOpen);
  {
    CallMachine dropped(*set, {.deadline = {}});
    ASSERT_TRUE(begin(dropped, 10));
    EXPECT_EQ(breaker->snapshot().probes_out, 1);
  }
  EXPECT_EQ(breaker->snapshot().probes_out, 0);
  CallMachine stopped(*set, {.deadline = {}});
  ASSERT_TRUE(begin(stopped, 10));
  stopped.Cancel(Plus(start, 11'000'000));
  EXPECT_EQ(breaker->snapshot().probes_out, 0);
  EXPECT_EQ(breaker->state(), State::kHalfOpen);
  CallMachine probing(*set, {.deadline = {}});
  ASSERT_TRUE(begin(probing, 12));
  Outcome success;
  probing.AttemptDone(Plus(start, 13'000'000), 0, success);
  EXPECT_EQ(breaker->state(), State::kClosed);
}

}  // namespace
}  // namespace redial
