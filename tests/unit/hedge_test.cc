#include "redial/policies/hedge.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policies/latency_window.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using internal::LatencyWindow;
using testing::Fails;
using testing::Hangs;
using testing::kMillisecond;
using testing::MachineTrace;
using testing::Succeeds;

constexpr int64_t kSecond = 1000 * kMillisecond;

PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

std::string Play(const PolicySet& set,
                 std::function<testing::ScriptedOutcome(int, AttemptKind)> script,
                 bool idempotent = true, Deadline deadline = Deadline::Never()) {
  MachineTrace trace(set, {.deadline = deadline, .idempotent = idempotent});
  return trace.Play(std::move(script));
}

// A call of one attempt that takes so long.
void Succeed(const PolicySet& set, int64_t ms) {
  Play(set, [=](int, AttemptKind) { return Succeeds(ms); }, /*idempotent=*/false);
}

HedgeOptions Fixed(int64_t ms) { return {.delay = absl::Milliseconds(ms), .max_ratio = 1}; }

TEST(HedgeTest, TheFirstToSucceedWins) {
  const PolicySet set = Set({Hedge(Fixed(10))});
  EXPECT_EQ(Play(set, [](int id, AttemptKind) { return Succeeds(id == 0 ? 100 : 5); }),
            "0:start#1 10:hedge#2 15:ok#2 15:abort#1 15:deliver#2 15:gone#1 15:done");
  EXPECT_EQ(Play(set, [](int id, AttemptKind) { return Succeeds(id == 0 ? 12 : 5); }),
            "0:start#1 10:hedge#2 12:ok#1 12:abort#2 12:deliver#1 12:gone#2 12:done");
}

// resilience4j's, tower's and failsafe-go's hedges end with the first failure.
TEST(HedgeTest, AFailureDoesNotWin) {
  const PolicySet set = Set({Hedge(Fixed(10))});
  EXPECT_EQ(Play(set, [](int id, AttemptKind) { return id == 0 ? Succeeds(100) : Fails(5); }),
            "0:start#1 10:hedge#2 15:failed#2 100:ok#1 100:deliver#1 100:done");
}

// gRPC A6: a failure sends the next hedge at once.
TEST(HedgeTest, AFailureBringsTheNextForward) {
  HedgeOptions options = Fixed(50);
  options.max_hedges = 2;
  const auto hedge = Hedge(options);
  const PolicySet set = Set({hedge});
  Succeed(set, 1);
  Succeed(set, 1);
  EXPECT_EQ(Play(set, [](int id, AttemptKind) { return id == 1 ? Fails(5) : Succeeds(100); }),
            "0:start#1 50:hedge#2 55:failed#2 55:hedge#3 100:ok#1 100:abort#3 100:deliver#1 "
            "100:gone#3 100:done");
}

TEST(HedgeTest, WhatIsNotIdempotentIsNeverHedged) {
  const PolicySet set = Set({Hedge(Fixed(10))});
  EXPECT_EQ(Play(
                set, [](int, AttemptKind) { return Succeeds(100); }, /*idempotent=*/false),
            "0:start#1 100:ok#1 100:deliver#1 100:done");
}

// userver, hedged_request_test: three requests 10 ms apart of 100 ms each, and 50 ms for all.
TEST(HedgeTest, SeveralStartOneAfterTheOther) {
  HedgeOptions options = Fixed(10);
  options.max_hedges = 2;
  const PolicySet set = Set({Hedge(options)});
  Succeed(set, 1);  // saves up a second hedge
  MachineTrace probe(set, {});
  EXPECT_EQ(Play(
                set, [](int, AttemptKind) { return Succeeds(100); }, /*idempotent=*/true,
                Deadline(probe.At(50))),
            "0:start#1 10:hedge#2 20:hedge#3 50:failed#3 50:abort#1 50:abort#2 50:end:deadline "
            "50:gone#2 50:gone#1 50:done");
}

