// The algorithms of AdaptiveLimit, by their figures.
#include <gtest/gtest.h>

#include "policies/limit_gradient.h"
#include "policies/limit_vegas.h"
#include "policies/limit_window.h"
#include "redial/policies/adaptive_limit.h"

namespace redial::internal {
namespace {

constexpr double kMilli = 1e6;
const AdaptiveLimitOptions kDefaults;

// Netflix concurrency-limits, Gradient2Limit._update: limit * 1 + 4, a fifth of the way.
TEST(GradientLimitTest, GrowsWhileTimesAreAsUsual) {
  GradientLimit gradient;
  double limit = 20;
  for (const double expected : {20.8, 21.6, 22.4}) {
    limit = gradient.Update(limit, {.rtt_nanos = 10 * kMilli, .peak = 20}, kDefaults);
    EXPECT_DOUBLE_EQ(limit, expected);
  }
}

TEST(GradientLimitTest, ToleratesHalfAsMuchAgain) {
  GradientLimit gradient;
  for (int i = 0; i < 10; ++i) gradient.Update(20, {.rtt_nanos = kMilli, .peak = 20}, kDefaults);
  EXPECT_DOUBLE_EQ(gradient.Update(20, {.rtt_nanos = 1.5 * kMilli, .peak = 20}, kDefaults), 20.8);
}

// The usual time was 10 ms, and is (10 + 20 * 2 / 601) ms with this window.
TEST(GradientLimitTest, ShrinksByTheGradient) {
  GradientLimit gradient;
  for (int i = 0; i < 10; ++i) {
    gradient.Update(100, {.rtt_nanos = 10 * kMilli, .peak = 100}, kDefaults);
  }
  const double usual = 10 + 20.0 * 2 / 601;
  const double limit = gradient.Update(100, {.rtt_nanos = 30 * kMilli, .peak = 100}, kDefaults);
  EXPECT_NEAR(limit, 100 * .8 + (100 * (1.5 * usual / 30) + 4) * .2, 1e-9);
  EXPECT_NEAR(limit, 90.87, .01);
}

TEST(GradientLimitTest, NeverByMoreThanHalfOfThatPart) {
  GradientLimit gradient;
  for (int i = 0; i < 10; ++i) {
    gradient.Update(100, {.rtt_nanos = kMilli, .peak = 100}, kDefaults);
  }
  EXPECT_NEAR(gradient.Update(100, {.rtt_nanos = 1000 * kMilli, .peak = 100}, kDefaults),
              100 * .8 + (50 + 4) * .2, 1e-9);
}

// Netflix concurrency-limits, ExpAvgMeasurementTest.testWarmup, with the 600 of Gradient2Limit.
TEST(GradientLimitTest, AveragesAsNetflixDoes) {
  GradientLimit gradient;
  const double warm_up[] = {10, 10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14, 14.5};
  for (int i = 0; i < 10; ++i) {
    gradient.Update(20, {.rtt_nanos = 10.0 + i, .peak = 20}, kDefaults);
    EXPECT_DOUBLE_EQ(gradient.usual_rtt_nanos(), warm_up[i]);
  }
  gradient.Update(20, {.rtt_nanos = 100, .peak = 20}, kDefaults);
  EXPECT_NEAR(gradient.usual_rtt_nanos(), 14.5 + 85.5 * 2 / 601, 1e-9);
}

// Gradient2Limit: a usual time of more than twice this one's comes down by a twentieth at once.
TEST(GradientLimitTest, ForgetsALongOverloadSoon) {
  GradientLimit gradient;
  for (int i = 0; i < 10; ++i) {
    gradient.Update(20, {.rtt_nanos = 100 * kMilli, .peak = 20}, kDefaults);
  }
  gradient.Update(20, {.rtt_nanos = 10 * kMilli, .peak = 20}, kDefaults);
  EXPECT_NEAR(gradient.usual_rtt_nanos(), (100 - 90.0 * 2 / 601) * .95 * kMilli, 1);
}

TEST(GradientLimitTest, LearnsAlsoWhereTheLimitIsNotUsed) {
  GradientLimit gradient;
  EXPECT_EQ(gradient.Update(20, {.rtt_nanos = 10 * kMilli, .peak = 9}, kDefaults), 20);
  EXPECT_EQ(gradient.usual_rtt_nanos(), 10 * kMilli);
  EXPECT_GT(gradient.Update(20, {.rtt_nanos = 10 * kMilli, .peak = 10}, kDefaults), 20);
}

// Netflix concurrency-limits, VegasLimitTest.increaseLimit.
TEST(VegasLimitTest, GrowsWhileNothingQueues) {
  VegasLimit vegas;
  EXPECT_EQ(vegas.Update(10, {.rtt_nanos = 10 * kMilli, .peak = 10}), 11);
  EXPECT_EQ(vegas.Update(11, {.rtt_nanos = 10 * kMilli, .peak = 11}), 12);
}

// Netflix concurrency-limits, VegasLimitTest.noChangeIfWithinThresholds.
TEST(VegasLimitTest, StaysWhileAFewQueue) {
  VegasLimit vegas;
  EXPECT_EQ(vegas.Update(10, {.rtt_nanos = 10 * kMilli, .peak = 10}), 11);
  EXPECT_EQ(vegas.Update(11, {.rtt_nanos = 14 * kMilli, .peak = 11}), 11);
}

TEST(VegasLimitTest, FromThreeToSixAreAFew) {
  VegasLimit vegas;
  vegas.Update(20, {.rtt_nanos = 100, .peak = 1});
  // Of twenty, so many queue: 20 * (1 - 100 / rtt).
  EXPECT_EQ(vegas.Update(20, {.rtt_nanos = 2000.0 / 18, .peak = 20}), 21);    // 2
  EXPECT_EQ(vegas.Update(20, {.rtt_nanos = 2000.0 / 17.5, .peak = 20}), 20);  // 3
  EXPECT_EQ(vegas.Update(20, {.rtt_nanos = 2000.0 / 14.5, .peak = 20}), 20);  // 6
  EXPECT_EQ(vegas.Update(20, {.rtt_nanos = 2000.0 / 13.5, .peak = 20}), 19);  // 7
}

TEST(VegasLimitTest, StepsGrowWithTheDigits) {
  VegasLimit vegas;
  EXPECT_EQ(vegas.Update(9, {.rtt_nanos = 100, .peak = 9}), 10);
  EXPECT_EQ(vegas.Update(100, {.rtt_nanos = 100, .peak = 100}), 102);
  EXPECT_EQ(vegas.Update(1000, {.rtt_nanos = 100, .peak = 1000}), 1003);
  EXPECT_EQ(vegas.Update(1000, {.rtt_nanos = 200, .peak = 1000}), 997);
}

TEST(VegasLimitTest, AnUnusedLimitStays) {
  VegasLimit vegas;
  EXPECT_EQ(vegas.Update(20, {.rtt_nanos = 100, .peak = 9}), 20);
  EXPECT_EQ(vegas.Update(20, {.rtt_nanos = 100, .peak = 10}), 21);
}

// A path that has become longer for good isn't taken for a queue for ever.
TEST(VegasLimitTest, ForgetsTheLeastAfterItsSpells) {
  VegasLimit vegas;
  vegas.Update(20, {.rtt_nanos = 100, .peak = 1});
  for (int i = 0; i < 1199; ++i) {
    vegas.Update(20, {.rtt_nanos = 300, .peak = 1});
    ASSERT_EQ(vegas.usual_rtt_nanos(), 100) << i;
  }
  vegas.Update(20, {.rtt_nanos = 300, .peak = 1});
  EXPECT_EQ(vegas.usual_rtt_nanos(), 300);
}

TEST(LimitWindowTest, OneDropInAHundredIsNoOverload) {
  EXPECT_FALSE((LimitWindow{.results = 100, .drops = 1}.Overloaded()));
  EXPECT_EQ((LimitWindow{.results = 100, .drops = 1}.Kept()), 1);
  EXPECT_TRUE((LimitWindow{.results = 99, .drops = 1}.Overloaded()));
  EXPECT_EQ((LimitWindow{.results = 100, .drops = 50}.Kept()), .75);
  EXPECT_EQ((LimitWindow{.results = 3, .drops = 3}.Kept()), .5);
  EXPECT_FALSE(LimitWindow{}.Overloaded());
}

}  // namespace
}  // namespace redial::internal
