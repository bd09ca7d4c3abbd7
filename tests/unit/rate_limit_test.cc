#include "redial/policies/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "policies/pace.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "src/core/mix.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"
#include "tests/unit/one_permit.h"

namespace redial {
namespace {

using testing::Fails;
using testing::kEnded;
using testing::kMillisecond;
using testing::MachineTrace;
using testing::NotBefore;
using testing::Succeeds;

constexpr absl::Duration kNow = absl::ZeroDuration();

// A candidate, as the engine keeps it: its ticket, its turn, its token.
struct Candidate {
  Ticket ticket;
  Token token = 0;
  bool asked = false;
};

View ViewAt(absl::Duration when, absl::Duration timeout = absl::InfiniteDuration()) {
  View view;
  view.now = kEnded + when;
  view.began = view.now;
  view.deadline = Deadline::After(view.now, timeout);
  return view;
}

// Asks as the engine would, and holds the policy to the law that `Judge` rejects what `Reserve` does.
Verdict Ask(Policy& limit, View view, Candidate& candidate) {
  view.has_ticket = candidate.asked;
  view.ticket = candidate.asked ? &candidate.ticket : nullptr;
  const Verdict judged = limit.Judge(view);
  EXPECT_EQ(judged, limit.Judge(view));
  if (!judged.admits(view.now)) return judged;
  candidate.asked = true;
  const Verdict reserved = limit.Reserve(view, candidate.token, &candidate.ticket);
  EXPECT_FALSE(reserved.rejects());
  return reserved;
}
// The turn of a new candidate, which uses it; in milliseconds from `kEnded`, or -1 if it was refused.
int64_t StartsAt(Policy& limit, absl::Duration when) {
  Candidate candidate;
  const Verdict verdict = Ask(limit, ViewAt(when), candidate);
  if (verdict.rejects()) return -1;
  const Instant start = std::max(kEnded + when, verdict.at());
  return absl::ToInt64Milliseconds(start - kEnded);
}
bool StartsAtOnce(Policy& limit, absl::Duration when) {
  Candidate candidate;
  return Ask(limit, ViewAt(when), candidate) == Verdict::Admit();
}

// failsafe-go, TestSmoothAcquirePermits: the wait of the last of so many, one per 500 ms and one per
// 200 ms. At 9100 failsafe-go says 900, since its intervals lie on a grid: there the second of the
// three starts 400 ms after the first. Here they stay 500 ms apart.
TEST(RateLimitTest, WaitsAsFailsafeGo) {
  struct Step {
    int64_t at_ms;
    int permits;
    int64_t wait_ms;
  };
  const std::pair<absl::Duration, std::vector<Step>> rows[] = {
      {absl::Milliseconds(500),
       {{0, 7, 3000},
        {800, 3, 3700},
        {2300, 1, 2700},
        {3500, 3, 3000},
        {9100, 3, 1000},
        {11000, 1, 0}}},
      {absl::Milliseconds(200), {{0, 3, 400}, {550, 2, 250}, {2210, 2, 200}}},
  };
  for (const auto& [per, steps] : rows) {
    const auto limit = RateLimit({.rate = 1, .per = per});
    for (const Step& step : steps) {
      int64_t start = 0;
      for (int i = 0; i < step.permits; ++i) {
        start = StartsAt(*limit, absl::Milliseconds(step.at_ms));
      }
      EXPECT_EQ(start - step.at_ms, step.wait_ms) << per << " " << step.at_ms;
    }
  }
}

TEST(RateLimitTest, StartsABurstAtOnceAndTheRestEvenly) {
  const auto limit = RateLimit({.rate = 10, .burst = 3});
  for (const int64_t start : {0, 0, 0, 100, 200, 300}) EXPECT_EQ(StartsAt(*limit, kNow), start);
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(500)), 500) << "two have come back";
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(500)), 500);
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(500)), 600);
}