// tower, tests/hedge, hedge_hedge_completes_first: at the latency of 90 percent of the samples. None
// before there are some.
TEST(HedgeTest, TheQuantileOfWhatSucceededSaysWhen) {
  const auto hedge = Hedge({.quantile = 0.9, .min_samples = 10, .max_ratio = 1});
  const PolicySet set = Set({hedge});
  const auto slow = [](int id, AttemptKind) { return Succeeds(id == 0 ? 400 : 1); };
  EXPECT_EQ(Play(set, [](int, AttemptKind) { return Succeeds(300); }),
            "0:start#1 300:ok#1 300:deliver#1 300:done");
  EXPECT_EQ(hedge->snapshot().delay, absl::InfiniteDuration());

  Outcome outcome;
  const auto settle = [&](int64_t ms, int64_t at) {
    outcome.started = Instant::FromNanos(Instant::VirtualOrigin().nanos() + at);
    outcome.ended = Plus(outcome.started, ms * kMillisecond);
    hedge->Settle(std::numeric_limits<int64_t>::max(), outcome);
  };
  const int64_t origin = 1000 * kMillisecond;  // where a trace begins
  for (int i = 0; i < 19; ++i) settle(10, origin - 20 * kMillisecond);
  // A set of its own: what was looked up a moment ago is believed for half a second.
  View view;
  view.now = Plus(Instant::VirtualOrigin(), origin + kSecond);
  const Proposal proposal = hedge->Propose(view);
  EXPECT_EQ(proposal.hedge_after_nanos, LatencyWindow::RoundedUp(10 * kMillisecond));
  EXPECT_LE(proposal.hedge_after_nanos, 11 * kMillisecond);
  EXPECT_EQ(Play(set, slow),
            "0:start#1 10:hedge#2 11:ok#2 11:abort#1 11:deliver#2 11:gone#1 11:done");
}

// Calls that began with either configuration take from the same savings.
TEST(HedgeTest, GivesWhatItPromisesThroughReconfigure) {
  HedgeOptions options = Fixed(10);
  const auto hedge = Hedge(options);
  View view = testing::HedgeView(1);
  view.config = hedge->CurrentConfig();
  Token token = 0;
  ASSERT_EQ(hedge->Reserve(view, token, nullptr), Verdict::Admit());
  options.max_ratio = 0;
  ASSERT_TRUE(hedge->Reconfigure(options).ok());
  hedge->Settle(0, Outcome());
  EXPECT_EQ(hedge->Judge(view), Verdict::Reject(Reason::kBudget));
  EXPECT_EQ(hedge->Reserve(view, token, nullptr), Verdict::Reject(Reason::kBudget));
}

TEST(HedgeTest, NeverEarlierThanTheFloor) {
  const auto hedge = Hedge({.min_samples = 1, .min_delay = absl::Milliseconds(7)});
  Outcome outcome;
  outcome.started = Plus(Instant::VirtualOrigin(), kSecond);
  outcome.ended = Plus(outcome.started, 1000);
  hedge->Settle(0, outcome);
  View view;
  view.now = outcome.ended;
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, 7 * kMillisecond);
}

// Were those left out that a hedge overtook, the quantile would be of the fast ones alone, fall, and
// make hedges of what isn't slow.
TEST(HedgeTest, WhoWasOvertakenCountsAsSlow) {
  const auto hedge = Hedge({.quantile = 0.5, .min_samples = 3, .window = absl::Seconds(1)});
  Outcome fast;
  fast.started = Plus(Instant::VirtualOrigin(), kSecond);
  fast.ended = Plus(fast.started, 2 * kMillisecond);
  for (int i = 0; i < 3; ++i) hedge->Settle(0, fast);
  View view;
  view.now = fast.ended;
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, LatencyWindow::RoundedUp(2 * kMillisecond));

  Outcome overtaken = fast;
  overtaken.ended = Plus(fast.started, 8 * kMillisecond);
  overtaken.aborted = true;
  overtaken.code = absl::StatusCode::kCancelled;
  for (int i = 0; i < 4; ++i) hedge->Settle(0, overtaken);
  view.now = Plus(overtaken.ended, kSecond / 5);
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, LatencyWindow::RoundedUp(8 * kMillisecond));
}

