#include "redial/policies/circuit_breaker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "redial/notice.h"
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
using State = CircuitBreakerPolicy::State;
using Override = CircuitBreakerPolicy::Override;

Backoff For(absl::Duration time) { return Constant(time); }

// Plays attempts against a breaker, in virtual time.
class Played {
 public:
  explicit Played(const CircuitBreakerOptions& options) : breaker_(CircuitBreaker(options)) {
    EXPECT_TRUE(breaker_->Validate().ok()) << breaker_->Validate();
  }

  void Advance(absl::Duration by) { now_ = now_ + by; }

  Verdict Judge() { return breaker_->Judge(ViewNow()); }
  // An attempt that is in flight; false if it was refused.
  bool Start() {
    Token token = 0;
    const Verdict judged = Judge();
    const Verdict reserved = breaker_->Reserve(ViewNow(), token, nullptr);
    EXPECT_EQ(judged, reserved);
    if (reserved != Verdict::Admit()) return false;
    in_flight_.push_back({token, now_});
    return true;
  }
  // The oldest in flight ends.
  void End(Outcome outcome) {
    outcome.started = in_flight_.front().began;
    outcome.ended = now_;
    outcome.notices = &notices_;
    outcome.seed = 7;
    breaker_->Settle(in_flight_.front().token, outcome);
    in_flight_.pop_front();
  }
  void VoidOldest() {
    breaker_->Void(in_flight_.front().token, nullptr);
    in_flight_.pop_front();
  }
  // S succeeds, F fails, I proves nothing; each at once. Those that are refused are skipped.
  void Play(const std::string& results) {
    for (const char result : results) {
      if (!Start()) continue;
      switch (result) {
        case 'S':
          End(Outcome());
          break;
        case 'F':
          End(FailedWith(absl::StatusCode::kUnavailable));
          break;
        default: {
          Outcome aborted = FailedWith(absl::StatusCode::kCancelled);
          aborted.aborted = true;
          End(aborted);
        }
      }
    }
  }
  // When it would admit again; negative if it doesn't say.
  absl::Duration RefusedFor() {
    const Verdict verdict = Judge();
    EXPECT_TRUE(verdict.rejects());
    EXPECT_EQ(verdict.reason(), Reason::kBreakerOpen);
    return verdict.has_next() ? verdict.at() - now_ : -absl::Seconds(1);
  }
  // "closed>open open>half_open", since the last time.
  std::string Changes() {
    std::string text;
    for (const Notice& notice : notices_.all()) {
      if (!text.empty()) text += ' ';
      text.append(notice.from).append(">").append(notice.to);
    }
    notices_.Clear();
    return text;
  }
  CircuitBreakerPolicy& operator*() { return *breaker_; }
  CircuitBreakerPolicy* operator->() { return breaker_.get(); }
  State state() const { return breaker_->state(); }

 private:
  struct InFlight {
    Token token;
    Instant began;
  };
  View ViewNow() {
    View view;
    view.now = now_;
    view.notices = &notices_;
    return view;
  }
  std::shared_ptr<CircuitBreakerPolicy> breaker_;
  Instant now_ = kEnded;
  std::deque<InFlight> in_flight_;
  Notices notices_;
};

