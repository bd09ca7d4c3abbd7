#include "policies/bounded_count.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace redial::internal {
namespace {

TEST(BoundedCountTest, StopsAtItsLimit) {
  BoundedCount count(2);
  uint64_t entry = 0;
  EXPECT_TRUE(count.Enter(entry));
  EXPECT_EQ(BoundedCount::Read(entry).count, 1);
  EXPECT_TRUE(count.Enter(entry));
  EXPECT_EQ(BoundedCount::Read(entry).count, 2);
  EXPECT_FALSE(count.Enter(entry));
  EXPECT_EQ(count.Leave().count, 1);
  EXPECT_TRUE(count.Enter(entry));
}

TEST(BoundedCountTest, KeepsTheCountAboveALowerLimit) {
  BoundedCount count(BoundedCount::kMost);
  uint64_t entry = 0;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(count.Enter(entry));
  count.SetLimit(3, /*begins_epoch=*/false);
  EXPECT_EQ(count.reading().count, 5);
  EXPECT_EQ(count.reading().limit, 3);
  count.Leave();
  count.Leave();
  EXPECT_FALSE(count.Enter(entry));
  count.Leave();
  EXPECT_TRUE(count.Enter(entry));
}

TEST(BoundedCountTest, TellsTheEpochOfAnEntry) {
  BoundedCount count(5);
  uint64_t entry = 0;
  ASSERT_TRUE(count.Enter(entry));
  count.SetLimit(6, /*begins_epoch=*/false);
  EXPECT_EQ(count.Leave().epoch, BoundedCount::Read(entry).epoch);
  ASSERT_TRUE(count.Enter(entry));
  count.SetLimit(5, /*begins_epoch=*/true);
  EXPECT_NE(count.Leave().epoch, BoundedCount::Read(entry).epoch);
}

TEST(BoundedCountTest, EpochsBeginAgain) {
  constexpr int kEpochs = 1 << 24;
  BoundedCount count(5);
  for (int i = 0; i < kEpochs; ++i) count.SetLimit(7, /*begins_epoch=*/true);
  EXPECT_EQ(count.reading().epoch, 0u);
  EXPECT_EQ(count.reading().limit, 7);
  EXPECT_EQ(count.reading().count, 0);
}

TEST(BoundedCountTest, NoTwoThreadsEnterWhereOneMay) {
  constexpr int kEach = 20000;
  BoundedCount count(1);
  std::atomic<int> inside = 0;
  std::atomic<int> exceeded = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      uint64_t entry = 0;
      for (int i = 0; i < kEach; ++i) {
        if (!count.Enter(entry)) continue;
        if (++inside > 1) ++exceeded;
        --inside;
        count.Leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(exceeded, 0);
  EXPECT_EQ(count.reading().count, 0);
}

TEST(BoundedCountTest, ALimitThatMovesLosesNoEntry) {
  constexpr int kEach = 20000;
  BoundedCount count(2);
  std::atomic<int> running = 4;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      uint64_t entry = 0;
      for (int i = 0; i < kEach; ++i) {
        if (count.Enter(entry)) count.Leave();
      }
      --running;
    });
  }
  for (int i = 0; running > 0; ++i) count.SetLimit(1 + i % 4, i % 2 == 0);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count.reading().count, 0);
}

}  // namespace
}  // namespace redial::internal
