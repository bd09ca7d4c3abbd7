#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "redial/policies/circuit_breaker.h"
#include "redial/policy_set.h"
#include "tests/unit/circuit_breaker_kit.h"

namespace redial {
namespace {

using testing::For;
using testing::PlayedBreaker;
using State = CircuitBreakerPolicy::State;
using Override = CircuitBreakerPolicy::Override;

TEST(CircuitBreakerTest, CanBeForced) {
  PlayedBreaker breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(1))});
  breaker->Force(Override::kForcedOpen);
  EXPECT_LT(breaker.RefusedFor(), absl::ZeroDuration());
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker->Force(Override::kForcedClosed);
  breaker.Play("FFF");
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker->snapshot().failures, 3);
  breaker->Force(Override::kDisabled);
  breaker.Play("FFF");
  EXPECT_EQ(breaker->snapshot().failures, 3);
  breaker->Force(Override::kNone);
  breaker.Play("F");
  EXPECT_EQ(breaker.state(), State::kOpen);
  breaker->Force(Override::kForcedClosed);
  breaker.Play("FF");
  breaker->Force(Override::kNone);
  EXPECT_EQ(breaker.state(), State::kOpen);
  breaker->Reset();
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker->snapshot().failures, 0);
}

// Whoever changes it by hand has no call in which to tell of it: the next one does.
TEST(CircuitBreakerTest, TellsOfWhatWasDoneByHand) {
  PlayedBreaker breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(9))});
  breaker.Play("F");
  EXPECT_EQ(breaker.Changes(), "closed>open");
  breaker->Reset();
  breaker.Play("SS");
  EXPECT_EQ(breaker.Changes(), "open>closed");
  breaker->Force(Override::kForcedOpen);
  breaker.Play("SS");
  EXPECT_EQ(breaker.Changes(), "closed>forced_open");
  breaker->Force(Override::kForcedClosed);
  breaker.Play("FF");
  EXPECT_EQ(breaker.Changes(), "forced_open>forced_closed");
  breaker->Force(Override::kDisabled);
  breaker.Play("FF");
  EXPECT_EQ(breaker.Changes(), "forced_closed>disabled");
  breaker->Force(Override::kForcedOpen);
  breaker->Force(Override::kDisabled);
  breaker.Play("F");
  EXPECT_EQ(breaker.Changes(), "") << "nobody has noticed";
  breaker->Force(Override::kNone);
  breaker.Play("SF");
  EXPECT_EQ(breaker.Changes(), "disabled>closed closed>open");
  breaker->Force(Override::kForcedClosed);
  EXPECT_EQ(breaker.Judge(), Verdict::Admit()) << "though its time isn't up";
  breaker->Force(Override::kNone);
  EXPECT_EQ(breaker.RefusedFor(), absl::Seconds(9));
  EXPECT_EQ(breaker.LatestChangeHolds(), absl::Seconds(9));
  EXPECT_EQ(breaker.Changes(), "open>forced_closed forced_closed>open");
  breaker->Force(Override::kForcedClosed);
  breaker.Play("S");
  breaker.Advance(absl::Seconds(60));
  breaker->Force(Override::kNone);
  EXPECT_EQ(breaker.Judge(), Verdict::Admit());
  EXPECT_EQ(breaker.LatestChangeHolds(), absl::InfiniteDuration()) << "it no longer holds";
}

// Also before the next one has told of it.
TEST(CircuitBreakerTest, WhatWasDoneByHandHoldsAtOnce) {
  PlayedBreaker breaker({.minimum_throughput = 1});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(breaker.Start());
  breaker->Force(Override::kDisabled);
  breaker.End(testing::FailedWith(absl::StatusCode::kUnavailable));
  breaker.End(Outcome());
  EXPECT_EQ(breaker->snapshot().results, 0);
  breaker->Force(Override::kForcedOpen);
  View view;
  Token token = 0;
  EXPECT_FALSE(breaker->Take(view, token));
  EXPECT_TRUE(breaker->Reserve(view, token, nullptr).rejects());
}

