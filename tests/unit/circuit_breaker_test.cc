#include "redial/policies/circuit_breaker.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/policy_view.h"
#include "tests/unit/circuit_breaker_kit.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::For;
using testing::PlayedBreaker;
using State = CircuitBreakerPolicy::State;

// Polly, CircuitBreakerResiliencePipelineBuilderTests, AddCircuitBreaker_IntegrationTest: ratio .5,
// minimum 10, window 10 s, break 1 s.
TEST(CircuitBreakerTest, OpensProbesAndClosesAsPollyDoes) {
  PlayedBreaker breaker({.window = TimeWindow(absl::Seconds(10)),
                         .failure_ratio = 0.5,
                         .minimum_throughput = 10,
                         .open_time = For(absl::Seconds(1))});
  breaker.Play("FFFFFFFFF");
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("F");
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_EQ(breaker.RefusedFor(), absl::Seconds(1));
  breaker.Advance(absl::Milliseconds(500));
  EXPECT_EQ(breaker.RefusedFor(), absl::Milliseconds(500));
  breaker.Advance(absl::Milliseconds(500));
  breaker.Play("F");
  EXPECT_EQ(breaker.RefusedFor(), absl::Seconds(1));
  breaker.Advance(absl::Seconds(1));
  breaker.Play("S");
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker.Changes(),
            "closed>open open>half_open half_open>open open>half_open half_open>closed");
  EXPECT_EQ(breaker->snapshot().opened, 2);
}

TEST(CircuitBreakerTest, ItsChangesSayUntilWhenItRefuses) {
  PlayedBreaker breaker({.minimum_throughput = 1, .open_time = Linear(absl::Seconds(1))});
  breaker.Play("F");
  EXPECT_EQ(breaker.LatestChangeHolds(), breaker.RefusedFor());
  breaker.Advance(breaker.RefusedFor());
  ASSERT_TRUE(breaker.Start());
  EXPECT_EQ(breaker.Changes(), "closed>open open>half_open");
  breaker.End(FailedWith(absl::StatusCode::kUnavailable));
  EXPECT_EQ(breaker.LatestChangeHolds(), breaker.RefusedFor()) << "the new time, not the old one";
  breaker.Advance(breaker.RefusedFor());
  ASSERT_TRUE(breaker.Start());
  EXPECT_EQ(breaker.LatestChangeHolds(), absl::InfiniteDuration()) << "half open";
  breaker.End(Outcome());
  EXPECT_EQ(breaker.Changes(), "half_open>open open>half_open half_open>closed");
}

// Polly, AdvancedCircuitBehaviorTests: (results, minimum, failures, threshold).
TEST(CircuitBreakerTest, TripsAtItsRatioAndMinimum) {
  const auto trips = [](const std::string& results, int minimum, double ratio) {
    PlayedBreaker breaker({.failure_ratio = ratio, .minimum_throughput = minimum});
    breaker.Play(results);
    return breaker.state() == State::kOpen;
  };
  EXPECT_TRUE(trips("SSSSSSSSSF", 10, 0.1));
  EXPECT_FALSE(trips("SSSSSSSSF", 10, 0.1));
  EXPECT_FALSE(trips("SSSSSSSSSS", 10, 0.1));
}

// failsafe-go rounds rates to two digits, so that 99 of 200 trip a breaker of 50 %. And a ratio in
// tenths is no binary fraction: 0.07 * 100 > 7.
TEST(CircuitBreakerTest, ComparesRatiosExactly) {
  PlayedBreaker half({.window = CountWindow(200), .failure_ratio = 0.5, .minimum_throughput = 200});
  half.Play(std::string(101, 'S') + std::string(99, 'F'));
  EXPECT_EQ(half.state(), State::kClosed);
  half.Play("F");
  EXPECT_EQ(half.state(), State::kOpen);
  for (int percent = 1; percent <= 100; ++percent) {
    PlayedBreaker breaker(
        {.window = CountWindow(100), .failure_ratio = percent / 100.0, .minimum_throughput = 100});
    breaker.Play(std::string(static_cast<size_t>(101 - percent), 'S') +
                 std::string(static_cast<size_t>(percent - 1), 'F'));
    EXPECT_EQ(breaker.state(), State::kClosed) << percent;
    breaker.Play("F");
    EXPECT_EQ(breaker.state(), State::kOpen) << percent;
  }
}