TEST(RateLimitTest, SavesUpNoMoreThanABurst) {
  const auto limit = RateLimit({.rate = 10, .burst = 3, .max_wait = kNow});
  for (const absl::Duration when : {kNow, absl::Seconds(1), absl::Hours(100)}) {
    int started = 0;
    for (int i = 0; i < 10; ++i) started += StartsAtOnce(*limit, when) ? 1 : 0;
    EXPECT_EQ(started, 3) << when;
  }
}

// resilience4j's AtomicRateLimiter renews its permits with each cycle: ten at the end of one and ten
// at the start of the next are twenty at once.
TEST(RateLimitTest, NobodyGetsTwoCyclesWorthAtOnce) {
  const auto limit = RateLimit({.rate = 10, .burst = 10, .max_wait = kNow});
  int started = 0;
  for (int i = 0; i < 20; ++i) started += StartsAtOnce(*limit, absl::Milliseconds(999)) ? 1 : 0;
  for (int i = 0; i < 20; ++i) started += StartsAtOnce(*limit, absl::Milliseconds(1000)) ? 1 : 0;
  EXPECT_EQ(started, 10);
}

// An interval of 333333333.3 ns, rounded up, would be a thousandth of a second late after an hour.
TEST(RateLimitTest, IsExactWhereAnIntervalIsNoNumberOfNanoseconds) {
  constexpr int kStarts = 100'000;
  const struct {
    int64_t rate;
    absl::Duration per;
  } rows[] = {{3, absl::Seconds(1)},       {7, absl::Seconds(1)},
              {999'983, absl::Seconds(1)}, {6, absl::Nanoseconds(77)},
              {1, absl::Milliseconds(1)},  {1'000'003, absl::Hours(24 * 366)}};
  for (const auto& row : rows) {
    const auto limit = RateLimit({.rate = row.rate, .per = row.per});
    Verdict verdict;
    int64_t first = 0;
    for (int i = 0; i <= kStarts; ++i) {
      Candidate candidate;
      verdict = Ask(*limit, ViewAt(kNow), candidate);
      if (verdict.rejects()) break;  // a year from now
      const int64_t start =
          verdict.kind() == Verdict::Kind::kNotBefore ? verdict.at().nanos() : kEnded.nanos();
      if (i == 0) first = start;
      __extension__ using Wide = __int128;
      const auto even = static_cast<int64_t>(Wide{ToNanos(row.per)} * i / row.rate);
      ASSERT_LE(std::abs(start - first - even), internal::Pace::kLongestTick)
          << row.rate << " " << i;
    }
  }
}

TEST(RateLimitTest, ExactOnAVirtualClockToo) {
  const auto limit = RateLimit({.rate = 3, .burst = 2});
  View view;
  view.now = Instant::VirtualOrigin() + absl::Hours(24 * 365);
  std::vector<int64_t> waits;
  for (int i = 0; i < 5; ++i) {
    Candidate candidate;
    const Verdict verdict = Ask(*limit, view, candidate);
    waits.push_back(std::max<int64_t>(0, NanosBetween(view.now, verdict.at())));
  }
  EXPECT_EQ(waits[0], 0);
  EXPECT_EQ(waits[1], 0);
  EXPECT_NEAR(static_cast<double>(waits[2]), 333'333'333, 3);
  EXPECT_NEAR(static_cast<double>(waits[4]), 1'000'000'000, 3);
}

TEST(RateLimitTest, RefusesAtOnceWhatWouldWaitTooLong) {
  const auto limit = RateLimit({.rate = 10, .max_wait = absl::Milliseconds(150)});
  EXPECT_EQ(StartsAt(*limit, kNow), 0);
  EXPECT_EQ(StartsAt(*limit, kNow), 100);
  Candidate third;
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), third),
            Verdict::RejectUntil(kEnded + absl::Milliseconds(50), Reason::kRateLimited))
      << "from then on it would be a wait of 150 ms";
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(49)), -1);
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(50)), 200) << "what was refused has taken nothing";
}

