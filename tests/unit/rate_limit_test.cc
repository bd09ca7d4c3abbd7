#include "redial/policies/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "policies/pace.h"
#include "tests/support/policy_view.h"
#include "tests/unit/rate_limit_kit.h"

namespace redial {
namespace {

using testing::Ask;
using testing::Candidate;
using testing::kEnded;
using testing::kNow;
using testing::NotBefore;
using testing::StartsAt;
using testing::StartsAtOnce;
using testing::ViewAt;

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

}  // namespace
}  // namespace redial
