#include "redial/policies/attempt_timeout.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_join.h"
#include "policies/latency_window.h"
#include "redial/client.h"
#include "redial/policies/backoff.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "redial/testing/fake_network.h"
#include "tests/support/machine_trace.h"

namespace redial {
namespace {

using testing::Hangs;
using testing::MachineTrace;

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

View With(absl::Duration remaining, int attempts = 0) {
  View view;
  view.now = kNow;
  view.attempts = attempts;
  view.deadline = Deadline::After(kNow, remaining);
  return view;
}
absl::Duration Proposed(const Policy& policy, const View& view) {
  const int64_t nanos = policy.Propose(view).attempt_timeout_nanos;
  return nanos == Proposal::kNone ? absl::InfiniteDuration() : absl::Nanoseconds(nanos);
}
absl::Duration Proposed(const Policy& policy) {
  return Proposed(policy, With(absl::InfiniteDuration()));
}

Outcome Took(absl::Duration time, Instant ended = kNow) {
  Outcome outcome;
  outcome.started = ended - time;
  outcome.ended = ended;
  return outcome;
}
Outcome Connected(absl::Duration time, Instant ended = kNow) {
  Outcome outcome = Took(time, ended);
  outcome.connect_nanos = ToNanos(time);
  return outcome;
}
void Learn(Policy& policy, int times, absl::Duration time, Instant ended = kNow) {
  for (int i = 0; i < times; ++i) policy.Settle(0, Took(time, ended));
}
absl::Duration RoundedUp(absl::Duration d) {
  return absl::Nanoseconds(internal::LatencyWindow::RoundedUp(ToNanos(d)));
}

TEST(AttemptTimeoutTest, Proposes) {
  EXPECT_EQ(AttemptTimeout(absl::Milliseconds(500))->Propose(View()).attempt_timeout_nanos,
            500'000'000);
  EXPECT_EQ(AttemptTimeout(absl::Nanoseconds(1) / 4)->Propose(View()).attempt_timeout_nanos, 1);
}

TEST(AttemptTimeoutTest, BoundsEachAttempt) {
  const PolicySet set = *PolicySet::Create(
      {Retry({.max_attempts = 2, .backoff = Constant(absl::Milliseconds(10))}),
       AttemptTimeout(absl::Milliseconds(500)), AttemptTimeout(absl::Milliseconds(300))});
  MachineTrace trace(set, {.deadline = {}, .idempotent = true, .seed = 1});
  EXPECT_EQ(trace.Play([](int, AttemptKind) { return Hangs(); }),
            "0:start#1 300:failed#1 300:wait(310,backoff) 310:start#2 610:failed#2 "
            "610:end:exhausted 610:done");
}

TEST(AttemptTimeoutTest, GivesAShareOfWhatRemains) {
  const auto half = AttemptTimeout({.share = 0.5});
  EXPECT_EQ(Proposed(*half, With(absl::Seconds(8))), absl::Seconds(4));
  EXPECT_EQ(Proposed(*half, With(absl::Seconds(4))), absl::Seconds(2));
  EXPECT_EQ(Proposed(*half), absl::InfiniteDuration()) << "without a deadline";
  const auto bounded = AttemptTimeout({.timeout = absl::Seconds(3), .share = 0.5});
  EXPECT_EQ(Proposed(*bounded, With(absl::Seconds(8))), absl::Seconds(3));
  EXPECT_EQ(Proposed(*bounded), absl::Seconds(3));
}

TEST(AttemptTimeoutTest, SharesWhatRemainsAmongTheAttemptsThatAreLeft) {
  const auto third = AttemptTimeout({.share_among = 3});
  EXPECT_EQ(Proposed(*third, With(absl::Seconds(9), 0)), absl::Seconds(3));
  EXPECT_EQ(Proposed(*third, With(absl::Seconds(6), 1)), absl::Seconds(3));
  EXPECT_EQ(Proposed(*third, With(absl::Seconds(2), 2)), absl::Seconds(2));
  EXPECT_EQ(Proposed(*third, With(absl::Seconds(2), 7)), absl::Seconds(2)) << "more than so many";
}

TEST(AttemptTimeoutTest, AWholeCallInEvenShares) {
  const PolicySet set = *PolicySet::Create(
      {Retry({.backoff = Constant(absl::ZeroDuration())}), AttemptTimeout({.share_among = 3})});
  MachineTrace trace(
      set, {.deadline = Deadline(MachineTrace(set, {}).At(900)), .idempotent = true, .seed = 1});
  EXPECT_EQ(trace.Play([](int, AttemptKind) { return Hangs(); }),
            "0:start#1 300:failed#1 300:start#2 600:failed#2 600:start#3 900:failed#3 "
            "900:end:deadline 900:done");
}

TEST(AttemptTimeoutTest, LearnsFromSuccesses) {
  const auto policy = AttemptTimeout({.timeout = absl::Seconds(2), .quantile = 0.99, .factor = 3});
  EXPECT_EQ(Proposed(*policy), absl::Seconds(2)) << "nothing is known";
  Learn(*policy, 19, absl::Milliseconds(100));
  Outcome failed = Took(absl::Seconds(1));
  failed.code = absl::StatusCode::kDeadlineExceeded;
  Outcome aborted = Took(absl::Seconds(1));
  aborted.aborted = true;
  for (int i = 0; i < 100; ++i) {
    policy->Settle(0, failed);
    policy->Settle(0, aborted);
  }
  View later = With(absl::InfiniteDuration());
  later.now = kNow + absl::Seconds(1);
  EXPECT_EQ(Proposed(*policy, later), absl::Seconds(2)) << "nineteen are too few";
  Learn(*policy, 1, absl::Milliseconds(100));
  later.now = kNow + absl::Seconds(2);
  EXPECT_EQ(Proposed(*policy, later), 3 * RoundedUp(absl::Milliseconds(100)));
  EXPECT_EQ(policy->snapshot().latency, RoundedUp(absl::Milliseconds(100)));
  EXPECT_EQ(policy->snapshot().timeout, 3 * RoundedUp(absl::Milliseconds(100)));
  EXPECT_EQ(policy->snapshot().samples, 20);
  later.now = kNow + absl::Minutes(2);
  EXPECT_EQ(Proposed(*policy, later), absl::Seconds(2)) << "forgotten";
}

TEST(AttemptTimeoutTest, WhatIsLearntStaysInItsBounds) {
  const auto policy = AttemptTimeout({.timeout = absl::Seconds(2),
                                      .quantile = 0.5,
                                      .min_samples = 1,
                                      .min_timeout = absl::Milliseconds(50)});
  Learn(*policy, 3, absl::Microseconds(20));
  EXPECT_EQ(Proposed(*policy), absl::Milliseconds(50));
  Learn(*policy, 30, absl::Seconds(30));
  View later = With(absl::InfiniteDuration());
  later.now = kNow + absl::Seconds(2);
  EXPECT_EQ(Proposed(*policy, later), absl::Seconds(2));
}

TEST(AttemptTimeoutTest, ATimeoutAloneMayBeShort) {
  EXPECT_EQ(Proposed(*AttemptTimeout({.timeout = absl::Milliseconds(2)})), absl::Milliseconds(2));
}

TEST(AttemptTimeoutTest, NothingIsShorterThanRoundTripsAllow) {
  const auto policy = AttemptTimeout({.timeout = absl::Milliseconds(100), .share = 0.5});
  EXPECT_EQ(Proposed(*policy, With(absl::Milliseconds(60))), absl::Milliseconds(30));
  policy->Settle(0, Connected(absl::Milliseconds(90)));
  policy->Settle(0, Connected(absl::Milliseconds(80)));
  EXPECT_EQ(Proposed(*policy, With(absl::Milliseconds(60))), absl::Milliseconds(240));
  EXPECT_EQ(policy->snapshot().round_trip, absl::Milliseconds(80));
  // A connection that stood and then failed has shown how far away the server is.
  Outcome failed = Connected(absl::Milliseconds(40));
  failed.code = absl::StatusCode::kDeadlineExceeded;
  policy->Settle(0, failed);
  EXPECT_EQ(Proposed(*policy), absl::Milliseconds(120));
  for (int minute = 1; minute <= 2; ++minute) {
    policy->Settle(0, Connected(absl::Milliseconds(10), kNow + absl::Minutes(minute)));
  }
  EXPECT_EQ(Proposed(*policy), absl::Milliseconds(100)) << "the server came nearer";
}

TEST(AttemptTimeoutTest, TheSimpleFormIsExact) {
  const auto policy = AttemptTimeout(absl::Milliseconds(100));
  EXPECT_EQ(policy->traits().capabilities & Policy::kSettles, 0u) << "and learns nothing";
  policy->Settle(0, Connected(absl::Seconds(1)));
  EXPECT_EQ(Proposed(*policy), absl::Milliseconds(100));
}

// The client reports how long it took to connect.
TEST(AttemptTimeoutTest, AClientTellsTheRoundTrip) {
  testing::FakeNetwork net;
  net.Script("tcp://cache:6379")
      .AcceptAfter(absl::Milliseconds(70))
      .Expect("x")
      .Delay(absl::Milliseconds(900));
  const auto policy = AttemptTimeout({.timeout = absl::Seconds(2)});
  auto client = Client::Create("tcp://cache:6379", {policy}, {.network = net});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->Call({.operation = "x"}, [](Socket& socket) { return socket.Write("x"); }),
            absl::OkStatus());
  EXPECT_EQ(policy->snapshot().round_trip, absl::Milliseconds(70));
}

TEST(AttemptTimeoutTest, ReconfiguresWithoutForgetting) {
  const auto policy =
      AttemptTimeout({.timeout = absl::Seconds(2), .quantile = 0.5, .factor = 2, .min_samples = 1});
  Learn(*policy, 1, absl::Milliseconds(100));
  Learn(*policy, 1, absl::Milliseconds(400));
  View begun = With(absl::InfiniteDuration());
  begun.config = policy->CurrentConfig();
  EXPECT_EQ(Proposed(*policy, begun), 2 * RoundedUp(absl::Milliseconds(100)));
  ASSERT_EQ(policy->Reconfigure(
                {.timeout = absl::Seconds(1), .quantile = 1, .factor = 2, .min_samples = 1}),
            absl::OkStatus());
  EXPECT_EQ(Proposed(*policy), 2 * RoundedUp(absl::Milliseconds(400)));
  ASSERT_EQ(policy->Reconfigure({.timeout = absl::Milliseconds(300)}), absl::OkStatus());
  EXPECT_EQ(Proposed(*policy), absl::Milliseconds(300));
  EXPECT_EQ(Proposed(*policy, begun), 2 * RoundedUp(absl::Milliseconds(100))) << "as it began";
  EXPECT_EQ(policy->Reconfigure({}).message(),
            "AttemptTimeout bounds nothing; set timeout, share, share_among or quantile");
  EXPECT_EQ(Proposed(*policy), absl::Milliseconds(300));
}

TEST(AttemptTimeoutTest, CannotBeginToLearn) {
  const auto policy = AttemptTimeout(absl::Seconds(1));
  EXPECT_EQ(policy->Reconfigure({.quantile = 0.9, .round_trips = 0}).message(),
            "AttemptTimeout.quantile is 0.9; it must be 0 where the policy was made without");
  EXPECT_EQ(policy->Reconfigure({.timeout = absl::Seconds(2)}).message(),
            "AttemptTimeout.round_trips is 3; it must be 0 where the policy was made without");
  EXPECT_EQ(policy->Reconfigure({.timeout = absl::Seconds(2), .round_trips = 0}), absl::OkStatus());
  EXPECT_EQ(Proposed(*policy), absl::Seconds(2));
}

std::string Says(const Policy& policy) {
  Description d;
  policy.Describe(d);
  return absl::StrJoin(d.does, "; ");
}

TEST(AttemptTimeoutTest, Describes) {
  EXPECT_EQ(Says(*AttemptTimeout(absl::Seconds(1))), "gives each attempt 1s");
  const auto all = AttemptTimeout(
      {.timeout = absl::Seconds(2), .share = 0.5, .share_among = 3, .quantile = 0.99});
  EXPECT_EQ(
      Says(*all),
      "gives each attempt the shortest of 2s, 50% of what remains until the deadline, an even "
      "share of what remains among 3 attempts, 3 times what 99% of the latest successes took at "
      "most; "
      "computes nothing below 10ms; gives no attempt less than 3 round trips");
  Description d;
  all->Describe(d);
  EXPECT_EQ(d.attempt_timeout, absl::Seconds(2));
  EXPECT_EQ(d.shares, "the latencies that it has seen");
  EXPECT_TRUE(d.warnings.empty());
}

TEST(AttemptTimeoutTest, WarnsWhereTheServerIsTooFarAway) {
  const auto policy = AttemptTimeout({.timeout = absl::Milliseconds(100)});
  policy->Settle(0, Connected(absl::Milliseconds(80)));
  Description d;
  policy->Describe(d);
  EXPECT_EQ(absl::StrJoin(d.warnings, ""),
            "AttemptTimeout.timeout is 100ms, but 3 round trips to the server take 240ms, which it "
            "gives instead.");
}

TEST(AttemptTimeoutTest, Measures) {
  const auto policy =
      AttemptTimeout({.timeout = absl::Seconds(2), .quantile = 0.5, .min_samples = 1});
  Learn(*policy, 1, absl::Seconds(30));
  policy->Settle(0, Connected(absl::Milliseconds(250)));
  EXPECT_EQ(Proposed(*policy), 3 * RoundedUp(absl::Milliseconds(250)));
  std::map<std::string, double> gauges;
  policy->Measure([&](const Gauge& gauge) { gauges[std::string(gauge.name)] = gauge.value; });
  EXPECT_EQ(gauges.size(), 4u);
  EXPECT_EQ(gauges["timeout_seconds"],
            absl::ToDoubleSeconds(3 * RoundedUp(absl::Milliseconds(250))));
  EXPECT_EQ(gauges["latency_seconds"], absl::ToDoubleSeconds(RoundedUp(absl::Milliseconds(250))));
  EXPECT_EQ(gauges["latency_samples"], 2);
  EXPECT_EQ(gauges["round_trip_seconds"], 0.25);
}

TEST(AttemptTimeoutTest, NamesWhatMakesNoSense) {
  const auto complaint = [](absl::Duration timeout) {
    const absl::Status status = PolicySet::Create({AttemptTimeout(timeout)}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(complaint(absl::ZeroDuration()),
            "AttemptTimeout.timeout is 0; it must be positive and finite");
  EXPECT_EQ(complaint(absl::Seconds(-1)),
            "AttemptTimeout.timeout is -1s; it must be positive and finite");
  EXPECT_EQ(complaint(absl::InfiniteDuration()),
            "AttemptTimeout.timeout is inf; it must be positive and finite");
}

TEST(AttemptTimeoutTest, NamesTheOptionThatMakesNoSense) {
  const absl::Duration second = absl::Seconds(1);
  const struct {
    AttemptTimeoutOptions options;
    const char* message;
  } cases[] = {
      {{}, "AttemptTimeout bounds nothing; set timeout, share, share_among or quantile"},
      {{.timeout = absl::ZeroDuration()}, "AttemptTimeout.timeout is 0; it must be positive"},
      {{.share = 1.5}, "AttemptTimeout.share is 1.5; it must be 0 or from above 0 to 1"},
      {{.share_among = -1}, "AttemptTimeout.share_among is -1; it must not be negative"},
      {{.quantile = -0.1}, "AttemptTimeout.quantile is -0.1; it must be 0 or from above 0 to 1"},
      {{.timeout = second, .factor = 0.5},
       "AttemptTimeout.factor is 0.5; it must be finite and at least 1"},
      {{.timeout = second, .window = absl::ZeroDuration()},
       "AttemptTimeout.window is 0; it must be positive"},
      {{.timeout = second, .min_samples = 0},
       "AttemptTimeout.min_samples is 0; it must be at least 1"},
      {{.timeout = second, .share = 0.5, .min_timeout = 2 * second},
       "AttemptTimeout.min_timeout is 2s; it must not be above timeout, which is 1s"},
      {{.timeout = second, .min_timeout = -second},
       "AttemptTimeout.min_timeout is -1s; it must be finite and not negative"},
      {{.timeout = second, .round_trips = -1},
       "AttemptTimeout.round_trips is -1; it must be finite and not negative"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({AttemptTimeout(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

TEST(AttemptTimeoutTest, FingerprintsTellConfigurationsApart) {
  EXPECT_NE(AttemptTimeout(absl::Seconds(1))->Fingerprint(),
            AttemptTimeout(absl::Seconds(2))->Fingerprint());
  EXPECT_NE(AttemptTimeout({.share = 0.5})->Fingerprint(),
            AttemptTimeout({.share_among = 2})->Fingerprint());
}

TEST(AttemptTimeoutTest, ThreadsLearnTogether) {
  constexpr int kEach = 10'000;
  const auto policy = AttemptTimeout({.timeout = absl::Hours(1), .quantile = 1});
  Learn(*policy, 1, absl::Milliseconds(1));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&policy, t] {
      for (int i = 0; i < kEach; ++i) {
        policy->Settle(0, Connected(absl::Milliseconds(t)));
        EXPECT_GE(Proposed(*policy), absl::Milliseconds(3));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(policy->snapshot().samples, 1 + 4 * kEach);
  EXPECT_EQ(policy->snapshot().round_trip, absl::Milliseconds(1));
}

}  // namespace
}  // namespace redial