TEST(RateLimitTest, RefusesEverythingThatWouldWaitIfAskedTo) {
  const auto limit = RateLimit({.rate = 10, .max_wait = kNow});
  EXPECT_EQ(StartsAt(*limit, kNow), 0);
  Candidate second;
  EXPECT_EQ(Ask(*limit, ViewAt(absl::Milliseconds(99)), second),
            Verdict::RejectUntil(kEnded + absl::Milliseconds(100), Reason::kRateLimited));
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(100)), 100);
}

// resilience4j sleeps until its timeout although it is already clear that it won't do.
TEST(RateLimitTest, RefusesAtOnceWhatWouldPassTheDeadline) {
  const auto limit = RateLimit({.rate = 10});
  EXPECT_EQ(StartsAt(*limit, kNow), 0);
  Candidate doomed;
  EXPECT_EQ(Ask(*limit, ViewAt(kNow, absl::Milliseconds(100)), doomed),
            Verdict::RejectUntil(kEnded + absl::Milliseconds(100), Reason::kRateLimited));
  Candidate in_time;
  EXPECT_EQ(Ask(*limit, ViewAt(kNow, absl::Milliseconds(101)), in_time),
            NotBefore(absl::Milliseconds(100), Reason::kRateLimited));
}

TEST(RateLimitTest, WhoWaitsKeepsHisTurn) {
  const auto limit = RateLimit({.rate = 10});
  EXPECT_EQ(StartsAt(*limit, kNow), 0);
  Candidate waiter;
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), waiter),
            NotBefore(absl::Milliseconds(100), Reason::kRateLimited));
  EXPECT_EQ(limit->snapshot().waiting, 1);
  EXPECT_EQ(StartsAt(*limit, kNow), 200) << "who comes later goes later";
  EXPECT_EQ(Ask(*limit, ViewAt(absl::Milliseconds(60)), waiter),
            NotBefore(absl::Milliseconds(100), Reason::kRateLimited))
      << "woken early, it takes no second turn";
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(99)), 300);
  EXPECT_EQ(Ask(*limit, ViewAt(absl::Milliseconds(100)), waiter), Verdict::Admit());
  limit->Leave(waiter.ticket);
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(100)), 400) << "what was used doesn't come back";
}

TEST(RateLimitTest, TheLatestTurnIsGivenBack) {
  const auto limit = RateLimit({.rate = 10});
  Candidate a, b, c;
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), a), Verdict::Admit());
  Ask(*limit, ViewAt(kNow), b);
  Ask(*limit, ViewAt(kNow), c);
  limit->Leave(c.ticket);
  limit->Leave(b.ticket);
  EXPECT_EQ(limit->snapshot().waiting, 0);
  EXPECT_EQ(StartsAt(*limit, kNow), 100) << "as if b and c had never come";
}

// Else two would start at once: the one behind it has been told its turn.
TEST(RateLimitTest, AnEarlierTurnGoesUnused) {
  const auto limit = RateLimit({.rate = 10});
  Candidate a, b, c;
  Ask(*limit, ViewAt(kNow), a);
  Ask(*limit, ViewAt(kNow), b);
  Ask(*limit, ViewAt(kNow), c);
  limit->Leave(b.ticket);
  EXPECT_EQ(StartsAt(*limit, kNow), 300);
  EXPECT_EQ(Ask(*limit, ViewAt(absl::Milliseconds(200)), c), Verdict::Admit());
}

