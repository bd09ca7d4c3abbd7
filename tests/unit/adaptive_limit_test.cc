#include "redial/policies/adaptive_limit.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/limit_load.h"
#include "tests/support/machine_trace.h"
#include "tests/support/other_thread.h"
#include "tests/support/policy_view.h"
#include "tests/support/without_membarrier.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using testing::Hourly;
using testing::kEnded;
using testing::LimitLoad;
using testing::MachineTrace;
using testing::Other;
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

// What threads keep for their next attempt is no use of the limit: it doesn't let it grow, nor is anybody
// refused for it.
TEST(AdaptiveLimitTest, PlacesThatIdleThreadsKeepAreNotInFlight) {
  const auto limit =
      AdaptiveLimit(Hourly({.algorithm = LimitAlgorithm::kVegas, .initial_limit = 20}));
  LimitLoad load(*limit);
  std::deque<Other> others(4);
  const auto keep_places = [&] {
    for (Other& other : others) {
      other.Do([&] { load.Settle(load.TakeAll(1), absl::Milliseconds(10)); });
    }
  };
  keep_places();
  EXPECT_EQ(limit->snapshot().in_flight, 0);
  load.PlayWindow(9, absl::Milliseconds(10));
  EXPECT_EQ(limit->snapshot().limit, 20) << "less than half of it was used";
  keep_places();
  load.PlayWindow(10, absl::Milliseconds(10));
  EXPECT_EQ(limit->snapshot().limit, 20 + 1);
  keep_places();
  EXPECT_EQ(load.TakeAll().size(), 21u);
  EXPECT_EQ(limit->snapshot().in_flight, 21);
}

bool Admits(AdaptiveLimitPolicy& limit) {
  const View view;
  Token token = 0;
  return limit.Judge(view) == Verdict::Admit() &&
         limit.Reserve(view, token, nullptr) == Verdict::Admit();
}

// A place that a recall was refused is found by whoever may look for it, and else by its own thread.
TEST(AdaptiveLimitTest, PlacesBeyondASandboxAreFoundAgain) {
  for (const bool all : {false, true}) {
    const auto limit = AdaptiveLimit(Hourly({.initial_limit = 20}));
    LimitLoad load(*limit);
    std::deque<Other> others(6);
    for (Other& other : others) {
      other.Do([&] { load.Settle(load.TakeAll(1), absl::Milliseconds(10)); });
    }
    Other sandboxed;
    sandboxed.Do([&] {
      ASSERT_TRUE(testing::ForbidMembarrier());
      ASSERT_TRUE(
          limit->Reconfigure(Hourly({.min_limit = 1, .initial_limit = 4, .max_limit = 4})).ok());
      EXPECT_FALSE(Admits(*limit));
    });
    int admitted = 0;
    for (Other& other : others) {
      other.Do([&] {
        if (all) {
          ASSERT_TRUE(testing::ForbidMembarrier());
        }
        admitted += Admits(*limit) ? 1 : 0;
      });
      if (&other == &others.front()) {
        EXPECT_EQ(admitted, all ? 0 : 1);
      }
    }
    EXPECT_EQ(admitted, 4) << (all ? "each brings its own" : "the first brings all");
    EXPECT_EQ(limit->snapshot().in_flight, 4);
  }
}

}  // namespace
}  // namespace redial
