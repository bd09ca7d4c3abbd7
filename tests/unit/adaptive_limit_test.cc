#include "redial/policies/adaptive_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "src/core/strings.h"
#include "tests/support/limit_load.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using testing::Hangs;
using testing::Hourly;
using testing::kEnded;
using testing::LimitLoad;
using testing::MachineTrace;
using testing::Succeeds;

constexpr absl::Duration kUsual = absl::Seconds(1);

const Outcome& TimedOut() {
  static const Outcome timed_out = FailedWith(absl::StatusCode::kDeadlineExceeded);
  return timed_out;
}
const Outcome& TurnedDown() {
  static const Outcome turned_down = FailedWith(absl::StatusCode::kResourceExhausted);
  return turned_down;
}
AdaptiveLimitOptions Vegas() { return Hourly({.algorithm = LimitAlgorithm::kVegas}); }

TEST(AdaptiveLimitTest, AdmitsExactlyItsLimit) {
  const auto limit = AdaptiveLimit({.initial_limit = 3});
  LimitLoad load(*limit);
  const std::vector<Token> taken = load.TakeAll();
  EXPECT_EQ(taken.size(), 3u);
  EXPECT_EQ(limit->snapshot().in_flight, 3);
  load.Settle(taken[1], kUsual);
  EXPECT_TRUE(load.Take().has_value());
  EXPECT_FALSE(load.Take().has_value());
}

TEST(AdaptiveLimitTest, WhatIsVoidedIsThereAgainAndProvesNothing) {
  const auto limit = AdaptiveLimit(Hourly({.initial_limit = 1}));
  LimitLoad load(*limit);
  const std::optional<Token> token = load.Take();
  ASSERT_TRUE(token.has_value());
  EXPECT_FALSE(load.Take().has_value());
  limit->Void(*token, nullptr);
  EXPECT_EQ(limit->snapshot().in_flight, 0);
  EXPECT_EQ(limit->snapshot().latest_rtt, absl::ZeroDuration());
  EXPECT_TRUE(load.Take().has_value());
}

// failsafe-go, adaptivelimiter, TestAdaptiveLimiter_record "should increase limit".
TEST(AdaptiveLimitTest, VegasGrowsAsFailsafeHasIt) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(20, absl::Seconds(1));
  EXPECT_EQ(limit->snapshot().limit, 21);
  load.PlayWindow(20, absl::Milliseconds(500));
  EXPECT_EQ(limit->snapshot().limit, 22);
}

// The same, "should decrease limit": ten queue, then nine.
TEST(AdaptiveLimitTest, VegasShrinksAsFailsafeHasIt) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(1, absl::Seconds(1));  // the least, and too few for a change
  EXPECT_EQ(limit->snapshot().limit, 20);
  load.PlayWindow(10, absl::Seconds(2));
  EXPECT_EQ(limit->snapshot().limit, 19);
  load.PlayWindow(10, absl::Seconds(2));
  EXPECT_EQ(limit->snapshot().limit, 18);
}

// The same, "should hold limit": five queue.
TEST(AdaptiveLimitTest, VegasStaysAsFailsafeHasIt) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(1, absl::Seconds(1));
  for (int i = 0; i < 2; ++i) {
    load.PlayWindow(10, absl::Milliseconds(1300));
    EXPECT_EQ(limit->snapshot().limit, 20);
  }
}

// Netflix concurrency-limits, Gradient2Limit with its defaults: 20.8, 21.6, 22.4 ...
TEST(AdaptiveLimitTest, GradientGrowsAsNetflixHasIt) {
  const auto limit = AdaptiveLimit(Hourly({.min_limit = 20}));
  LimitLoad load(*limit);
  for (const int expected : {20, 21, 22, 23, 24, 24, 25}) {
    load.PlayWindow(20, kUsual);
    EXPECT_EQ(limit->snapshot().limit, expected);
  }
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual);
  EXPECT_EQ(limit->snapshot().usual_rtt, kUsual);
}