// Polly, CircuitBreakerResilienceStrategyTests / issue 1 integration: ratio .5, minimum 10, window 10 s,
// break 1 s.
TEST(CircuitBreakerTest, OpensProbesAndClosesAsPollyDoes) {
  Played breaker({.window = TimeWindow(absl::Seconds(10)),
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

// Polly, AdvancedCircuitBehaviorTests: (results, minimum, failures, threshold).
TEST(CircuitBreakerTest, TripsAtItsRatioAndMinimum) {
  const auto trips = [](const std::string& results, int minimum, double ratio) {
    Played breaker({.failure_ratio = ratio, .minimum_throughput = minimum});
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
  Played half({.window = CountWindow(200), .failure_ratio = 0.5, .minimum_throughput = 200});
  half.Play(std::string(101, 'S') + std::string(99, 'F'));
  EXPECT_EQ(half.state(), State::kClosed);
  half.Play("F");
  EXPECT_EQ(half.state(), State::kOpen);
  for (int percent = 1; percent <= 100; ++percent) {
    Played breaker(
        {.window = CountWindow(100), .failure_ratio = percent / 100.0, .minimum_throughput = 100});
    breaker.Play(std::string(static_cast<size_t>(101 - percent), 'S') +
                 std::string(static_cast<size_t>(percent - 1), 'F'));
    EXPECT_EQ(breaker.state(), State::kClosed) << percent;
    breaker.Play("F");
    EXPECT_EQ(breaker.state(), State::kOpen) << percent;
  }
}

// Polly, RollingHealthMetricsTests GetHealthInfo_EnsureWindowRespected.
TEST(CircuitBreakerTest, ATimeWindowForgets) {
  Played breaker({.window = TimeWindow(absl::Seconds(10)), .minimum_throughput = 1000});
  const auto health = [&] {
    (void)breaker.Judge();
    breaker.Play("I");  // as any call, it lets time pass
    return std::pair(breaker->snapshot().results, breaker->snapshot().failure_ratio);
  };
  const char* const steps[] = {"FS", "FS", "SS", "SS", "SS"};
  std::vector<std::pair<int64_t, double>> seen;
  for (const char* step : steps) {
    breaker.Play(step);
    seen.push_back(health());
    breaker.Advance(absl::Seconds(2));
  }
  EXPECT_EQ(seen[0], std::pair(int64_t{2}, 0.5));
  EXPECT_EQ(seen[1], std::pair(int64_t{4}, 0.5));
  EXPECT_EQ(seen[3], std::pair(int64_t{8}, 0.25));
  breaker.Play("SS");
  EXPECT_EQ(health(), std::pair(int64_t{10}, 0.1)) << "the first two are ten seconds old";
  breaker.Advance(absl::Seconds(2));
  breaker.Play("SS");
  EXPECT_EQ(health(), std::pair(int64_t{10}, 0.0));
}

// resilience4j, CircuitBreakerStateMachineTest: 50 %, minimum 5.
TEST(CircuitBreakerTest, ASuccessThatCompletesTheMinimumMayOpenIt) {
  Played breaker({.window = CountWindow(5), .failure_ratio = 0.5, .minimum_throughput = 5});
  breaker.Play("FFFS");
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("S");
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// resilience4j, the same: half open with four probes.
TEST(CircuitBreakerTest, JudgesItsProbesTogether) {
  const auto after = [](const std::string& probes) {
    Played breaker({.failure_ratio = 0.5,
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
  Played breaker({.minimum_throughput = 1000, .consecutive_failures = 3});
  breaker.Play("FSFF");
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("F");
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// Finagle, FailureAccrualPolicyTest: success rate .5 over 100.
TEST(CircuitBreakerTest, TheMovingAverageIsFinagles) {
  Played breaker({.window = MovingAverage(100), .failure_ratio = 0.5, .minimum_throughput = 1});
  breaker.Play(std::string(100, 'S') + std::string(69, 'F'));
  EXPECT_EQ(breaker.state(), State::kClosed);
  breaker.Play("F");
  EXPECT_EQ(breaker.state(), State::kOpen);
}

// Polly, BreakDurationGenerator: it sees 0, 1, 2, … failed probings, and begins anew after a close.
TEST(CircuitBreakerTest, StaysOpenForLongerEachTime) {
  Played breaker({.minimum_throughput = 1,
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
  Played breaker({.minimum_throughput = 1});
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
  Played breaker({.minimum_throughput = 2, .open_time = For(absl::Seconds(1)), .probes = 1});
  ASSERT_TRUE(breaker.Start());  // slow ones, of the first generation
  ASSERT_TRUE(breaker.Start());
  Played& b = breaker;
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
  Played breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(1))});
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
  Played breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(1))});
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
  Played breaker({.minimum_throughput = 1,
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
  Played breaker({.window = CountWindow(4),
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
  Played breaker({.minimum_throughput = 1, .ignore_on = OnErrno(EPROTO)});
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
  Played breaker({.minimum_throughput = 1,
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

TEST(CircuitBreakerTest, CanBeForced) {
  Played breaker({.minimum_throughput = 1, .open_time = For(absl::Seconds(1))});
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

// failsafe-go's test of a retry around a breaker; here the order in which they are listed is nothing.
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

TEST(CircuitBreakerTest, OfCallsCountsEachCallOnce) {
  const auto breaker = CircuitBreaker({.counts = CircuitBreakerOptions::Counts::kCalls,
                                       .minimum_throughput = 1000,
                                       .consecutive_failures = 3});
  const auto set = PolicySet::Create(
      {breaker, Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())})});
  ASSERT_TRUE(set.ok()) << set.status();
  const auto play = [&](int failures) {
    MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
    trace.Play([failures](int id, AttemptKind) { return id < failures ? Fails(1) : Succeeds(1); });
    EXPECT_EQ(trace.machine().outstanding(), 0);
  };
  play(3);
  EXPECT_EQ(breaker->state(), State::kClosed);
  EXPECT_EQ(breaker->snapshot().failures, 1);
  play(2);
  EXPECT_EQ(breaker->snapshot().results, 2);
  EXPECT_EQ(breaker->snapshot().consecutive_failures, 0);
  for (int i = 0; i < 3; ++i) play(3);
  EXPECT_EQ(breaker->state(), State::kOpen);
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

TEST(CircuitBreakerTest, ReconfiguresWithoutForgetting) {
  Played breaker({.window = CountWindow(10), .minimum_throughput = 10});
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

TEST(CircuitBreakerTest, ThreadsNeverGetMoreProbesThanThereAre) {
  constexpr int kProbes = 3;
  const auto breaker = CircuitBreaker(
      {.minimum_throughput = 1, .open_time = For(absl::Seconds(1)), .probes = kProbes});
  for (int round = 0; round < 200; ++round) {
    const Instant begin = kEnded + absl::Seconds(10 * round);
    View view;
    view.now = begin;
    Token token = 0;
    ASSERT_EQ(breaker->Reserve(view, token, nullptr), Verdict::Admit());
    Outcome failure = FailedWith(absl::StatusCode::kUnavailable);
    failure.started = failure.ended = begin;
    breaker->Settle(token, failure);
    ASSERT_EQ(breaker->state(), State::kOpen);
    view.now = begin + absl::Seconds(2);
    std::atomic<int> admitted = 0;
    std::vector<Token> tokens(4, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < tokens.size(); ++t) {
      threads.emplace_back([&, t] {
        if (breaker->Reserve(view, tokens[t], nullptr) == Verdict::Admit()) ++admitted;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(admitted, kProbes);
    Outcome success;
    success.started = success.ended = view.now;
    for (const Token each : tokens) {
      if (each != 0) breaker->Settle(each, success);
    }
    ASSERT_EQ(breaker->state(), State::kClosed);
  }
}

TEST(CircuitBreakerTest, ThreadsResultsAreAllCounted) {
  constexpr int kEach = 10000;
  const auto breaker = CircuitBreaker(
      {.window = CountWindow(1'000'000), .failure_ratio = 0.9, .minimum_throughput = 1});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 1; i <= kEach; ++i) {
        View view;
        view.now = kEnded;
        Token token = 0;
        EXPECT_EQ(breaker->Reserve(view, token, nullptr), Verdict::Admit());
        Outcome outcome = i % 10 == 0 ? FailedWith(absl::StatusCode::kUnavailable) : Outcome();
        outcome.started = outcome.ended = kEnded;
        breaker->Settle(token, outcome);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(breaker->snapshot().results, 4 * kEach);
  EXPECT_EQ(breaker->snapshot().failures, 4 * kEach / 10);
}

}  // namespace
}  // namespace redial