// Polly, RollingHealthMetricsTests, GetHealthInfo_EnsureWindowRespected. Its last two figures, 8 and
// .125, 6 and 0, are those of a window that ages by itself. This one ages with the next result, which counts.
TEST(CircuitBreakerTest, ATimeWindowForgets) {
  PlayedBreaker breaker({.window = TimeWindow(absl::Seconds(10)), .minimum_throughput = 1000});
  using Health = std::pair<int64_t, double>;
  const auto health = [&] {
    return Health(breaker->snapshot().results, breaker->snapshot().failure_ratio);
  };
  std::vector<Health> seen;
  for (const char* const step : {"FS", "FS", "SS", "SS", "SS"}) {
    breaker.Play(step);
    seen.push_back(health());
    breaker.Advance(absl::Seconds(2));
  }
  EXPECT_EQ(seen, (std::vector<Health>{{2, 0.5}, {4, 0.5}, {6, 2.0 / 6}, {8, 0.25}, {10, 0.2}}));
  EXPECT_EQ(health(), Health(10, 0.2));
  breaker.Play("S");
  EXPECT_EQ(health(), Health(8 + 1, 1.0 / 9)) << "the first two are ten seconds old";
  breaker.Advance(absl::Seconds(2));
  breaker.Play("S");
  EXPECT_EQ(health(), Health(6 + 2, 0));
}

// resilience4j, CircuitBreakerStateMachineTest: 50 %, minimum 5.
TEST(CircuitBreakerTest, ASuccessThatCompletesTheMinimumMayOpenIt) {
  PlayedBreaker breaker({.window = CountWindow(5), .failure_ratio = 0.5, .minimum_throughput = 5});
  breaker.Play("FFFS");
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("S");
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// resilience4j, the same: half open with four probes.
TEST(CircuitBreakerTest, JudgesItsProbesTogether) {
  const auto after = [](const std::string& probes) {
    PlayedBreaker breaker({.failure_ratio = 0.5,
                           .minimum_throughput = 1,
                           .open_time = For(absl::Seconds(1)),
                           .probes = 4});
    breaker.Play("F");
    breaker.Advance(absl::Seconds(1));
    breaker.Play(probes);
    return breaker.state();
  };
  EXPECT_EQ(after("FFS"), State::kHalfOpen);
  EXPECT_EQ(after("FFSF"), State::kOpen);
  EXPECT_EQ(after("FSSS"), State::kClosed);
}

// failsafe-go, CircuitBreakerTest: three in a row.
TEST(CircuitBreakerTest, OpensAfterSoManyInARow) {
  PlayedBreaker breaker({.minimum_throughput = 1000, .consecutive_failures = 3});
  breaker.Play("FSFF");
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("F");
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// Finagle, FailureAccrualPolicyTest: success rate .5 over 100.
TEST(CircuitBreakerTest, TheMovingAverageIsFinagles) {
  PlayedBreaker breaker(
      {.window = MovingAverage(100), .failure_ratio = 0.5, .minimum_throughput = 1});
  breaker.Play(std::string(100, 'S') + std::string(69, 'F'));
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("F");
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// Polly, BreakDurationGenerator: it sees 0, 1, 2, … failed probings, and begins anew after a close.
TEST(CircuitBreakerTest, StaysOpenForLongerEachTime) {
  PlayedBreaker breaker({.minimum_throughput = 1,
                         .open_time = Exponential({.base = absl::Seconds(1),
                                                   .multiplier = 2,
                                                   .cap = absl::Seconds(10),
                                                   .jitter = Jitter::kNone})});
  for (const int seconds : {1, 2, 4, 8, 10, 10}) {
    breaker.Play("F");
    EXPECT_EQ(breaker.RefusedFor(), absl::Seconds(seconds));
    breaker.Advance(absl::Seconds(seconds));
  }
  breaker.Play("S");
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("F");
  EXPECT_EQ(breaker.RefusedFor(), absl::Seconds(1));
}

// A herd whose breakers all close at the same moment brings the server down again.
TEST(CircuitBreakerTest, TheOpenTimeIsJittered) {
  PlayedBreaker breaker({.minimum_throughput = 1});
  std::vector<absl::Duration> times;
  for (int i = 0; i < 3; ++i) {
    breaker.Play("F");
    times.push_back(breaker.RefusedFor());
    breaker->Reset();
  }
  for (const absl::Duration time : times) {
    EXPECT_GT(time, absl::Seconds(2.5));
    EXPECT_LE(time, absl::Seconds(5));
  }
  EXPECT_NE(times[0], times[1]);
  EXPECT_NE(times[1], times[2]);
}

// Polly, resilience4j, failsafe-go and Finagle let an attempt that was admitted before the breaker
// opened decide what it finds half open.
TEST(CircuitBreakerTest, WhatBeganBeforeItOpenedDecidesNothing) {
  PlayedBreaker breaker({.minimum_throughput = 2, .open_time = For(absl::Seconds(1)), .probes = 1});
  ASSERT_TRUE(breaker.Start());  // slow ones, of the first generation
  ASSERT_TRUE(breaker.Start());
  PlayedBreaker& b = breaker;
  ASSERT_TRUE(b.Start());
  ASSERT_TRUE(b.Start());
  b.End(FailedWith(absl::StatusCode::kUnavailable));
  b.End(FailedWith(absl::StatusCode::kUnavailable));
  EXPECT_EQ(b.state(), State::kOpen);
  b.Advance(absl::Seconds(1));
  ASSERT_TRUE(b.Start());  // the probe; the two slow ones end before it
  b.End(Outcome());
  EXPECT_EQ(b.state(), State::kHalfOpen);
  b.End(FailedWith(absl::StatusCode::kUnavailable));
  EXPECT_EQ(b.state(), State::kHalfOpen);
  b.End(Outcome());
  EXPECT_EQ(b.state(), State::kClosed);
}

TEST(CircuitBreakerTest, WhatBeganBeforeItOpenedDoesntOpenItAgain) {
  PlayedBreaker breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(1))});
  ASSERT_TRUE(breaker.Start());  // ends last
  breaker->Reset();
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.End(FailedWith(absl::StatusCode::kUnavailable));
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker->snapshot().results, 0);
}

