#include "redial/policies/adaptive_throttle.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <deque>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Fails;
using testing::kEnded;
using testing::MachineTrace;
using testing::Succeeds;

constexpr absl::Duration kNow = absl::ZeroDuration();

View ViewAt(absl::Duration when, uint64_t seed = 1) {
  View view;
  view.now = kEnded + when;
  view.seed = seed;
  view.identity = 7;
  return view;
}
Outcome Accepted() {
  Outcome outcome;
  outcome.sent = Sent::kAnswered;
  return outcome;
}
Outcome Denied() { return FailedWith(absl::StatusCode::kResourceExhausted); }

void Settle(Policy& throttle, Outcome outcome, absl::Duration sent, absl::Duration ended) {
  outcome.started = kEnded + sent;
  outcome.ended = kEnded + ended;
  throttle.Settle(0, outcome);
}
void Accept(Policy& throttle, int times, absl::Duration when = kNow) {
  for (int i = 0; i < times; ++i) Settle(throttle, Accepted(), when, when);
}
void Deny(Policy& throttle, int times, absl::Duration when = kNow) {
  for (int i = 0; i < times; ++i) Settle(throttle, Denied(), when, when);
}
double ProbabilityOf(const AdaptiveThrottlePolicy& throttle) {
  return throttle.snapshot().refusal_probability;
}
// How many of so many calls with seeds of their own are refused.
int RefusedOf(Policy& throttle, int calls, absl::Duration when = kNow) {
  int refused = 0;
  for (int i = 0; i < calls; ++i) {
    const Verdict verdict = throttle.Judge(ViewAt(when, static_cast<uint64_t>(i) + 1));
    EXPECT_EQ(verdict, throttle.Judge(ViewAt(when, static_cast<uint64_t>(i) + 1)));
    if (verdict == Verdict::Reject(Reason::kOverload)) {
      ++refused;
    } else {
      EXPECT_EQ(verdict, Verdict::Admit());
    }
  }
  return refused;
}

// failsafe-go's AdaptiveThrottler: a threshold of 0.9 is a multiplier of 1/0.9, and its padding is 1.
TEST(AdaptiveThrottleTest, RefusesAsFailsafeGo) {
  const auto some = AdaptiveThrottle({.multiplier = 1 / 0.9, .padding = 1});
  Accept(*some, 90);
  Deny(*some, 30);
  EXPECT_DOUBLE_EQ(ProbabilityOf(*some), 20.0 / 121);
  const auto none = AdaptiveThrottle({.multiplier = 1 / 0.9, .padding = 1});
  Accept(*none, 95);
  Deny(*none, 5);
  EXPECT_EQ(ProbabilityOf(*none), 0);
  EXPECT_EQ(RefusedOf(*none, 1000), 0);
}

// failsafe-go, TestAdaptiveThrottler_AcquirePermit.
TEST(AdaptiveThrottleTest, OneFailureIsHalfAsFailsafeGoCounts) {
  const auto throttle = AdaptiveThrottle({.padding = 1});
  Deny(*throttle, 1);
  EXPECT_DOUBLE_EQ(ProbabilityOf(*throttle), 0.5);
}

// grpc-go, TestShouldThrottleOptions: at a draw of 0.5, after each response; what it refuses counts as
// a request.
TEST(AdaptiveThrottleTest, ThrottlesAsGrpcGo) {
  const std::string responses = "TTTTTTTTTAAAAAATTTT";
  const struct {
    double multiplier;
    double padding;
    std::string refused;
  } rows[] = {
      {1.1, 8, "nnnnnnnnyyyyynnnyyy"},
      {1.1, 7, "nnnnnnnyyyyyyyyyyyy"},
      {1.4, 8, "nnnnnnnnyynnnnnnnnn"},
  };
  for (const auto& row : rows) {
    const auto throttle = AdaptiveThrottle({.multiplier = row.multiplier, .padding = row.padding});
    std::string refused;
    for (const char response : responses) {
      Settle(*throttle, response == 'T' ? Denied() : Accepted(), kNow, kNow);
      const bool refuses = ProbabilityOf(*throttle) > 0.5;
      if (refuses) throttle->Refused(ViewAt(kNow));
      refused += refuses ? 'y' : 'n';
    }
    EXPECT_EQ(refused, row.refused) << row.multiplier << " " << row.padding;
  }
}

TEST(AdaptiveThrottleTest, RefusesThatShareByLot) {
  const auto throttle = AdaptiveThrottle();
  EXPECT_EQ(RefusedOf(*throttle, 1000), 0);
  Accept(*throttle, 100);
  Deny(*throttle, 100);
  EXPECT_EQ(RefusedOf(*throttle, 1000), 0) << "it may refuse as many as it accepts";
  Deny(*throttle, 192);
  EXPECT_DOUBLE_EQ(ProbabilityOf(*throttle), 0.48);
  EXPECT_NEAR(RefusedOf(*throttle, 10000), 4800, 200);
}