TEST(AdaptiveLimitTest, StaysBetweenItsBounds) {
  for (const LimitAlgorithm algorithm : {LimitAlgorithm::kGradient, LimitAlgorithm::kVegas}) {
    const auto limit = AdaptiveLimit(
        Hourly({.algorithm = algorithm, .min_limit = 18, .initial_limit = 20, .max_limit = 22}));
    LimitLoad load(*limit);
    for (int i = 0; i < 20; ++i) load.PlayWindow(18, kUsual);
    EXPECT_EQ(limit->snapshot().limit, 22);
    for (int i = 0; i < 20; ++i) load.PlayWindow(18, 5 * kUsual);
    EXPECT_EQ(limit->snapshot().limit, 18);
  }
}

TEST(AdaptiveLimitTest, ALimitThatIsNotUsedDoesNotGrow) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  for (int i = 0; i < 20; ++i) load.PlayWindow(9, kUsual);
  EXPECT_EQ(limit->snapshot().limit, 20);
  load.PlayWindow(20, kUsual);
  EXPECT_EQ(limit->snapshot().limit, 21);
  load.PlayWindow(10, kUsual);
  EXPECT_EQ(limit->snapshot().limit, 21) << "what was in flight in an earlier window is past";
}

TEST(AdaptiveLimitTest, AbortedAttemptsProveNothing) {
  const auto limit = AdaptiveLimit(Hourly());
  LimitLoad load(*limit);
  load.PlayWindow(20, kUsual);
  const int64_t before = limit->snapshot().limit;
  Outcome aborted = TimedOut();
  aborted.aborted = true;
  for (int i = 0; i < 5; ++i) load.PlayWindow(20, 100 * kUsual, aborted);
  aborted.code = absl::StatusCode::kOk;
  load.PlayWindow(20, 100 * kUsual, aborted);
  EXPECT_EQ(limit->snapshot().limit, before);
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual);
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

TEST(AdaptiveLimitTest, NorDoFailuresThatSayNothingOfLoad) {
  const auto limit = AdaptiveLimit(Hourly());
  LimitLoad load(*limit);
  load.PlayWindow(20, kUsual);
  Outcome failed_result;
  failed_result.failed_result = true;
  for (const Outcome& outcome :
       {FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED),
        FailedWith(absl::StatusCode::kNotFound),
        FailedWith(absl::StatusCode::kResourceExhausted, EMFILE), failed_result}) {
    load.PlayWindow(20, absl::Milliseconds(1), outcome);
    EXPECT_EQ(limit->snapshot().latest_rtt, kUsual);
  }
  EXPECT_EQ(limit->snapshot().limit, 20);
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

// What began when the limit was higher tells of a load that is gone. (Envoy's adaptive concurrency
// compares when the sample began with the start of its epoch.)
TEST(AdaptiveLimitTest, WhatBeganBeforeTheLimitWasLoweredIsIgnored) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(1, kUsual);
  const std::vector<Token> old = load.TakeAll(5);
  load.PlayWindow(10, 2 * kUsual);
  ASSERT_EQ(limit->snapshot().limit, 19);

  load.Pass(absl::Hours(2));
  load.Settle(old[0], 10 * kUsual);
  load.Settle(old[1], 100 * kUsual, TimedOut());
  load.Settle(old[2], kUsual, TurnedDown());
  EXPECT_EQ(limit->snapshot().limit, 19);
  EXPECT_EQ(limit->snapshot().latest_rtt, 2 * kUsual) << "none of them closed a window";
  load.PlayWindow(1, kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual) << "nor is in the next one";
  EXPECT_EQ(limit->snapshot().in_flight, 2) << "but each gave its place back";
}

TEST(AdaptiveLimitTest, WhatBeganBeforeItGrewCounts) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  const std::vector<Token> old = load.TakeAll(1);
  load.PlayWindow(10, kUsual);
  ASSERT_EQ(limit->snapshot().limit, 21);
  load.Pass(absl::Hours(2));
  load.Settle(old, 3 * kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, 3 * kUsual);
}