TEST(CircuitBreakerTest, ReconfiguresWithoutForgetting) {
  PlayedBreaker breaker({.window = CountWindow(10), .minimum_throughput = 10});
  breaker.Play("SSSSSFFFF");
  ASSERT_TRUE(breaker->Reconfigure({.window = CountWindow(4), .minimum_throughput = 4}).ok());
  EXPECT_EQ(breaker->snapshot().results, 4) << "the latest";
  EXPECT_EQ(breaker->snapshot().failures, 4);
  ASSERT_TRUE(breaker->Reconfigure({.window = TimeWindow(absl::Seconds(10))}).ok());
  EXPECT_EQ(breaker->snapshot().failures, 4);
  EXPECT_EQ(breaker->Reconfigure({.counts = CircuitBreakerOptions::Counts::kCalls}).message(),
            "CircuitBreaker.counts can't be changed; make another breaker");
  EXPECT_EQ(breaker->Reconfigure({.failure_ratio = 2}).message(),
            "CircuitBreaker.failure_ratio is 2; it must be above 0 and at most 1");
}

TEST(CircuitBreakerTest, MeasuresItself) {
  const auto breaker = CircuitBreaker({.label = "cache-1"});
  breaker->Force(Override::kForcedOpen);
  std::string told;
  breaker->Measure([&](const Gauge& gauge) {
    told += std::string(gauge.name) + (gauge.state.empty() ? "" : ":") + std::string(gauge.state) +
            "=" + std::to_string(std::lround(gauge.value)) + (gauge.counts_up ? "+ " : " ");
  });
  EXPECT_EQ(told,
            "state:closed=1 state:open=0 state:half_open=0 "
            "override:none=0 override:forced_open=1 override:forced_closed=0 override:disabled=0 "
            "window_results=0 window_failures=0 window_slow_results=0 failure_ratio=0 "
            "consecutive_failures=0 probes_out=0 opened=0+ ");
  EXPECT_EQ(breaker->label(), "cache-1");
}

TEST(CircuitBreakerTest, SaysWhichOptionMakesNoSense) {
  const struct {
    CircuitBreakerOptions options;
    const char* message;
  } cases[] = {
      {{.window = CountWindow(0)},
       "CircuitBreaker.window.count is 0; it must be from 1 to 1000000"},
      {{.window = TimeWindow(absl::ZeroDuration())},
       "CircuitBreaker.window.length is 0; it must be positive"},
      {{.failure_ratio = 0}, "CircuitBreaker.failure_ratio is 0; it must be above 0 and at most 1"},
      {{.failure_ratio = std::nan("")},
       "CircuitBreaker.failure_ratio is NaN; it must be above 0 and at most 1"},
      {{.minimum_throughput = 0}, "CircuitBreaker.minimum_throughput is 0; it must be at least 1"},
      {{.window = CountWindow(5), .minimum_throughput = 6},
       "CircuitBreaker.minimum_throughput is 6; it must not be above window.count, which is 5"},
      {{.consecutive_failures = -1},
       "CircuitBreaker.consecutive_failures is -1; it must not be negative"},
      {{.slow_after = absl::ZeroDuration()}, "CircuitBreaker.slow_after is 0; it must be positive"},
      {{.slow_ratio = 1.5}, "CircuitBreaker.slow_ratio is 1.5; it must be above 0 and at most 1"},
      {{.open_time = CustomBackoff([](const BackoffTurn&) { return absl::Seconds(1); })},
       "CircuitBreaker.open_time.function is a function; it must be empty: a breaker opens under "
       "its "
       "lock"},
      {{.open_time = For(absl::ZeroDuration())},
       "CircuitBreaker.open_time.base is 0; it must be positive"},
      {{.probes = 65}, "CircuitBreaker.probes is 65; it must be from 1 to 64"},
      {{.probe_lease = -absl::Seconds(1)},
       "CircuitBreaker.probe_lease is -1s; it must be positive"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({CircuitBreaker(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

}  // namespace
}  // namespace redial
