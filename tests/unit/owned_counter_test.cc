#include "src/core/owned_counter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace redial::internal {
namespace {

TEST(OwnedCounterTest, AddsUpAndBeginsAnew) {
  OwnedCounter counter;
  counter.Add(2);
  counter.Add(3);
  EXPECT_EQ(counter.Sum(), 5);
  EXPECT_EQ(counter.Take(), 5);
  EXPECT_EQ(counter.Sum(), 0);
  counter.Add(1);
  EXPECT_EQ(counter.Sum(), 1);
  EXPECT_EQ(counter.Take(), 1);
  EXPECT_EQ(counter.Take(), 0);
}

TEST(OwnedCounterTest, CountsWhatThreadsThatAreGoneHaveAdded) {
  OwnedCounter counter;
  for (int i = 1; i <= 100; ++i) {
    std::thread([&counter] { counter.Add(1); }).join();
    ASSERT_EQ(counter.Sum(), i);
  }
}

// More threads than slots, while one takes.
TEST(OwnedCounterTest, ThreadsLoseNone) {
  constexpr int kThreads = kThreadSlots + 12;
  constexpr int kEach = 5000;
  OwnedCounter counter;
  std::atomic<bool> over = false;
  int64_t taken = 0;
  std::thread takes([&] {
    while (!over) {
      const int64_t some = counter.Take();
      EXPECT_GE(some, 0);
      taken += some;
      std::this_thread::yield();
    }
  });
  std::atomic<int> there = 0;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      counter.Add(1);
      ++there;
      while (there < kThreads) std::this_thread::yield();
      for (int i = 1; i < kEach; ++i) counter.Add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  over = true;
  takes.join();
  EXPECT_EQ(taken + counter.Take(), int64_t{kThreads} * kEach);
}

// A cell's owner changes, over and over, and no addition is written over.
TEST(OwnedCounterTest, ThreadsThatComeAndGoLoseNone) {
  constexpr int kRounds = 50;
  OwnedCounter counter;
  std::vector<std::thread> spawners;
  for (int s = 0; s < 4; ++s) {
    spawners.emplace_back([&counter] {
      for (int i = 0; i < kRounds; ++i) {
        std::thread([&counter] {
          for (int k = 0; k < 100; ++k) counter.Add(1);
        }).join();
      }
    });
  }
  for (std::thread& thread : spawners) thread.join();
  EXPECT_EQ(counter.Sum(), 4 * kRounds * 100);
}

}  // namespace
}  // namespace redial::internal