TEST(AdaptiveLimitTest, AdmitsNothingUntilWhatIsInFlightIsBelowALoweredLimit) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(1, kUsual);
  const std::vector<Token> taken = load.TakeAll();
  ASSERT_EQ(taken.size(), 20u);
  ASSERT_TRUE(
      limit->Reconfigure(Hourly({.min_limit = 1, .initial_limit = 5, .max_limit = 5})).ok());
  EXPECT_EQ(limit->snapshot().in_flight, 20);
  for (int i = 0; i < 15; ++i) {
    load.Settle(taken[static_cast<size_t>(i)], kUsual);
    EXPECT_FALSE(load.Take().has_value());
  }
  load.Settle(taken[15], kUsual);
  EXPECT_TRUE(load.Take().has_value());
}

TEST(AdaptiveLimitTest, DropsHalveItAtMost) {
  for (const LimitAlgorithm algorithm : {LimitAlgorithm::kGradient, LimitAlgorithm::kVegas}) {
    for (const Outcome& drop :
         {TimedOut(), TurnedDown(),
          testing::WithHint(FailedWith(absl::StatusCode::kUnavailable), absl::Seconds(1))}) {
      const auto limit = AdaptiveLimit(Hourly({.algorithm = algorithm, .initial_limit = 100}));
      LimitLoad load(*limit);
      load.PlayWindow(1, kUsual);
      for (const int expected : {50, 25, 12, 6, 3, 1, 1}) {
        load.PlayWindow(1, kUsual, drop);
        EXPECT_EQ(limit->snapshot().limit, expected);
      }
    }
  }
}

TEST(AdaptiveLimitTest, ByHalfOfTheirShare) {
  const auto limit = AdaptiveLimit(Hourly({.initial_limit = 100}));
  LimitLoad load(*limit);
  load.PlayWindow(1, kUsual);
  const std::vector<Token> taken = load.TakeAll();
  for (size_t i = 0; i < 90; ++i) load.Settle(taken[i], kUsual);
  for (size_t i = 90; i < 99; ++i) load.Settle(taken[i], absl::ZeroDuration(), TurnedDown());
  load.Pass(absl::Hours(1));
  load.Settle(taken[99], absl::ZeroDuration(), TurnedDown());
  EXPECT_EQ(limit->snapshot().limit, 95) << "ten of a hundred";
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual) << "to be turned down takes no time that counts";
}

TEST(AdaptiveLimitTest, WhatTimedOutTookAtLeastThatLong) {
  const auto limit = AdaptiveLimit(Hourly());
  LimitLoad load(*limit);
  load.PlayWindow(1, kUsual);
  load.PlayWindow(10, 3 * kUsual, TimedOut());
  EXPECT_EQ(limit->snapshot().latest_rtt, 3 * kUsual);
}

// A call with little time left says nothing of a peer that usually takes longer.
TEST(AdaptiveLimitTest, TooLittleTimeIsNoDrop) {
  const auto limit = AdaptiveLimit(Hourly());
  LimitLoad load(*limit);
  load.PlayWindow(1, kUsual);
  load.PlayWindow(10, kUsual / 2, TimedOut());
  EXPECT_EQ(limit->snapshot().limit, 20);
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual);
  load.PlayWindow(10, kUsual, TimedOut());
  EXPECT_EQ(limit->snapshot().limit, 10);
}

TEST(AdaptiveLimitTest, AWindowHoldsEnoughResults) {
  const auto limit = AdaptiveLimit({.window = absl::Milliseconds(1), .window_results = 10});
  LimitLoad load(*limit);
  for (int i = 0; i < 9; ++i) {
    load.Pass(absl::Hours(1));
    load.Settle(load.TakeAll(1), kUsual);
  }
  EXPECT_EQ(limit->snapshot().latest_rtt, absl::ZeroDuration());
  load.Settle(load.TakeAll(1), kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual);
}