TEST(HedgeTest, AnAttemptThatWasStoppedEarlyProvesNothing) {
  const auto hedge =
      Hedge({.quantile = 0.5, .min_samples = 1, .window = absl::Seconds(1), .min_delay = {}});
  Outcome success;
  success.started = Plus(Instant::VirtualOrigin(), kSecond);
  success.ended = Plus(success.started, 7 * kMillisecond);
  hedge->Settle(0, success);
  View view;
  view.now = success.ended;
  const int64_t usual = LatencyWindow::RoundedUp(7 * kMillisecond);
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, usual);

  Outcome stopped = success;
  stopped.ended = Plus(stopped.started, 6 * kMillisecond);
  stopped.aborted = true;
  stopped.code = absl::StatusCode::kCancelled;
  for (int i = 0; i < 3; ++i) hedge->Settle(0, stopped);
  view.now = Plus(success.ended, kSecond / 5);
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, usual);
}

TEST(HedgeTest, OneToBeginWithAndThenByTheRatio) {
  const auto hedge = Hedge({.delay = absl::Milliseconds(10), .max_ratio = 0.25});
  const PolicySet set = Set({hedge});
  const auto hedges = [&] {
    return Play(set, [](int id, AttemptKind) {
             return Succeeds(id == 0 ? 100 : 5);
           }).find("hedge") != std::string::npos;
  };
  std::string row;
  for (int i = 0; i < 13; ++i) row += hedges() ? 'h' : '-';
  // The one that it begins with; then one for each four attempts.
  EXPECT_EQ(row, "h---h---h---h");
  EXPECT_EQ(hedge->snapshot().hedges, 4);
  EXPECT_EQ(hedge->snapshot().won, 4);
}

TEST(HedgeTest, SavesUpOnlySoMany) {
  const auto hedge = Hedge({.delay = absl::Milliseconds(1), .max_ratio = 1, .max_saved = 3});
  const PolicySet set = Set({hedge});
  for (int i = 0; i < 100; ++i) Succeed(set, 1);
  EXPECT_EQ(hedge->snapshot().saved, 3);
}

TEST(HedgeTest, ARetryBudgetCapsItToo) {
  const auto budget = RetryBudget({.initial_tokens = 0});
  const PolicySet set = Set({Hedge(Fixed(10)), budget});
  EXPECT_EQ(Play(set, [](int, AttemptKind) { return Succeeds(100); }),
            "0:start#1 100:ok#1 100:deliver#1 100:done");
}

TEST(HedgeTest, ARetryFollowsWhenAllFailed) {
  const PolicySet set = Set(
      {Hedge(Fixed(10)), Retry({.max_attempts = 3, .backoff = Constant(absl::Milliseconds(20))})});
  EXPECT_EQ(Play(set, [](int id,
                         AttemptKind) { return id == 2 ? Succeeds(1) : Fails(id == 0 ? 15 : 10); }),
            "0:start#1 10:hedge#2 15:failed#1 20:failed#2 20:wait(40,backoff) 40:start#3 41:ok#3 "
            "41:deliver#3 41:done");
}

TEST(HedgeTest, WhatIsVoidedComesBack) {
  const auto hedge = Hedge(Fixed(10));
  Token token = 0;
  View view = testing::HedgeView(1);
  EXPECT_TRUE(hedge->Reserve(view, token, nullptr).admits(view.now));
  EXPECT_EQ(hedge->Judge(view), Verdict::Reject(Reason::kBudget));
  Token none = 0;
  EXPECT_EQ(hedge->Reserve(view, none, nullptr), Verdict::Reject(Reason::kBudget));
  EXPECT_EQ(hedge->snapshot().hedges, 0) << "a count that is shown never falls";
  hedge->Void(token, nullptr);
  EXPECT_EQ(hedge->Judge(view), Verdict::Admit());
  EXPECT_EQ(hedge->snapshot().hedges, 0);
}

