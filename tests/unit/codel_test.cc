#include "policies/codel.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace redial::internal {
namespace {

constexpr int64_t kMs = 1'000'000;
Instant At(int64_t ms) { return Instant::FromNanos(ms * kMs); }

class CodelTest : public ::testing::Test {
 protected:
  CodelTest() { codel_.Begin(At(0)); }
  bool Refuses(int64_t waited_ms, int64_t at_ms) {
    return codel_.Refuses(waited_ms * kMs, At(at_ms));
  }
  Codel codel_{{.target_nanos = 5 * kMs, .interval_nanos = 100 * kMs}};
};

// folly, CodelTest.Basic: the same waits, each first one at the end of an interval.
TEST_F(CodelTest, JudgesAsFollyDoes) {
  EXPECT_FALSE(Refuses(100, 110));
  EXPECT_FALSE(Refuses(50, 220)) << "the first wait of an interval proves nothing";
  EXPECT_TRUE(Refuses(50, 220));
  EXPECT_FALSE(Refuses(2, 330)) << "the line is overloaded, but 2 ms isn't long";
  EXPECT_TRUE(Refuses(20, 420));
}

TEST_F(CodelTest, OneShortWaitClearsAnInterval) {
  EXPECT_FALSE(Refuses(50, 10));
  EXPECT_FALSE(Refuses(5, 50));
  EXPECT_FALSE(Refuses(50, 100));
  EXPECT_FALSE(Refuses(50, 101));
  EXPECT_FALSE(codel_.overloaded());
  EXPECT_FALSE(Refuses(50, 102));
  EXPECT_FALSE(Refuses(50, 202));
  EXPECT_TRUE(codel_.overloaded());
  EXPECT_FALSE(Refuses(10, 203)) << "twice the target is still served";
  EXPECT_TRUE(Refuses(11, 203));
}

TEST_F(CodelTest, AnIntervalInWhichNobodyIsServedIsOverloaded) {
  EXPECT_FALSE(Refuses(500, 500));
  EXPECT_TRUE(codel_.overloaded());
  EXPECT_TRUE(Refuses(500, 500));
}

TEST_F(CodelTest, EachLineBeginsAnew) {
  EXPECT_FALSE(Refuses(500, 500));
  codel_.Begin(At(510));
  EXPECT_FALSE(codel_.overloaded());
  EXPECT_FALSE(Refuses(100, 610));
  EXPECT_FALSE(codel_.overloaded());
}

TEST(Codel, WithoutATargetNothingIsRefused) {
  Codel codel({});
  codel.Begin(At(0));
  EXPECT_FALSE(codel.Refuses(1'000'000 * kMs, At(1'000'000)));
  EXPECT_FALSE(codel.Refuses(1'000'000 * kMs, At(1'000'000)));
  EXPECT_FALSE(codel.overloaded());
}

TEST_F(CodelTest, AnotherTargetIsJudgedFromItsOwnInterval) {
  EXPECT_FALSE(Refuses(50, 110));
  EXPECT_TRUE(Refuses(50, 111));
  codel_.Reconfigure({}, At(112));
  EXPECT_FALSE(Refuses(50, 10'000));
  codel_.Reconfigure({.target_nanos = 20 * kMs, .interval_nanos = 10 * kMs}, At(10'000));
  EXPECT_FALSE(Refuses(50, 10'010));
  EXPECT_FALSE(Refuses(50, 10'011));
  EXPECT_TRUE(Refuses(50, 10'012));
  EXPECT_FALSE(Refuses(40, 10'012));
}

TEST_F(CodelTest, TimeThatRunsBackwardsDoesNoHarm) {
  EXPECT_FALSE(Refuses(500, 500));
  EXPECT_FALSE(Refuses(-400, 100));
  EXPECT_FALSE(Refuses(INT64_MIN / kMs, 0));
  EXPECT_FALSE(Refuses(1, 601));
  EXPECT_FALSE(codel_.overloaded());
}

}  // namespace
}  // namespace redial::internal