TEST(RateLimitTest, VoidUndoesWhatWasHadForTheAsking) {
  const auto limit = RateLimit({.rate = 10, .burst = 2, .max_wait = kNow});
  Candidate a, b;
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), a), Verdict::Admit());
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), b), Verdict::Admit());
  limit->Void(b.token, &b.ticket);
  EXPECT_EQ(limit->snapshot().waiting, 0);
  EXPECT_TRUE(StartsAtOnce(*limit, kNow));
  EXPECT_FALSE(StartsAtOnce(*limit, kNow));
  limit->Void(a.token, &a.ticket);
  EXPECT_FALSE(StartsAtOnce(*limit, kNow)) << "a's isn't the latest: it keeps it";
  EXPECT_EQ(limit->snapshot().waiting, 1);
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), a), Verdict::Admit());
  limit->Leave(a.ticket);
  EXPECT_FALSE(StartsAtOnce(*limit, kNow));
}

TEST(RateLimitTest, WhoWasHeldUpAtHisTurnKeepsIt) {
  const auto limit = RateLimit({.rate = 10});
  Candidate a, b;
  Ask(*limit, ViewAt(kNow), a);
  Ask(*limit, ViewAt(kNow), b);
  EXPECT_EQ(Ask(*limit, ViewAt(absl::Milliseconds(100)), b), Verdict::Admit());
  limit->Void(b.token, &b.ticket);
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(100)), 200);
  EXPECT_EQ(Ask(*limit, ViewAt(absl::Milliseconds(110)), b), Verdict::Admit());
  limit->Void(b.token, &b.ticket);
  limit->Leave(b.ticket);
  EXPECT_EQ(StartsAt(*limit, absl::Milliseconds(110)), 300);
}

// Calls come, wait, are held up, and go away at random; turns are those of all that started. However a
// window lies, no more than burst + rate * length of them are in it.
TEST(RateLimitTest, NoWindowHoldsMoreThanTheLimit) {
  uint64_t seed = 1;
  const auto draw = [&](int64_t below) {
    return static_cast<int64_t>(internal::NextMixed(seed) % static_cast<uint64_t>(below));
  };
  for (int round = 0; round < 200; ++round) {
    const int64_t rate = 1 + draw(9);
    const absl::Duration per = absl::Nanoseconds(100 + draw(900));
    const int64_t burst = 1 + draw(5);
    const int64_t interval = ToNanos(per) / rate;
    const int64_t rounding = ToNanos(per) % rate == 0 ? 0 : internal::Pace::kLongestTick;
    const auto limit = RateLimit({.rate = rate,
                                  .per = per,
                                  .burst = burst,
                                  .max_wait = absl::Nanoseconds(draw(2) * interval * draw(20))});
    std::vector<Instant> starts;
    std::deque<Candidate> waiting;  // where they stay in place
    absl::Duration when;
    for (int step = 0; step < 400; ++step) {
      if (draw(3) == 0) when += absl::Nanoseconds(draw(draw(20) == 0 ? 20 * interval : interval));
      if (draw(4) == 0 && !waiting.empty()) {  // the latest or the oldest loses patience
        Candidate& leaver = draw(2) == 0 ? waiting.back() : waiting.front();
        limit->Leave(leaver.ticket);
        if (&leaver == &waiting.back()) {
          waiting.pop_back();
        } else {
          waiting.pop_front();
        }
      }
      Candidate& candidate = waiting.emplace_back();
      const View view =
          ViewAt(when, draw(3) == 0 ? absl::Nanoseconds(5 * interval) : absl::InfiniteDuration());
      const Verdict verdict = Ask(*limit, view, candidate);
      if (verdict.admits(view.now) && draw(5) != 0) {
        starts.push_back(view.now);
        limit->Leave(candidate.ticket);
        waiting.pop_back();
      } else if (verdict.admits(view.now)) {
        limit->Void(candidate.token, &candidate.ticket);
        limit->Leave(candidate.ticket);
        waiting.pop_back();
      } else if (verdict.rejects()) {
        waiting.pop_back();
      } else if (draw(2) == 0) {  // it starts at its turn, whatever comes between
        View turn = ViewAt(verdict.at() - kEnded);
        EXPECT_EQ(Ask(*limit, turn, candidate), Verdict::Admit());
        limit->Leave(candidate.ticket);
        starts.push_back(turn.now);
        waiting.pop_back();
      }
    }
    while (!waiting.empty()) waiting.pop_back();
    std::sort(starts.begin(), starts.end());
    __extension__ using Wide = __int128;
    for (size_t i = 0; i < starts.size(); ++i) {
      for (size_t j = i; j < starts.size(); ++j) {
        const Wide length = NanosBetween(starts[i], starts[j]);
        const Wide beyond_burst = static_cast<Wide>(j - i + 1) - burst;
        ASSERT_LE(beyond_burst * ToNanos(per), (length + rounding) * rate)
            << "round " << round << ": " << j - i + 1 << " starts in "
            << static_cast<int64_t>(length) << " ns at " << rate << " per " << per << ", burst "
            << burst;
      }
    }
    ASSERT_GT(starts.size(), 20U);
  }
}