TEST(AdaptiveThrottleTest, LetsSomeThroughHoweverBadItIs) {
  const auto throttle = AdaptiveThrottle({.max_refusal = 0.8});
  Deny(*throttle, 10000);
  EXPECT_DOUBLE_EQ(ProbabilityOf(*throttle), 0.8);
  EXPECT_NEAR(RefusedOf(*throttle, 10000), 8000, 200);
}

// As in grpc-go: counted when they begin, the later ones of many would find that little was accepted.
TEST(AdaptiveThrottleTest, CallsThatBeginTogetherMeetNoThrottle) {
  const auto throttle = AdaptiveThrottle();
  const auto set = PolicySet::Create({throttle});
  ASSERT_TRUE(set.ok()) << set.status();
  std::deque<CallMachine> in_flight;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    CallMachine& call = in_flight.emplace_back(
        *set, CallMachine::Config{.deadline = {}, .idempotent = true, .seed = seed});
    call.Begin(kEnded);
    ASSERT_EQ(call.Next().type, CallMachine::Action::Type::kStart) << seed;
  }
  EXPECT_EQ(throttle->snapshot().requests, 0);
  EXPECT_EQ(RefusedOf(*throttle, 1000), 0);
  for (CallMachine& call : in_flight) {
    Outcome accepted = Accepted();
    call.AttemptDone(kEnded, 0, accepted);
  }
  EXPECT_EQ(throttle->snapshot().requests, 1000);
  EXPECT_EQ(throttle->snapshot().accepts, 1000);
}

TEST(AdaptiveThrottleTest, WhatAnAttemptComesTo) {
  const auto failed = [](absl::StatusCode code, Sent sent, int error = 0) {
    Outcome outcome = FailedWith(code, error);
    outcome.sent = sent;
    return outcome;
  };
  using Code = absl::StatusCode;
  Outcome aborted = Denied();
  aborted.aborted = true;
  Outcome failed_result = Accepted();
  failed_result.failed_result = true;
  const struct {
    Outcome outcome;
    int requests;
    int accepts;
  } rows[] = {
      {Accepted(), 1, 1},
      {failed_result, 1, 1},
      {failed(Code::kResourceExhausted, Sent::kAnswered), 1, 0},
      {failed(Code::kDeadlineExceeded, Sent::kMaybe), 1, 0},
      {failed(Code::kDeadlineExceeded, Sent::kNo), 1, 0},
      {testing::WithHint(failed(Code::kUnavailable, Sent::kRejected), absl::Seconds(1)), 1, 0},
      {failed(Code::kUnavailable, Sent::kMaybe, ECONNRESET), 1, 1},
      {failed(Code::kNotFound, Sent::kAnswered), 1, 1},
      {failed(Code::kUnavailable, Sent::kNo, ECONNREFUSED), 0, 0},
      {failed(Code::kResourceExhausted, Sent::kNo, EMFILE), 0, 0},
      {aborted, 0, 0},
  };
  int row_number = 0;
  for (const auto& row : rows) {
    const auto throttle = AdaptiveThrottle();
    Settle(*throttle, row.outcome, kNow, kNow);
    EXPECT_EQ(throttle->snapshot().requests, row.requests) << row_number;
    EXPECT_EQ(throttle->snapshot().accepts, row.accepts) << row_number;
    ++row_number;
  }
}

TEST(AdaptiveThrottleTest, APredicateSaysWhatIsNotAccepted) {
  const auto throttle = AdaptiveThrottle(
      {.overload_on = OnCode(absl::StatusCode::kUnavailable) ||
                      OnResult<int>([](const int& status) { return status == 503; })});
  const int busy = 503;
  const int fine = 200;
  Settle(*throttle, testing::Returned(busy), kNow, kNow);
  Settle(*throttle, FailedWith(absl::StatusCode::kUnavailable), kNow, kNow);
  EXPECT_EQ(throttle->snapshot().accepts, 0);
  Settle(*throttle, testing::Returned(fine), kNow, kNow);
  Settle(*throttle, FailedWith(absl::StatusCode::kResourceExhausted), kNow, kNow);
  EXPECT_EQ(throttle->snapshot().accepts, 2);
  EXPECT_EQ(throttle->snapshot().requests, 4);
}

TEST(AdaptiveThrottleTest, ForgetsWhatIsOlderThanItsWindow) {
  const auto throttle = AdaptiveThrottle({.window = absl::Seconds(10)});
  Deny(*throttle, 100, kNow);
  EXPECT_GT(RefusedOf(*throttle, 100, absl::Seconds(9)), 0);
  EXPECT_EQ(RefusedOf(*throttle, 1000, absl::Seconds(10)), 0);
  EXPECT_EQ(throttle->snapshot().requests, 0);
}

