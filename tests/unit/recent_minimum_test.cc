#include "policies/recent_minimum.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace redial::internal {
namespace {

Instant At(int64_t seconds) { return Instant::FromNanos(seconds * 1'000'000'000); }

TEST(RecentMinimumTest, KnowsNothingAtFirst) {
  EXPECT_EQ(RecentMinimum(absl::Seconds(30)).Get(), 0);
}

TEST(RecentMinimumTest, ForgetsAfterOneToTwoSlices) {
  RecentMinimum least(absl::Seconds(30));
  least.Add(5, At(0));
  least.Add(9, At(10));
  EXPECT_EQ(least.Get(), 5);
  least.Add(8, At(30));
  EXPECT_EQ(least.Get(), 5);
  least.Add(9, At(60));
  EXPECT_EQ(least.Get(), 8);
}

TEST(RecentMinimumTest, ForgetsAllAfterASilence) {
  RecentMinimum least(absl::Seconds(30));
  least.Add(5, At(0));
  least.Add(9, At(60));
  EXPECT_EQ(least.Get(), 9);
}

TEST(RecentMinimumTest, ThreadsFindTheLeast) {
  RecentMinimum least(absl::Seconds(30));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&least, t] {
      for (int64_t i = 20'000; i > 0; --i) least.Add(10 * i + t, At(1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(least.Get(), 10);
}

}  // namespace
}  // namespace redial::internal
