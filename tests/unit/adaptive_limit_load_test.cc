// AdaptiveLimit as a loop: a server that gets slower, or refuses, when it is asked too much at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "redial/policies/adaptive_limit.h"
#include "tests/support/limit_load.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::LimitLoad;

constexpr AdaptiveLimitOptions Quick(LimitAlgorithm algorithm) {
  return {.algorithm = algorithm, .window = absl::Milliseconds(20)};
}

// Serves `capacity` at a time in 10 ms; with more, each takes its share longer.
absl::Duration TimeOf(size_t in_flight, int capacity) {
  return absl::Milliseconds(10) *
         std::max(1.0, static_cast<double>(in_flight) / static_cast<double>(capacity));
}

// Rounds in which `demand` callers ask at once, and all that were admitted end together.
void Play(LimitLoad& load, int rounds, int demand, int capacity) {
  for (int i = 0; i < rounds; ++i) {
    const std::vector<Token> taken = load.TakeAll(demand);
    const absl::Duration rtt = TimeOf(taken.size(), capacity);
    load.Pass(rtt);
    load.Settle(taken, rtt);
  }
}

TEST(AdaptiveLimitLoadTest, VegasKeepsAFewInTheQueue) {
  const auto limit = AdaptiveLimit(Quick(LimitAlgorithm::kVegas));
  LimitLoad load(*limit);
  Play(load, 1000, 500, 40);
  EXPECT_GE(limit->snapshot().limit, 43);
  EXPECT_LE(limit->snapshot().limit, 46);
  Play(load, 1000, 500, 15);  // the server has lost most of its power
  EXPECT_GE(limit->snapshot().limit, 17);
  EXPECT_LE(limit->snapshot().limit, 21);
}

TEST(AdaptiveLimitLoadTest, GradientSettlesWhereTimesGetTooLong) {
  const auto limit = AdaptiveLimit(Quick(LimitAlgorithm::kGradient));
  LimitLoad load(*limit);
  Play(load, 300, 500, 40);
  EXPECT_GE(limit->snapshot().limit, 60) << "half as much again is tolerated";
  EXPECT_LE(limit->snapshot().limit, 80);
  Play(load, 100, 500, 15);
  EXPECT_GE(limit->snapshot().limit, 15);
  EXPECT_LE(limit->snapshot().limit, 50);
}

TEST(AdaptiveLimitLoadTest, DoesNotGrowBeyondWhatIsAsked) {
  for (const LimitAlgorithm algorithm : {LimitAlgorithm::kGradient, LimitAlgorithm::kVegas}) {
    const auto limit = AdaptiveLimit(Quick(algorithm));
    LimitLoad load(*limit);
    Play(load, 1000, 15, 1000);
    EXPECT_GE(limit->snapshot().limit, 29);
    EXPECT_LE(limit->snapshot().limit, 31) << "twice what is asked";
  }
}

// A server that doesn't get slower, but turns down what is above its own limit.
TEST(AdaptiveLimitLoadTest, StaysAboutWhatThePeerTakes) {
  for (const LimitAlgorithm algorithm : {LimitAlgorithm::kGradient, LimitAlgorithm::kVegas}) {
    const auto limit = AdaptiveLimit(Quick(algorithm));
    LimitLoad load(*limit);
    int64_t most = 0;
    for (int i = 0; i < 1000; ++i) {
      std::vector<Token> taken = load.TakeAll(500);
      most = std::max(most, limit->snapshot().limit);
      load.Pass(absl::Milliseconds(10));
      while (taken.size() > 50) {
        load.Settle(taken.back(), absl::Milliseconds(1),
                    FailedWith(absl::StatusCode::kResourceExhausted));
        taken.pop_back();
      }
      load.Settle(taken, absl::Milliseconds(10));
    }
    EXPECT_GE(limit->snapshot().limit, 40);
    EXPECT_LE(most, 60);
  }
}

TEST(AdaptiveLimitLoadTest, ComesBackAfterAnOutage) {
  for (const LimitAlgorithm algorithm : {LimitAlgorithm::kGradient, LimitAlgorithm::kVegas}) {
    const auto limit = AdaptiveLimit(Quick(algorithm));
    LimitLoad load(*limit);
    Play(load, 100, 500, 40);
    for (int i = 0; i < 200; ++i) {  // nothing answers within the second that attempts have
      const std::vector<Token> taken = load.TakeAll(500);
      ASSERT_FALSE(taken.empty());
      load.Pass(absl::Seconds(1));
      load.Settle(taken, absl::Seconds(1), FailedWith(absl::StatusCode::kDeadlineExceeded));
    }
    EXPECT_EQ(limit->snapshot().limit, 1);
    Play(load, 1000, 500, 40);
    EXPECT_GE(limit->snapshot().limit, 40);
  }
}

}  // namespace
}  // namespace redial