TEST(AdaptiveLimitTest, AWindowLastsAsLongAsItShouldAndTwiceARoundTrip) {
  const auto limit = AdaptiveLimit({.window = absl::Milliseconds(100), .window_results = 1});
  LimitLoad load(*limit);
  const auto settles_after = [&](absl::Duration pause, absl::Duration rtt) {
    load.Pass(pause);
    load.Settle(load.TakeAll(1), rtt);
    return limit->snapshot().latest_rtt;
  };
  constexpr absl::Duration kShort = absl::Microseconds(256);
  settles_after(absl::ZeroDuration(), kShort);
  EXPECT_EQ(settles_after(absl::Milliseconds(99), kShort), absl::ZeroDuration());
  EXPECT_EQ(settles_after(absl::Milliseconds(1), kShort), kShort);
  EXPECT_EQ(settles_after(absl::Milliseconds(100), kUsual), kUsual);
  EXPECT_EQ(settles_after(absl::Milliseconds(1999), kShort), kUsual) << "two seconds";
  EXPECT_LT(settles_after(absl::Milliseconds(1), kShort), kUsual);
}

TEST(AdaptiveLimitTest, RefusesACallAboveTheLimit) {
  const auto limit = AdaptiveLimit({.initial_limit = 1});
  const auto set = PolicySet::Create({limit});
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace first(*set, {});
  MachineTrace second(*set, {});
  MachineTrace third(*set, {});
  const std::string refused = "0:end:overload 0:done";
  first.Play([&](int, AttemptKind) {
    EXPECT_EQ(second.Play([](int, AttemptKind) { return Succeeds(1); }), refused);
    return Succeeds(5);
  });
  EXPECT_EQ(first.trace(), "0:start#1 5:ok#1 5:deliver#1 5:done");
  EXPECT_EQ(third.Play([](int, AttemptKind) { return Succeeds(1); }),
            "0:start#1 1:ok#1 1:deliver#1 1:done");
  EXPECT_EQ(limit->snapshot().refused, 1);
}

// A failed attempt has given its place back when its retry asks for one.
TEST(AdaptiveLimitTest, ARetryMayTakeThePlaceOfItsOwnFailure) {
  const auto limit = AdaptiveLimit({.initial_limit = 1});
  const auto set = PolicySet::Create(
      {limit, Retry({.max_attempts = 2, .backoff = Constant(absl::ZeroDuration())})});
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace call(*set, {});
  EXPECT_EQ(call.Play([](int id, AttemptKind) { return id == 0 ? Fails(1) : Succeeds(1); }),
            "0:start#1 1:failed#1 1:start#2 2:ok#2 2:deliver#2 2:done");
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

TEST(AdaptiveLimitTest, ACallThatIsGivenUpGivesItsPlaceBack) {
  const auto limit = AdaptiveLimit({.initial_limit = 1});
  const auto set = PolicySet::Create({limit});
  ASSERT_TRUE(set.ok()) << set.status();
  {
    CallMachine machine(*set, {});
    machine.Begin(kEnded);
    EXPECT_EQ(machine.Next().type, CallMachine::Action::Type::kStart);
    EXPECT_EQ(limit->snapshot().in_flight, 1);
  }
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

TEST(AdaptiveLimitTest, ReconfiguresWithoutLosingWhatItLearned) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  for (int i = 0; i < 5; ++i) load.PlayWindow(20, kUsual);
  ASSERT_EQ(limit->snapshot().limit, 25);
  AdaptiveLimitOptions options = Vegas();
  options.initial_limit = options.max_limit = 24;
  const std::vector<Token> old = load.TakeAll(1);
  ASSERT_TRUE(limit->Reconfigure(options).ok());
  EXPECT_EQ(limit->snapshot().limit, 24) << "as far as the bounds let it";
  EXPECT_EQ(limit->snapshot().usual_rtt, kUsual);
  load.Pass(absl::Hours(2));
  load.Settle(old, 9 * kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual) << "lowered: another epoch";

  options.max_limit = 100;
  options.initial_limit = 7;
  ASSERT_TRUE(limit->Reconfigure(options).ok());
  EXPECT_EQ(limit->snapshot().limit, 24) << "the initial limit is for the beginning";
}

TEST(AdaptiveLimitTest, AReplacementBeginsAnotherWindow) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(20, kUsual);
  load.Settle(load.TakeAll(5), 5 * kUsual, TimedOut());
  load.Settle(load.TakeAll(5), 5 * kUsual);
  AdaptiveLimitOptions options = Vegas();
  options.initial_limit = options.max_limit = 20;
  ASSERT_TRUE(limit->Reconfigure(options).ok());
  load.Pass(absl::Hours(2));
  load.Settle(load.TakeAll(1), kUsual);
  EXPECT_EQ(limit->snapshot().limit, 20);
  load.PlayWindow(1, 3 * kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, 2 * kUsual) << "of these two";
  EXPECT_EQ(limit->snapshot().limit, 20) << "without a drop";
}