// What was accepted may be what is forgotten first.
TEST(AdaptiveThrottleTest, LooksAgainWhenASliceEnds) {
  const auto throttle = AdaptiveThrottle({.window = absl::Seconds(10)});
  Accept(*throttle, 100, kNow);
  Deny(*throttle, 100, absl::Seconds(5));
  EXPECT_EQ(RefusedOf(*throttle, 1000, absl::Seconds(5)), 0);
  EXPECT_GT(RefusedOf(*throttle, 1000, absl::Seconds(10)), 800);
}

// A result that comes late belongs to the time at which its attempt was sent: it says nothing of a
// server that is better by now.
TEST(AdaptiveThrottleTest, CountsForTheTimeOfSending) {
  const auto throttle = AdaptiveThrottle({.window = absl::Seconds(10)});
  Accept(*throttle, 1, kNow);
  Settle(*throttle, Denied(), kNow, absl::Seconds(4));
  Settle(*throttle, Accepted(), kNow, absl::Seconds(4));
  Settle(*throttle, Accepted(), absl::Seconds(4), absl::Seconds(4));
  EXPECT_EQ(throttle->snapshot().requests, 4);
  (void)throttle->Judge(ViewAt(absl::Seconds(10)));
  EXPECT_EQ(throttle->snapshot().requests, 1);
  Settle(*throttle, Denied(), kNow, absl::Seconds(11));
  Settle(*throttle, Accepted(), kNow, absl::Seconds(11));
  EXPECT_EQ(throttle->snapshot().requests, 1) << "sent in a slice that is gone";
  (void)throttle->Judge(ViewAt(absl::Hours(1)));
  EXPECT_EQ(throttle->snapshot().requests, 0);
}

TEST(AdaptiveThrottleTest, EndsOnceTheServerAccepts) {
  const auto throttle = AdaptiveThrottle();
  Deny(*throttle, 50);
  EXPECT_GT(RefusedOf(*throttle, 1000), 700);
  Accept(*throttle, 50);
  EXPECT_EQ(RefusedOf(*throttle, 1000), 0);
  EXPECT_EQ(throttle->snapshot().accepts, 50);
}

// The seed of a call that draws less than 0.5 before its first attempt.
uint64_t SeedThatIsRefused(const PolicySet& set) {
  for (uint64_t seed = 1;; ++seed) {
    View view = ViewAt(kNow, seed);
    view.identity = set.all()[0].identity;
    if (view.Uniform() < 0.5) return seed;
  }
}

TEST(AdaptiveThrottleTest, ARefusedCallCountsOnce) {
  const auto throttle = AdaptiveThrottle();
  const auto set = PolicySet::Create({throttle});
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace refused(*set, {.deadline = {}, .seed = SeedThatIsRefused(*set)});
  Deny(*throttle, 10, refused.At(0) - kEnded);
  EXPECT_DOUBLE_EQ(ProbabilityOf(*throttle), 10.0 / 18);
  EXPECT_EQ(refused.Play([](int, AttemptKind) { return Succeeds(1); }), "0:end:overload 0:done");
  EXPECT_EQ(throttle->snapshot().requests, 11);
  EXPECT_EQ(throttle->snapshot().refused, 1);
}

TEST(AdaptiveThrottleTest, ARetryThatItRefusesLeavesTheFailure) {
  const auto throttle = AdaptiveThrottle({.padding = 0, .max_refusal = 0.999999});
  const auto set = PolicySet::Create(
      {Retry({.max_attempts = 5, .backoff = Constant(absl::ZeroDuration())}), throttle});
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
  EXPECT_EQ(trace.Play([](int, AttemptKind) {
    return Fails(1, Sent::kAnswered, absl::StatusCode::kResourceExhausted);
  }),
            "0:start#1 1:failed#1 1:end:overload 1:done");
  EXPECT_EQ(throttle->snapshot().requests, 2);
}

TEST(AdaptiveThrottleTest, ReconfiguresWithoutLosingWhatWasCounted) {
  const auto throttle = AdaptiveThrottle();
  Accept(*throttle, 10);
  Deny(*throttle, 30);
  Accept(*throttle, 5);
  ASSERT_TRUE(throttle->Reconfigure({.multiplier = 1, .window = absl::Seconds(10)}).ok());
  EXPECT_EQ(throttle->snapshot().requests, 45);
  EXPECT_DOUBLE_EQ(ProbabilityOf(*throttle), 30.0 / 53);
  EXPECT_GT(RefusedOf(*throttle, 1000), 400) << "at once";
  EXPECT_EQ(throttle->snapshot().requests, 45);
  EXPECT_EQ(throttle->Reconfigure({.multiplier = 0.5}).message(),
            "AdaptiveThrottle.multiplier is 0.5; it must be from 1 to 1000");
  EXPECT_EQ(RefusedOf(*throttle, 1000, absl::Seconds(10)), 0) << "older than the new window";
}

