#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "redial/policies/rate_limit.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"
#include "tests/unit/rate_limit_kit.h"

namespace redial {
namespace {

using testing::Ask;
using testing::Candidate;
using testing::kEnded;
using testing::kMillisecond;
using testing::kNow;
using testing::NotBefore;
using testing::StartsAt;
using testing::ViewAt;

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

}  // namespace
}  // namespace redial