TEST(RateLimitTest, CallsGoInTheOrderInWhichTheyCame) {
  const auto limit = RateLimit({.rate = 10});
  const auto set = PolicySet::Create({limit});
  ASSERT_TRUE(set.ok()) << set.status();
  const auto succeeds = [](int, AttemptKind) { return Succeeds(5); };
  MachineTrace first(*set, {}), second(*set, {});
  EXPECT_EQ(first.Play(succeeds), "0:start#1 5:ok#1 5:deliver#1 5:done");
  EXPECT_EQ(second.Play(succeeds),
            "0:wait(100,rate_limited) 100:start#1 105:ok#1 105:deliver#1 105:done");
  MachineTrace third(*set, {.deadline = Deadline(second.At(150))});
  EXPECT_EQ(third.Play(succeeds), "0:end:rate_limited 0:done");
  EXPECT_EQ(third.machine().next_admission(), third.At(200));
  EXPECT_EQ(limit->snapshot().refused, 1);
  EXPECT_EQ(limit->snapshot().delayed, 1);
}

TEST(RateLimitTest, RetriesTakeTurnsUnlessItCountsCalls) {
  const auto fails = [](int, AttemptKind) { return Fails(10); };
  const auto retry = Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())});
  const auto attempts = PolicySet::Create({RateLimit({.rate = 10}), retry});
  ASSERT_TRUE(attempts.ok()) << attempts.status();
  MachineTrace each(*attempts, {});
  EXPECT_EQ(each.Play(fails),
            "0:start#1 10:failed#1 10:wait(100,rate_limited) 100:start#2 110:failed#2 "
            "110:wait(200,rate_limited) 200:start#3 210:failed#3 210:end:exhausted 210:done");

  const auto limit = RateLimit({.rate = 10, .counts = RateLimitOptions::Counts::kCalls});
  const auto calls = PolicySet::Create({limit, retry});
  ASSERT_TRUE(calls.ok()) << calls.status();
  MachineTrace first(*calls, {}), second(*calls, {});
  EXPECT_EQ(first.Play(fails),
            "0:start#1 10:failed#1 10:start#2 20:failed#2 20:start#3 30:failed#3 30:end:exhausted "
            "30:done");
  second.Play(fails);
  EXPECT_EQ(second.trace().substr(0, 34), "0:wait(100,rate_limited) 100:start");
}

TEST(RateLimitTest, WhoMustNotWaitTakesNothing) {
  const auto limit = RateLimit({.rate = 10});
  const auto set = PolicySet::Create({limit, FailFast()});
  ASSERT_TRUE(set.ok()) << set.status();
  const auto succeeds = [](int, AttemptKind) { return Succeeds(5); };
  MachineTrace first(*set, {}), second(*set, {});
  first.Play(succeeds);
  EXPECT_EQ(second.Play(succeeds), "0:end:fail_fast 0:done");
  EXPECT_EQ(limit->snapshot().waiting, 0);
  EXPECT_EQ(limit->snapshot().next_start, first.At(100));
}

