#include "policies/latency_window.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <thread>
#include <vector>

namespace redial::internal {
namespace {

constexpr int64_t kMs = 1'000'000;

Instant At(int64_t ms) { return Instant::FromNanos(1'000'000'000 + ms * kMs); }

TEST(LatencyWindowTest, KnowsNothingBelowTheMinimum) {
  LatencyWindow window({.length = absl::Seconds(10), .min_samples = 3});
  window.Add(kMs, At(0));
  window.Add(kMs, At(0));
  EXPECT_EQ(window.Quantile(0.5, At(0)), std::nullopt);
  window.Add(kMs, At(0));
  EXPECT_EQ(window.Quantile(0.5, At(0)), LatencyWindow::RoundedUp(kMs));
  EXPECT_EQ(window.samples(), 3);
}

TEST(LatencyWindowTest, RoundsUpByASixteenthAtMost) {
  for (int64_t nanos = 1024; nanos < int64_t{1} << 39; nanos += 1 + nanos / 37) {
    const int64_t rounded = LatencyWindow::RoundedUp(nanos);
    ASSERT_GE(rounded, nanos);
    ASSERT_LE(rounded, nanos + nanos / 16) << nanos;
  }
}

TEST(LatencyWindowTest, TakesWhatLiesBeyondForTheNearest) {
  EXPECT_EQ(LatencyWindow::RoundedUp(-5), 1087);
  EXPECT_EQ(LatencyWindow::RoundedUp(0), 1087);
  EXPECT_EQ(LatencyWindow::RoundedUp(1087), 1087);
  EXPECT_EQ(LatencyWindow::RoundedUp(1088), 1151);
  EXPECT_EQ(LatencyWindow::RoundedUp(std::numeric_limits<int64_t>::max()), (int64_t{1} << 40) - 1);
}

TEST(LatencyWindowTest, IsTheLeastThatCoversTheShare) {
  LatencyWindow window({.min_samples = 1});
  for (int64_t i = 1; i <= 100; ++i) window.Add(i * kMs, At(0));
  const auto quantile = [&](double q) { return window.Quantile(q, At(0)); };
  EXPECT_EQ(quantile(0), LatencyWindow::RoundedUp(1 * kMs));
  EXPECT_EQ(quantile(0.07), LatencyWindow::RoundedUp(7 * kMs));
  EXPECT_EQ(quantile(0.5), LatencyWindow::RoundedUp(50 * kMs));
  EXPECT_EQ(quantile(0.95), LatencyWindow::RoundedUp(95 * kMs));
  EXPECT_EQ(quantile(1), LatencyWindow::RoundedUp(100 * kMs));
}

// One slow sample in a hundred shows at the top, and only there.
TEST(LatencyWindowTest, AnOutlierMovesNoLowerQuantile) {
  LatencyWindow window({.min_samples = 1});
  for (int i = 0; i < 99; ++i) window.Add(kMs, At(0));
  window.Add(10'000 * kMs, At(0));
  EXPECT_EQ(window.Quantile(0.99, At(0)), LatencyWindow::RoundedUp(kMs));
  EXPECT_EQ(window.Quantile(0.991, At(0)), LatencyWindow::RoundedUp(10'000 * kMs));
}

TEST(LatencyWindowTest, ForgetsSliceBySlice) {
  LatencyWindow window({.length = absl::Seconds(4), .min_samples = 1});
  for (int64_t second = 0; second < 4; ++second) {
    for (int64_t i = 0; i <= second; ++i) window.Add(kMs, At(1000 * second));
  }
  EXPECT_EQ(window.samples(), 1 + 2 + 3 + 4);
  EXPECT_TRUE(window.Quantile(0.5, At(3999)).has_value());
  EXPECT_EQ(window.samples(), 10);
  EXPECT_TRUE(window.Quantile(0.5, At(4000)).has_value());
  EXPECT_EQ(window.samples(), 9);
  EXPECT_TRUE(window.Quantile(0.5, At(5999)).has_value());
  EXPECT_EQ(window.samples(), 7);
  EXPECT_TRUE(window.Quantile(0.5, At(6000)).has_value());
  EXPECT_EQ(window.samples(), 4);
  EXPECT_FALSE(window.Quantile(0.5, At(7000)).has_value());
  EXPECT_EQ(window.samples(), 0);
}

TEST(LatencyWindowTest, ForgetsAllAfterALongSilence) {
  LatencyWindow window({.length = absl::Seconds(4), .min_samples = 1});
  window.Add(kMs, At(0));
  window.Add(kMs, Instant::VirtualOrigin());
  EXPECT_EQ(window.samples(), 1);
  window.Add(kMs, At(0));  // runs backwards
  EXPECT_EQ(window.samples(), 2);
}

TEST(LatencyWindowTest, AnInfiniteOneForgetsNothing) {
  LatencyWindow window({.length = absl::InfiniteDuration(), .min_samples = 1});
  window.Add(kMs, At(0));
  window.Add(kMs, At(int64_t{1000} * 3600 * 24 * 365));
  EXPECT_EQ(window.samples(), 2);
}

TEST(RecentQuantileTest, LooksSixteenTimesASlice) {
  LatencyWindow window({.length = absl::Milliseconds(64), .min_samples = 1});  // slices of 16 ms
  RecentQuantile median(0.5);
  EXPECT_EQ(median.latest(), std::nullopt);
  EXPECT_EQ(median.Get(window, At(0)), std::nullopt);
  window.Add(kMs, At(0));
  EXPECT_EQ(median.Get(window, Instant::FromNanos(At(1).nanos() - 1)), std::nullopt);
  EXPECT_EQ(median.Get(window, At(1)), LatencyWindow::RoundedUp(kMs));
  EXPECT_EQ(median.latest(), LatencyWindow::RoundedUp(kMs));
}

TEST(LatencyWindowTest, ThreadsCountEachSampleOnce) {
  constexpr int kEach = 20'000;
  constexpr int kThreads = 4;
  LatencyWindow window({.length = absl::Seconds(3600), .min_samples = 1});
  RecentQuantile median(0.5);
  window.Add(kMs, At(0));  // the first one begins a slice, which others don't wait for
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&window, &median, t] {
      for (int64_t i = 0; i < kEach; ++i) {
        window.Add((t + 1) * kMs, At(i));
        (void)median.Get(window, At(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(window.samples(), 1 + kThreads * kEach);
  EXPECT_EQ(window.Quantile(0.5, At(kEach)), LatencyWindow::RoundedUp(2 * kMs));
}

// Slices begin while others add: what is in the window is never more than what was added.
TEST(LatencyWindowTest, ThreadsTurnSlicesTogether) {
  LatencyWindow window({.length = absl::Milliseconds(40), .min_samples = 1});
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&window] {
      for (int64_t i = 0; i < 20'000; ++i) window.Add(kMs, At(i / 10));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(window.samples(), 0);
  EXPECT_LE(window.samples(), 4 * 20'000);
  EXPECT_EQ(window.Quantile(1, At(1999)), LatencyWindow::RoundedUp(kMs));
  EXPECT_EQ(window.Quantile(1, At(3000)), std::nullopt);
}

}  // namespace
}  // namespace redial::internal
