#include "policies/rtt_samples.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

namespace redial::internal {
namespace {

TEST(RttSamplesTest, AddsUp) {
  RttSamples samples;
  samples.Add(1'000'000'000);
  samples.Add(2'000'000'000);
  const RttSamples::Sum sum = samples.Take();
  EXPECT_EQ(sum.count, 2);
  EXPECT_EQ(sum.nanos, 3e9);
  EXPECT_EQ(samples.Take().count, 0);
}

TEST(RttSamplesTest, RoundsUp) {
  RttSamples samples;
  samples.Add(257);
  EXPECT_EQ(samples.Take().nanos, 512);
  samples.Add(0);
  EXPECT_EQ(samples.Take().nanos, 256);
  samples.Add(-5);
  EXPECT_EQ(samples.Take().nanos, 256);
}

// As many of the longest as fit: the next one says that it is time to take them.
TEST(RttSamplesTest, SaysWhenItFillsUp) {
  constexpr int64_t kLongest = int64_t{0xffffffff} * 256;
  RttSamples samples;
  // Over and over, so that both halves of the word begin again: neither runs into the other.
  for (int round = 0; round < 300; ++round) {
    int64_t added = 1;
    while (!samples.Add(std::numeric_limits<int64_t>::max())) ++added;
    ASSERT_EQ(added, 4096);
    const RttSamples::Sum sum = samples.Take();
    ASSERT_EQ(sum.count, added);
    ASSERT_EQ(sum.nanos, static_cast<double>(added) * static_cast<double>(kLongest));
  }
}

TEST(RttSamplesTest, ThreadsLoseNone) {
  constexpr int kEach = 20000;
  RttSamples samples;
  std::atomic<bool> over = false;
  RttSamples::Sum taken;
  std::thread takes([&] {
    while (!over) taken.Add(samples.Take());
  });
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) samples.Add(2560);
    });
  }
  for (std::thread& thread : threads) thread.join();
  over = true;
  takes.join();
  taken.Add(samples.Take());
  EXPECT_EQ(taken.count, 4 * kEach);
  EXPECT_EQ(taken.nanos, 4.0 * kEach * 2560);
}

}  // namespace
}  // namespace redial::internal
