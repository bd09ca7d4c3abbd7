// What a bulkhead says of its options, and what it does when they change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "redial/policies/bulkhead.h"
#include "redial/policy_set.h"
#include "tests/unit/bulkhead_kit.h"

namespace redial {
namespace {

using testing::At;
using testing::Caller;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Verdict kAdmitted = Verdict::Admit();
const Verdict kQueued = Verdict::Blocked(Reason::kQueued);
const Verdict kFull = Verdict::Reject(Reason::kQueueFull);

TEST(BulkheadOptionsTest, AHigherLimitServesTheLineAtOnce) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), d(*bulkhead);
  for (Caller* caller : {&a, &b, &c, &d}) caller->Ask(At(0));
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 3}).ok());
  EXPECT_EQ(b.woken + c.woken, 2);
  EXPECT_EQ(d.woken, 0);
  EXPECT_EQ(b.Ask(At(1)), kAdmitted);
  EXPECT_EQ(c.Ask(At(1)), kAdmitted);
  EXPECT_EQ(d.Ask(At(1)), kQueued);
}

TEST(BulkheadOptionsTest, ALowerLimitTakesHoldAsPermitsComeBack) {
  const auto bulkhead = Bulkhead({.max_concurrent = 4});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), d(*bulkhead), e(*bulkhead);
  for (Caller* caller : {&a, &b, &c}) EXPECT_EQ(caller->Ask(At(0)), kAdmitted);
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 1}).ok());
  EXPECT_EQ(bulkhead->snapshot().in_use, 3);
  EXPECT_EQ(d.Ask(At(0)), kQueued);
  a.End(At(1));
  b.End(At(1));
  EXPECT_EQ(d.woken, 0);
  EXPECT_EQ(bulkhead->snapshot().in_use, 1);
  c.End(At(1));
  EXPECT_EQ(d.Ask(At(1)), kAdmitted);
  EXPECT_EQ(e.Ask(At(1)), kQueued);

  // What is owed is forgiven first.
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 3}).ok());
  EXPECT_EQ(e.Ask(At(1)), kAdmitted);
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 1}).ok());
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 2}).ok());
  EXPECT_EQ(a.Ask(At(1)), kQueued);
  d.End(At(2));
  e.End(At(2));
  EXPECT_EQ(a.Ask(At(2)), kAdmitted);
  EXPECT_EQ(b.Ask(At(2)), kAdmitted);
  EXPECT_EQ(c.Ask(At(2)), kQueued);
  EXPECT_EQ(bulkhead->snapshot().max_concurrent, 2);
}

TEST(BulkheadOptionsTest, ACallSeesOneConfiguration) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_wait = absl::Milliseconds(20)});
  Caller a(*bulkhead), b(*bulkhead);
  a.Ask(At(0));
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 1, .max_queue = 0}).ok());
  EXPECT_EQ(b.Ask(At(1)), Verdict::BlockedUntil(At(21), Reason::kQueued));
  Caller c(*bulkhead);
  EXPECT_EQ(c.Ask(At(1)), kFull);
}

TEST(BulkheadOptionsTest, WhatItCannotBecomeIsRefused) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  EXPECT_EQ(bulkhead->Reconfigure({.max_concurrent = 0}).message(),
            "Bulkhead.max_concurrent is 0; it must be from 1 to 1000000");
  EXPECT_EQ(bulkhead->Reconfigure({.counts = BulkheadOptions::Counts::kCalls}).message(),
            "Bulkhead.counts can't be changed; make another bulkhead");
  EXPECT_EQ(bulkhead->snapshot().max_concurrent, 1);
}

TEST(BulkheadOptionsTest, SaysWhichOptionMakesNoSense) {
  const struct {
    BulkheadOptions options;
    const char* message;
  } cases[] = {
      {{.max_concurrent = 0}, "Bulkhead.max_concurrent is 0; it must be from 1 to 1000000"},
      {{.max_concurrent = std::numeric_limits<int>::max()},
       "Bulkhead.max_concurrent is 2147483647; it must be from 1 to 1000000"},
      {{.max_queue = -1}, "Bulkhead.max_queue is -1; it must be from 0 to 1000000"},
      {{.max_wait = absl::ZeroDuration()},
       "Bulkhead.max_wait is 0; it must be positive; for no wait at all, max_queue is 0"},
      {{.target_delay = -absl::Seconds(1)}, "Bulkhead.target_delay is -1s; it must be positive"},
      {{.target_interval = absl::ZeroDuration()},
       "Bulkhead.target_interval is 0; it must be positive and finite"},
      {{.target_interval = absl::InfiniteDuration()},
       "Bulkhead.target_interval is inf; it must be positive and finite"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({Bulkhead(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
  EXPECT_TRUE(PolicySet::Create({Bulkhead({.target_delay = absl::InfiniteDuration()})}).ok());
}

TEST(BulkheadOptionsTest, DescribesItself) {
  Description d;
  Bulkhead()->Describe(d);
  EXPECT_THAT(d.does,
              ElementsAre("lets at most 25 attempts run at a time",
                          "lets up to 100 more wait, the higher priority first, then the oldest",
                          "after 100ms in which everyone waited longer than 5ms, refuses whoever "
                          "has waited 10ms"));
  EXPECT_EQ(d.shares, "its permits and its line");
  EXPECT_EQ(d.queueing, absl::InfiniteDuration());
  EXPECT_THAT(d.warnings, IsEmpty());

  Description none;
  Bulkhead({.counts = BulkheadOptions::Counts::kCalls, .max_concurrent = 1, .max_queue = 0})
      ->Describe(none);
  EXPECT_THAT(none.does,
              ElementsAre("lets at most 1 call run at a time", "refuses whoever finds no permit"));
  EXPECT_EQ(none.queueing, absl::ZeroDuration());

  Description bounded;
  Bulkhead(
      {.order = BulkheadOptions::Order::kLifoUnderOverload, .max_wait = absl::Milliseconds(10)})
      ->Describe(bounded);
  EXPECT_THAT(bounded.does,
              ElementsAre("lets at most 25 attempts run at a time",
                          "lets up to 100 more wait, each at most 10ms, the higher priority first, "
                          "then the oldest",
                          "after 100ms in which everyone waited longer than 5ms, refuses whoever "
                          "has waited 10ms and serves the newest first"));
  EXPECT_EQ(bounded.queueing, absl::Milliseconds(10));
  EXPECT_THAT(bounded.warnings,
              ElementsAre("Bulkhead.target_delay does nothing: at most 10ms is waited, and only "
                          "twice the target is too long."));
}

TEST(BulkheadOptionsTest, Measures) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 1});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead);
  for (Caller* caller : {&a, &b, &c}) caller->Ask(At(0));
  std::map<std::string, double> gauges;
  std::vector<std::string> counting_up;
  bulkhead->Measure([&](const Gauge& gauge) {
    gauges[std::string(gauge.name)] = gauge.value;
    if (gauge.counts_up) counting_up.emplace_back(gauge.name);
  });
  const std::map<std::string, double> expected = {{"permits", 1}, {"permits_in_use", 1},
                                                  {"waiting", 1}, {"overloaded", 0},
                                                  {"waited", 1},  {"refused", 1}};
  EXPECT_EQ(gauges, expected);
  EXPECT_THAT(counting_up, ElementsAre("waited", "refused"));
}

}  // namespace
}  // namespace redial