TEST(HedgeTest, NoMoreThanWereSavedHoweverManyAsk) {
  const auto hedge = Hedge({.delay = absl::Milliseconds(1), .max_ratio = 0.01, .max_saved = 100});
  Outcome outcome;
  outcome.started = Instant::VirtualOrigin();
  outcome.ended = outcome.started;
  std::atomic<int> admitted = 0;
  std::vector<std::thread> threads;
  constexpr int kThreads = 4;
  constexpr int kAttempts = 5000;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const View view = testing::HedgeView(1);
      for (int i = 0; i < kAttempts; ++i) {
        hedge->Settle(0, outcome);
        Token token = 0;
        if (hedge->Reserve(view, token, nullptr).admits(view.now)) {
          ++admitted;
          if (i % 3 == 0) {
            hedge->Void(token, nullptr);
            --admitted;
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // One to begin with, and a hundredth of all attempts.
  int rest = 0;
  View view = testing::HedgeView(1);
  Token token = 0;
  while (hedge->Reserve(view, token, nullptr).admits(view.now)) ++rest;
  EXPECT_EQ(admitted + rest, 1 + kThreads * kAttempts / 100);
}

TEST(HedgeTest, ReconfigureKeepsWhatWasMeasuredAndSaved) {
  const auto hedge = Hedge({.quantile = 0.5, .min_samples = 2, .max_ratio = 1});
  Outcome outcome;
  outcome.started = Plus(Instant::VirtualOrigin(), kSecond);
  for (const int64_t ms : {10, 10, 20, 20}) {
    outcome.ended = Plus(outcome.started, ms * kMillisecond);
    hedge->Settle(0, outcome);
  }
  EXPECT_EQ(hedge->snapshot().saved, 5);
  ASSERT_TRUE(hedge->Reconfigure({.quantile = 1, .min_samples = 2, .max_ratio = 0.5}).ok());
  EXPECT_EQ(hedge->snapshot().saved, 5);
  View view;
  view.now = outcome.ended;
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, LatencyWindow::RoundedUp(20 * kMillisecond));
  EXPECT_EQ(hedge->Reconfigure({.max_hedges = 0}).message(),
            "Hedge.max_hedges is 0; it must be from 1 to 3");
  EXPECT_EQ(hedge->Propose(view).hedge_after_nanos, LatencyWindow::RoundedUp(20 * kMillisecond));
}

TEST(HedgeTest, EachOptionIsChecked) {
  const std::map<std::string, HedgeOptions> wrong = {
      {"Hedge.delay is -1ms; it must be finite and not negative",
       {.delay = absl::Milliseconds(-1)}},
      {"Hedge.quantile is 1.5; it must be from 0 to 1", {.quantile = 1.5}},
      {"Hedge.quantile is NaN; it must be from 0 to 1",
       {.quantile = std::numeric_limits<double>::quiet_NaN()}},
      {"Hedge.min_samples is 0; it must be from 1 to 2147483647", {.min_samples = 0}},
      {"Hedge.window is 0; it must be positive", {.window = absl::ZeroDuration()}},
      {"Hedge.min_delay is inf; it must be finite and not negative",
       {.min_delay = absl::InfiniteDuration()}},
      {"Hedge.max_hedges is 4; it must be from 1 to 3", {.max_hedges = 4}},
      {"Hedge.max_ratio is -0.1; it must be from 0 to 1", {.max_ratio = -0.1}},
      {"Hedge.max_saved is 0; it must be from 1 to 1000000", {.max_saved = 0}},
  };
  for (const auto& [message, options] : wrong) {
    EXPECT_EQ(PolicySet::Create({Hedge(options)}).status().message(), message);
  }
}

TEST(HedgeTest, SaysWhatItDoes) {
  Description description;
  Hedge()->Describe(description);
  ASSERT_EQ(description.does.size(), 1U);
  EXPECT_EQ(
      description.does[0],
      "starts a second attempt beside one when it has taken longer than 95% of the attempts of "
      "the last 30s (at least 1ms, and not before 100 have succeeded), if the call is "
      "idempotent; at most 1 in a call, and in the long run one for each 20 attempts");
  EXPECT_EQ(description.max_hedges, 1);
  EXPECT_EQ(description.hedge_after, absl::Milliseconds(1));
}

TEST(HedgeTest, MeasuresItsState) {
  const auto hedge = Hedge(Fixed(10));
  std::map<std::string, double> gauges;
  hedge->Measure([&](const Gauge& gauge) { gauges[std::string(gauge.name)] = gauge.value; });
  EXPECT_EQ(gauges, (std::map<std::string, double>{
                        {"delay_seconds", 0.01}, {"saved", 1}, {"hedges", 0}, {"won", 0}}));
}

}  // namespace
}  // namespace redial