TEST(RateLimitTest, ACallThatIsCancelledGivesItsTurnBack) {
  const auto limit = RateLimit({.rate = 10});
  const auto set = PolicySet::Create({limit});
  ASSERT_TRUE(set.ok()) << set.status();
  CallMachine first(*set, {}), second(*set, {});
  const Instant now = kEnded;
  first.Begin(now);
  second.Begin(now);
  EXPECT_EQ(limit->snapshot().waiting, 1);
  second.Cancel(now);
  EXPECT_EQ(limit->snapshot().waiting, 0);
  EXPECT_EQ(limit->snapshot().next_start, now + absl::Milliseconds(100));
}

// Held up for want of a permit, a call takes its turn when it can use it.
TEST(RateLimitTest, ACallThatIsHeldUpHoldsNoTurn) {
  const auto limit = RateLimit({.rate = 10});
  const auto permit = std::make_shared<testing::OnePermit>();
  const auto set = PolicySet::Create({permit, limit});
  ASSERT_TRUE(set.ok()) << set.status();
  permit->Take();
  MachineTrace held(*set, {});
  EXPECT_EQ(held.Play([](int, AttemptKind) { return Succeeds(5); }), "0:wait(ever,queued)");
  EXPECT_LE(limit->snapshot().next_start, held.At(0)) << "the next one needn't wait";
  permit->GiveBack();
  held.AdvanceTo(250);
  held.machine().Wake(held.At(250));
  held.Drain();
  held.Continue();
  EXPECT_EQ(held.trace(), "0:wait(ever,queued) 250:start#1 255:ok#1 255:deliver#1 255:done");
  EXPECT_EQ(limit->snapshot().next_start, held.At(350));
}

TEST(RateLimitTest, ReconfiguresWithoutLosingWhatWasTaken) {
  const auto limit = RateLimit({.rate = 10});
  Candidate a, b, c;
  Ask(*limit, ViewAt(kNow), a);
  Ask(*limit, ViewAt(kNow), b);
  ASSERT_TRUE(limit->Reconfigure({.rate = 2}).ok());
  EXPECT_EQ(Ask(*limit, ViewAt(kNow), c),
            Verdict::NotBefore(Plus(kEnded, 200 * kMillisecond + 2), Reason::kRateLimited));
  EXPECT_EQ(StartsAt(*limit, kNow), 700) << "the new rate counts from there";
  EXPECT_EQ(limit->Reconfigure({.rate = 0}).message(),
            "RateLimit.rate is 0; it must be at least 1");
  EXPECT_EQ(limit->Reconfigure({.rate = 1, .counts = RateLimitOptions::Counts::kCalls}).message(),
            "RateLimit.counts can't be changed; make another limit");
}

// A period is something else now: giving back a turn of the old kind would overdraw, or lose.
TEST(RateLimitTest, ATurnOfAnEarlierConfigurationIsNotGivenBack) {
  const auto limit = RateLimit({.rate = 1000});
  const void* const before = limit->CurrentConfig();
  Candidate a, b, c;
  View view = ViewAt(kNow);
  view.config = before;
  Ask(*limit, view, a);
  EXPECT_EQ(Ask(*limit, view, b), NotBefore(absl::Milliseconds(1), Reason::kRateLimited));
  ASSERT_TRUE(limit->Reconfigure({.rate = 1}).ok());
  const Instant due = Plus(kEnded, 2 * kMillisecond + 2);
  EXPECT_EQ(limit->snapshot().next_start, due);
  limit->Leave(b.ticket);
  EXPECT_EQ(limit->snapshot().next_start, due) << "taken before";
  EXPECT_EQ(Ask(*limit, view, c), Verdict::NotBefore(due, Reason::kRateLimited));
  EXPECT_EQ(limit->snapshot().next_start, Plus(due, kMillisecond)) << "by a call that began before";
  limit->Leave(c.ticket);
  EXPECT_EQ(limit->snapshot().next_start, Plus(due, kMillisecond));
  EXPECT_EQ(limit->snapshot().waiting, 0);
}