// The stricter and the laxer of two, so that neither is what the other one's calm allows.
TEST(AdaptiveThrottleTest, ACallKeepsTheConfigurationThatItBeganWith) {
  const auto throttle = AdaptiveThrottle({.multiplier = 1});
  Accept(*throttle, 100);
  Deny(*throttle, 100);
  View began_strict = ViewAt(kNow);
  began_strict.config = throttle->CurrentConfig();
  ASSERT_TRUE(throttle->Reconfigure({.multiplier = 3}).ok());
  View began_lax = ViewAt(kNow);
  began_lax.config = throttle->CurrentConfig();
  const auto refused = [&](View view) {
    int count = 0;
    for (view.seed = 1; view.seed <= 1000; ++view.seed) {
      count += throttle->Judge(view) == Verdict::Admit() ? 0 : 1;
    }
    return count;
  };
  EXPECT_NEAR(refused(began_strict), 1000 * 100 / 208, 60);
  EXPECT_EQ(refused(began_lax), 0);
  ASSERT_TRUE(throttle->Reconfigure({.multiplier = 1}).ok());
  EXPECT_NEAR(refused(began_strict), 1000 * 100 / 208, 60);
  EXPECT_EQ(refused(began_lax), 0);
}

TEST(AdaptiveThrottleTest, SaysWhichOptionMakesNoSense) {
  const struct {
    AdaptiveThrottleOptions options;
    const char* message;
  } cases[] = {
      {{.multiplier = 0.9}, "AdaptiveThrottle.multiplier is 0.9; it must be from 1 to 1000"},
      {{.multiplier = std::nan("")},
       "AdaptiveThrottle.multiplier is NaN; it must be from 1 to 1000"},
      {{.padding = -1}, "AdaptiveThrottle.padding is -1; it must be from 0 to 1e+09"},
      {{.window = absl::ZeroDuration()},
       "AdaptiveThrottle.window is 0; it must be from 1ms to 24h"},
      {{.window = absl::InfiniteDuration()},
       "AdaptiveThrottle.window is inf; it must be from 1ms to 24h"},
      {{.max_refusal = 1}, "AdaptiveThrottle.max_refusal is 1; it must be above 0 and below 1"},
      {{.max_refusal = 0}, "AdaptiveThrottle.max_refusal is 0; it must be above 0 and below 1"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({AdaptiveThrottle(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

TEST(AdaptiveThrottleTest, SaysWhatItDoes) {
  Description description;
  AdaptiveThrottle({.multiplier = 1.5})->Describe(description);
  EXPECT_EQ(
      description.does,
      (std::vector<std::string>{
          "refuses attempts by lot, at most 90% of them, when more than 1.5 are sent for each "
          "that the server accepts, over 2m"}));
  EXPECT_EQ(description.shares, "its count of what the server accepts");
}

TEST(AdaptiveThrottleTest, MeasuresItsState) {
  const auto throttle = AdaptiveThrottle();
  Accept(*throttle, 1);
  Deny(*throttle, 3);
  throttle->Refused(ViewAt(kNow));
  std::map<std::string, std::pair<double, bool>> gauges;
  throttle->Measure([&](const Gauge& gauge) {
    gauges[std::string(gauge.name)] = {gauge.value, gauge.counts_up};
  });
  EXPECT_EQ(gauges, (std::map<std::string, std::pair<double, bool>>{
                        {"window_requests", {5, false}},
                        {"window_accepts", {1, false}},
                        {"refusal_probability", {3.0 / 13, false}},
                        {"refused", {1, true}}}));
}

TEST(AdaptiveThrottleTest, ThreadsAreAllCounted) {
  constexpr int kEach = 10000;
  const auto throttle = AdaptiveThrottle({.window = absl::Hours(1)});
  std::latch all_there(4);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      all_there.arrive_and_wait();
      for (int i = 0; i < kEach; ++i) {
        const absl::Duration when = absl::Milliseconds(i * 100);
        if (i % 10 == 0) {
          Deny(*throttle, 1, when);
        } else if (i % 10 == 1 && t == 0) {
          throttle->Refused(ViewAt(when));
        } else {
          Accept(*throttle, 1, when);
        }
        (void)throttle->Judge(ViewAt(when));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto counted = throttle->snapshot();
  EXPECT_EQ(counted.requests, 4 * kEach);
  EXPECT_EQ(counted.accepts, 4 * kEach - 4 * kEach / 10 - kEach / 10);
  EXPECT_EQ(counted.refused, kEach / 10);
}

}  // namespace
}  // namespace redial