TEST(AdaptiveLimitTest, AnotherAlgorithmLearnsAnew) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(20, kUsual);
  ASSERT_TRUE(limit->Reconfigure(Hourly()).ok());
  EXPECT_EQ(limit->snapshot().limit, 21);
  EXPECT_EQ(limit->snapshot().usual_rtt, absl::ZeroDuration());
  load.PlayWindow(20, 4 * kUsual);
  EXPECT_EQ(limit->snapshot().usual_rtt, 4 * kUsual);
}

TEST(AdaptiveLimitTest, AReplacementThatMakesNoSenseChangesNothing) {
  const auto limit = AdaptiveLimit();
  const absl::Status bad = limit->Reconfigure({.max_limit = 10});
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bad.message(), "AdaptiveLimit.initial_limit is 20; it must be from 1 to 10");
  LimitLoad load(*limit);
  EXPECT_EQ(load.TakeAll().size(), 20u);
}

TEST(AdaptiveLimitTest, SaysWhichOptionMakesNoSense) {
  const struct {
    AdaptiveLimitOptions options;
    const char* message;
  } cases[] = {
      {{.min_limit = 0}, "AdaptiveLimit.min_limit is 0; it must be from 1 to 1000000"},
      {{.min_limit = 21}, "AdaptiveLimit.initial_limit is 20; it must be from 21 to 200"},
      {{.initial_limit = 201}, "AdaptiveLimit.initial_limit is 201; it must be from 1 to 200"},
      {{.max_limit = 1000001}, "AdaptiveLimit.max_limit is 1000001; it must be from 1 to 1000000"},
      {{.min_limit = 5, .initial_limit = 5, .max_limit = 4},
       "AdaptiveLimit.max_limit is 4; it must be from 5 to 1000000"},
      {{.window = absl::ZeroDuration()},
       "AdaptiveLimit.window is 0; it must be positive and finite"},
      {{.window = absl::InfiniteDuration()},
       "AdaptiveLimit.window is inf; it must be positive and finite"},
      {{.window_results = 0}, "AdaptiveLimit.window_results is 0; it must be from 1 to 1000000000"},
      {{.tolerance = 0.9}, "AdaptiveLimit.tolerance is 0.9; it must be from 1 to 100"},
      {{.tolerance = std::nan("")}, "AdaptiveLimit.tolerance is NaN; it must be from 1 to 100"},
      {{.queue = -1}, "AdaptiveLimit.queue is -1; it must be from 0 to 1000000"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({AdaptiveLimit(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

TEST(AdaptiveLimitTest, DescribesItself) {
  Description description;
  AdaptiveLimit()->Describe(description);
  ASSERT_EQ(description.does.size(), 1u);
  EXPECT_EQ(
      description.does[0],
      "refuses attempts above a limit of 1 to 200 in flight, which follows the round-trip times");
  EXPECT_EQ(description.shares, "its limit");
  EXPECT_TRUE(description.warnings.empty());

  Description fixed;
  AdaptiveLimit({.min_limit = 20, .max_limit = 20})->Describe(fixed);
  ASSERT_EQ(fixed.warnings.size(), 1u);
  EXPECT_EQ(fixed.warnings[0],
            "AdaptiveLimit can't adapt: min_limit and max_limit are both 20; a Bulkhead says that "
            "plainly.");
}

TEST(AdaptiveLimitTest, MeasuresItself) {
  const auto limit = AdaptiveLimit(Hourly({.initial_limit = 10}));
  LimitLoad load(*limit);
  load.PlayWindow(4, kUsual);
  load.PlayWindow(1, 3 * kUsual);
  ASSERT_EQ(load.TakeAll().size(), 10u);
  limit->Refused(View());
  std::string text;
  limit->Measure([&](const Gauge& gauge) {
    absl::StrAppend(&text, internal::ToAbsl(gauge.name), gauge.counts_up ? "+" : "", "=",
                    gauge.value, " ");
  });
  EXPECT_EQ(text, "limit=10 in_flight=10 latest_rtt_seconds=3 usual_rtt_seconds=2 refused+=1 ");
}

// tower and failsafe-go check shared counters, then act on them.
TEST(AdaptiveLimitTest, ThreadsNeverExceedIt) {
  constexpr int kLimit = 1;  // two threads at once are enough to exceed it
  constexpr int kEach = 20000;
  const auto limit =
      AdaptiveLimit({.min_limit = kLimit, .initial_limit = kLimit, .max_limit = kLimit});
  std::atomic<int> in_flight = 0;
  std::atomic<int> exceeded = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        Token token = 0;
        if (limit->Reserve(View(), token, nullptr) != Verdict::Admit()) continue;
        if (++in_flight > kLimit) ++exceeded;
        std::this_thread::yield();  // so that the others come meanwhile
        --in_flight;
        if (i % 3 == 0) {
          limit->Void(token, nullptr);
        } else {
          Outcome outcome;
          outcome.ended = outcome.started + absl::Milliseconds(i);
          limit->Settle(token, outcome);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(exceeded, 0);
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

// With windows that close all the time, failures, and options that change meanwhile.
TEST(AdaptiveLimitTest, ThreadsGiveEveryPlaceBackWhileItMoves) {
  constexpr int kEach = 20000;
  AdaptiveLimitOptions options = {.window = absl::Milliseconds(10), .window_results = 5};
  const auto limit = AdaptiveLimit(options);
  std::atomic<int> over = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Token token = 0;
        if (limit->Reserve(View(), token, nullptr) != Verdict::Admit()) continue;
        Outcome outcome = i % 7 == t ? TimedOut() : Outcome();
        outcome.started = kEnded + absl::Milliseconds(i);
        outcome.ended = outcome.started + absl::Milliseconds(i % 10);
        limit->Settle(token, outcome);
      }
      ++over;
    });
  }
  while (over < 4) {
    options.algorithm = options.algorithm == LimitAlgorithm::kVegas ? LimitAlgorithm::kGradient
                                                                    : LimitAlgorithm::kVegas;
    ASSERT_TRUE(limit->Reconfigure(options).ok());
    EXPECT_LE(limit->snapshot().in_flight, 4);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

// All in flight are turned down together: that is one overload, whoever comes first.
TEST(AdaptiveLimitTest, ThreadsThatAreTurnedDownTogetherLowerItOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 10;
  for (int round = 0; round < 100; ++round) {
    const auto limit = AdaptiveLimit(Hourly({.initial_limit = 100}));
    LimitLoad load(*limit);
    load.PlayWindow(1, kUsual);
    const std::vector<Token> taken = load.TakeAll(kThreads * kEach);
    std::atomic<int> ready = 0;
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        ++ready;
        while (ready < kThreads) std::this_thread::yield();
        for (size_t i = 0; i < kEach; ++i) {
          Outcome outcome = TurnedDown();
          outcome.ended = kEnded + absl::Hours(10) * (i * kThreads + t + 1);  // closes a window
          outcome.started = outcome.ended;
          limit->Settle(taken[t * kEach + i], outcome);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(limit->snapshot().limit, 50);
    ASSERT_EQ(limit->snapshot().in_flight, 0);
  }
}

}  // namespace
}  // namespace redial
