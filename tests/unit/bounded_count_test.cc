#include "policies/bounded_count.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <thread>
#include <vector>

#include "tests/support/other_thread.h"

namespace redial::internal {
namespace {

using testing::Other;

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

void EnterAndLeave(BoundedCount& count) {
  uint64_t entry = 0;
  EXPECT_TRUE(count.Enter(entry));
  count.Leave();
}

// As many threads as there are elements have each kept a place.
void KeepPlaces(BoundedCount& count, std::deque<Other>& others) {
  for (Other& other : others) other.Do([&count] { EnterAndLeave(count); });
}

TEST(BoundedCountTest, AThreadKeepsItsPlaceIfHandsAreOpen) {
  BoundedCount count(20);
  EnterAndLeave(count);
  EXPECT_EQ(count.reading().count, 0) << "nobody has opened them";
  count.OpenHands();
  EnterAndLeave(count);
  EXPECT_EQ(count.reading().count, 1);
  EXPECT_EQ(count.in_use(), 0);
  uint64_t entry = 0;
  ASSERT_TRUE(count.Enter(entry));
  EXPECT_EQ(BoundedCount::Read(entry).count, 1) << "the place that was kept";
  EXPECT_EQ(count.in_use(), 1);
  ASSERT_TRUE(count.Enter(entry));
  EXPECT_EQ(BoundedCount::Read(entry).count, 2);
  count.Leave();
  EXPECT_EQ(count.Leave().count, 1);
  EXPECT_EQ(count.in_use(), 0);
}

// From half of the limit on the count is that of those who are in.
TEST(BoundedCountTest, PlacesThatAreKeptNeverMakeUpHalfOfTheLimit) {
  BoundedCount count(10);
  count.OpenHands();
  std::deque<Other> others(4);
  KeepPlaces(count, others);
  EXPECT_EQ(count.reading().count, 4);
  uint64_t entry = 0;
  ASSERT_TRUE(count.Enter(entry));
  EXPECT_EQ(BoundedCount::Read(entry).count, 1);
  others[0].Do([&count] { EnterAndLeave(count); });
  EXPECT_EQ(count.reading().count, 1) << "they are closed";
  count.OpenHands();
  others[0].Do([&count] { EnterAndLeave(count); });
  EXPECT_EQ(count.reading().count, 2) << "and open again";
  EXPECT_EQ(count.in_use(), 1);
}

TEST(BoundedCountTest, NobodyIsRefusedForAPlaceThatIsKept) {
  for (const int64_t limit : {8, 9, 30}) {
    BoundedCount count(limit);
    count.OpenHands();
    std::deque<Other> others(3);
    KeepPlaces(count, others);
    uint64_t entry = 0;
    for (int64_t i = 1; i <= limit; ++i) {
      ASSERT_TRUE(count.Enter(entry)) << i;
      if (2 * i >= limit) {
        ASSERT_EQ(BoundedCount::Read(entry).count, i);
      }
    }
    EXPECT_FALSE(count.Enter(entry));
    others[0].Do([&] { EXPECT_FALSE(count.Enter(entry)); });
    for (int64_t i = 0; i < limit; ++i) count.Leave();
    EXPECT_EQ(count.reading().count, 0);
  }
}

TEST(BoundedCountTest, ALowerLimitClosesHands) {
  for (const int64_t limit : {7, 8, 9}) {
    BoundedCount count(40);
    count.OpenHands();
    std::deque<Other> others(4);
    KeepPlaces(count, others);
    count.SetLimit(limit, /*begins_epoch=*/true);
    EXPECT_EQ(count.reading().count, limit < 9 ? 0 : 4) << limit;
    EXPECT_EQ(count.reading().limit, limit);
    EXPECT_EQ(count.reading().epoch, 1u);
  }
}

TEST(BoundedCountTest, HandsStayClosedWhereLittleIsLeft) {
  BoundedCount small(7);
  small.OpenHands();
  EnterAndLeave(small);
  EXPECT_EQ(small.reading().count, 0);

  BoundedCount busy(8);
  uint64_t entry = 0;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(busy.Enter(entry));
  busy.OpenHands();
  busy.Leave();
  EXPECT_EQ(busy.reading().count, 2) << "above a quarter";
  busy.OpenHands();
  busy.Leave();
  EXPECT_EQ(busy.reading().count, 2);
  EXPECT_EQ(busy.in_use(), 1);
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

// Threads keep places and lose them again, while the limit moves to where nobody may keep one. Who
// finds half of the limit taken, or all of it, is right.
TEST(BoundedCountTest, HandsThatOpenAndCloseLoseNoEntry) {
  BoundedCount count(8);
  std::atomic<int> wrong = 0;
  const auto run = [&](int t) {
    for (int i = 0; i < 30'000; ++i) {
      uint64_t entries[2] = {};
      int entered = 0;
      for (uint64_t& entry : entries) {
        if (!count.Enter(entry)) {
          ++wrong;  // three threads with two each have room
          continue;
        }
        ++entered;
        const BoundedCount::Reading read = BoundedCount::Read(entry);
        if (2 * read.count >= read.limit && read.count > 6) ++wrong;
      }
      for (; entered > 0; --entered) count.Leave();
      if (i % 8 == t) count.OpenHands();
      if (i % 32 == t) count.SetLimit(8 + i % 5, i % 64 == 0);
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) threads.emplace_back(run, t);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(count.in_use(), 0);
  count.SetLimit(1, /*begins_epoch=*/false);
  EXPECT_EQ(count.reading().count, 0) << "none is left in a hand";
}

}  // namespace
}  // namespace redial::internal
