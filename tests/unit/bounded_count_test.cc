#include "policies/bounded_count.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>

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

// Runs `body` on two threads at once, over and over, so that they meet.
template <class Body>
void Race(int times, const Body& body) {
  std::atomic<int> ready = 0;
  const auto run = [&] {
    ++ready;
    while (ready < 2) std::this_thread::yield();
    for (int i = 0; i < times; ++i) body(i);
  };
  std::thread other(run);
  run();
  other.join();
}

TEST(BoundedCountTest, NoTwoThreadsEnterWhereOneMay) {
  BoundedCount count(1);
  std::atomic<int> inside = 0;
  std::atomic<int> exceeded = 0;
  Race(20000, [&](int) {
    uint64_t entry = 0;
    if (!count.Enter(entry)) return;
    if (++inside > 1) ++exceeded;
    std::this_thread::yield();  // so that the other one comes meanwhile
    --inside;
    count.Leave();
  });
  EXPECT_EQ(exceeded, 0);
  EXPECT_EQ(count.reading().count, 0);
}

TEST(BoundedCountTest, ALimitThatMovesLosesNoEntry) {
  BoundedCount count(2);
  Race(100000, [&](int i) {
    uint64_t entry = 0;
    if (count.Enter(entry)) count.Leave();
    count.SetLimit(1 + i % 4, i % 2 == 0);
  });
  EXPECT_EQ(count.reading().count, 0);
}

}  // namespace
}  // namespace redial::internal