// Another burst would move a turn that somebody has been told.
TEST(RateLimitTest, WhoWaitsKeepsHisTurnThroughReconfigure) {
  const auto limit = RateLimit({.rate = 10, .burst = 2});
  View view = ViewAt(kNow);
  view.config = limit->CurrentConfig();
  Candidate a, b, c;
  Ask(*limit, view, a);
  Ask(*limit, view, b);
  EXPECT_EQ(Ask(*limit, view, c), NotBefore(absl::Milliseconds(100), Reason::kRateLimited));
  ASSERT_TRUE(limit->Reconfigure({.rate = 1, .burst = 1}).ok());
  view.now = kEnded + absl::Milliseconds(99);
  EXPECT_EQ(Ask(*limit, view, c), NotBefore(absl::Milliseconds(100), Reason::kRateLimited));
  view.now = kEnded + absl::Milliseconds(100);
  EXPECT_EQ(Ask(*limit, view, c), Verdict::Admit());
}

TEST(RateLimitTest, SaysWhichOptionMakesNoSense) {
  const struct {
    RateLimitOptions options;
    const char* message;
  } cases[] = {
      {{}, "RateLimit.rate is 0; it must be at least 1"},
      {{.rate = 1, .per = absl::ZeroDuration()},
       "RateLimit.per is 0; it must be from 10ns to 8784h"},
      {{.rate = 1, .per = absl::InfiniteDuration()},
       "RateLimit.per is inf; it must be from 10ns to 8784h"},
      {{.rate = 101, .per = absl::Microseconds(1)},
       "RateLimit.rate is 101; it must be at most 100, one in 10ns"},
      {{.rate = 1, .burst = 0}, "RateLimit.burst is 0; it must be at least 1"},
      {{.rate = 1, .per = absl::Hours(1), .burst = 10000},
       "RateLimit.burst is 10000; it must be at most 8784, what 8784h bring at this rate"},
      {{.rate = 1, .max_wait = -absl::Seconds(1)},
       "RateLimit.max_wait is -1s; it must not be negative"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({RateLimit(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

TEST(RateLimitTest, SaysWhatItDoes) {
  Description waits, refuses, forever;
  RateLimit({.rate = 100, .burst = 10, .max_wait = absl::Seconds(2)})->Describe(waits);
  EXPECT_EQ(waits.does, (std::vector<std::string>{
                            "lets at most 100 attempts start per 1s, 10 of them at once",
                            "holds up what comes too soon until its turn, for at most 2s"}));
  EXPECT_EQ(waits.shares, "its rate");
  EXPECT_EQ(waits.queueing, absl::Seconds(2));
  RateLimit({.rate = 5,
             .per = absl::Minutes(1),
             .max_wait = absl::ZeroDuration(),
             .counts = RateLimitOptions::Counts::kCalls})
      ->Describe(refuses);
  EXPECT_EQ(refuses.does,
            (std::vector<std::string>{"lets at most 5 calls start per 1m, 1 of them at once",
                                      "refuses what comes too soon"}));
  EXPECT_EQ(refuses.queueing, absl::ZeroDuration());
  RateLimit({.rate = 1})->Describe(forever);
  EXPECT_EQ(forever.does.back(),
            "holds up what comes too soon until its turn, for as long as the deadline allows");
  EXPECT_EQ(forever.queueing, absl::InfiniteDuration());
}

TEST(RateLimitTest, MeasuresItsState) {
  const auto limit = RateLimit({.rate = 30, .per = absl::Minutes(1), .burst = 2});
  Candidate a, b, c, d;
  Ask(*limit, ViewAt(kNow), a);
  Ask(*limit, ViewAt(kNow), b);
  Ask(*limit, ViewAt(kNow), c);
  limit->Refused(ViewAt(kNow));
  std::map<std::string, std::pair<double, bool>> gauges;
  limit->Measure([&](const Gauge& gauge) {
    gauges[std::string(gauge.name)] = {gauge.value, gauge.counts_up};
  });
  EXPECT_EQ(gauges,
            (std::map<std::string, std::pair<double, bool>>{{"permits_per_second", {0.5, false}},
                                                            {"burst", {2, false}},
                                                            {"waiting", {1, false}},
                                                            {"delayed", {1, true}},
                                                            {"refused", {1, true}}}));
}

// tower and failsafe-go check, then act, and overdraw.
TEST(RateLimitTest, ThreadsNeverOverdrawIt) {
  constexpr int kBurst = 20'000;
  constexpr int kThreads = 4;
  const auto limit = RateLimit({.rate = 1, .burst = kBurst, .max_wait = kNow});
  std::atomic<int> started = 0;
  std::latch all_there(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      all_there.arrive_and_wait();
      for (int i = 0; i < 2 * kBurst; ++i) {
        Candidate candidate;
        const Verdict verdict = limit->Reserve(ViewAt(kNow), candidate.token, &candidate.ticket);
        if (verdict.rejects()) continue;
        if (i % 3 != 0) {
          ++started;
          limit->Leave(candidate.ticket);
        } else {
          limit->Void(candidate.token, &candidate.ticket);
          limit->Leave(candidate.ticket);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(started, kBurst);
  while (StartsAtOnce(*limit, kNow)) ++started;
  EXPECT_LE(started, kBurst);
  EXPECT_EQ(limit->snapshot().waiting, 0);
}

TEST(RateLimitTest, ThreadsAllGetTurnsOfTheirOwn) {
  constexpr int kEach = 20'000;
  constexpr int kThreads = 4;
  const auto limit = RateLimit({.rate = 1000});
  std::vector<std::vector<int64_t>> turns(kThreads);
  std::latch all_there(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      all_there.arrive_and_wait();
      for (int i = 0; i < kEach; ++i) {
        Candidate candidate;
        const Verdict verdict = limit->Reserve(ViewAt(kNow), candidate.token, &candidate.ticket);
        turns[static_cast<size_t>(t)].push_back(
            std::max<int64_t>(0, NanosBetween(kEnded, verdict.at())));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int64_t> all;
  for (const auto& own : turns) {
    EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i], static_cast<int64_t>(i) * kMillisecond);
  }
}

// Turns that are given back and taken again while the configuration changes: never more than were
// there.
TEST(RateLimitTest, ThreadsNeverOverdrawItThroughReconfigure) {
  constexpr int kBurst = 3000;
  const auto limit = RateLimit({.rate = 1, .burst = kBurst, .max_wait = kNow});
  std::atomic<int> started = 0;
  std::atomic<bool> done = false;
  std::thread changer([&] {
    bool odd = false;
    while (!done) {
      odd = !odd;
      EXPECT_TRUE(
          limit->Reconfigure({.rate = 1, .burst = odd ? kBurst - 1 : kBurst, .max_wait = kNow})
              .ok());
      std::this_thread::yield();
      if (limit->snapshot().next_start > kEnded + absl::Hours(1)) break;
    }
  });
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2 * kBurst; ++i) {
        Candidate candidate;
        View view = ViewAt(kNow);
        view.config = limit->CurrentConfig();
        if (limit->Reserve(view, candidate.token, &candidate.ticket).rejects()) continue;
        if (i % 2 == 0) {
          ++started;
        } else {
          limit->Void(candidate.token, &candidate.ticket);
        }
        limit->Leave(candidate.ticket);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  changer.join();
  EXPECT_LE(started, kBurst);
}

}  // namespace
}  // namespace redial