// resilience4j #544, #903, #935, Polly #1979: a probe that was cancelled never gave its place back.
// Polly's cure lets it close the breaker.
TEST(CircuitBreakerTest, AnAbortedProbeGivesItsPlaceBackAndProvesNothing) {
  PlayedBreaker breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(1))});
  breaker.Play("F");
  breaker.Advance(absl::Seconds(1));
  breaker.Play("I");
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  ASSERT_TRUE(breaker.Start());
  EXPECT_FALSE(breaker.Start());
  breaker.VoidOldest();
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  breaker.Play("S");
  EXPECT_EQ(breaker.state(), State::kClosed);
}

TEST(CircuitBreakerTest, AProbeThatNeverReportsLosesItsPlace) {
  PlayedBreaker breaker({.minimum_throughput = 1,
                         .open_time = For(absl::Seconds(1)),
                         .probe_lease = absl::Seconds(30)});
  breaker.Play("F");
  breaker.Advance(absl::Seconds(1));
  ASSERT_TRUE(breaker.Start());
  breaker.Advance(absl::Seconds(29));
  EXPECT_LT(breaker.RefusedFor(), absl::ZeroDuration()) << "nobody knows when it will admit";
  breaker.Advance(absl::Seconds(1));
  ASSERT_TRUE(breaker.Start());
  breaker.End(Outcome());  // the lost one comes back after all
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  breaker.End(FailedWith(absl::StatusCode::kUnavailable));
  EXPECT_EQ(breaker.state(), State::kOpen);
}

TEST(CircuitBreakerTest, OpensForWhatIsSlow) {
  PlayedBreaker breaker({.window = CountWindow(4),
                         .minimum_throughput = 4,
                         .slow_after = absl::Seconds(1),
                         .slow_ratio = 0.5});
  breaker.Play("SS");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(breaker.state(), State::kClosed);
    ASSERT_TRUE(breaker.Start());
    breaker.Advance(absl::Seconds(1));
    breaker.End(Outcome());
  }
  EXPECT_EQ(breaker.state(), State::kOpen);
}

TEST(CircuitBreakerTest, WhatSaysNothingOfTheServerDoesntCount) {
  PlayedBreaker breaker({.minimum_throughput = 1, .ignore_on = OnErrno(EPROTO)});
  const auto ends = [&](Outcome outcome, Sent sent) {
    ASSERT_TRUE(breaker.Start());
    outcome.sent = sent;
    breaker.End(outcome);
  };
  ends(FailedWith(absl::StatusCode::kUnavailable, EPROTO), Sent::kMaybe);
  ends(FailedWith(absl::StatusCode::kResourceExhausted, EMFILE), Sent::kNo);
  ends(FailedWith(absl::StatusCode::kInvalidArgument), Sent::kNo);
  EXPECT_EQ(breaker->snapshot().results, 0);
  ends(FailedWith(absl::StatusCode::kNotFound), Sent::kAnswered);
  EXPECT_EQ(breaker->snapshot().results, 1);
  EXPECT_EQ(breaker->snapshot().failures, 0);
  EXPECT_EQ(breaker.state(), State::kClosed);
  ends(FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED), Sent::kNo);
  EXPECT_EQ(breaker.state(), State::kOpen);
}

TEST(CircuitBreakerTest, APredicateSaysWhatFails) {
  PlayedBreaker breaker(
      {.minimum_throughput = 1,
       .failure_on = OnCode(absl::StatusCode::kInternal) ||
                     OnResult<int>([](const int& status) { return status == 503; })});
  ASSERT_TRUE(breaker.Start());
  breaker.End(FailedWith(absl::StatusCode::kUnavailable));
  EXPECT_EQ(breaker.state(), State::kClosed);
  const int busy = 503;
  ASSERT_TRUE(breaker.Start());
  breaker.End(testing::Returned(busy));
  EXPECT_EQ(breaker.state(), State::kOpen);
}

}  // namespace
}  // namespace redial
