#include "src/core/striped_permits.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace redial::internal {
namespace {

// Threads of a test spread over what processors there are, and wander.
void MoveTo(int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(processor) % std::thread::hardware_concurrency(), &one);
  (void)::sched_setaffinity(0, sizeof one, &one);  // where it isn't allowed, the kernel moves them
}

TEST(StripedPermitsTest, AsManyAsThereAre) {
  StripedPermits permits(3);
  EXPECT_EQ(permits.Free(), 3);
  EXPECT_TRUE(permits.TakeAny());
  EXPECT_EQ(permits.TakeUpTo(5), 2);
  EXPECT_FALSE(permits.TakeAny());
  EXPECT_FALSE(permits.TryTake());
  EXPECT_FALSE(permits.MayTake());
  EXPECT_FALSE(permits.Any());
  EXPECT_FALSE(permits.Give()) << "nobody waits";
  EXPECT_TRUE(permits.Any());
  EXPECT_EQ(permits.Free(), 1);
}

TEST(StripedPermitsTest, AGateThatIsClosedLetsNobodyPass) {
  StripedPermits permits(1);
  permits.Close();
  EXPECT_FALSE(permits.MayTake());
  EXPECT_FALSE(permits.TryTake());
  EXPECT_TRUE(permits.TakeAny()) << "under the owner's lock";
  EXPECT_TRUE(permits.Give()) << "somebody waits for it";
  permits.Open();
  EXPECT_TRUE(permits.TakeAny());
  EXPECT_FALSE(permits.Give());
}

TEST(StripedPermitsTest, WhatAnotherProcessorHasIsFound) {
  StripedPermits permits(0);
  std::thread([&] {
    MoveTo(1);
    permits.Add(4);
  }).join();
  std::thread([&] {
    MoveTo(0);
    EXPECT_TRUE(permits.Any());
    EXPECT_TRUE(permits.TakeAny());
    EXPECT_TRUE(permits.TryTake()) << "half of them have come along";
    EXPECT_EQ(permits.Free(), 2);
  }).join();
}

// Threads that take and give while they wander between processors: never more are out than there
// are, and all come back.
TEST(StripedPermitsTest, ThreadsNeverOverdrawThem) {
  for (const int64_t n : {1, 2, 5}) {
    StripedPermits permits(n);
    std::mutex owner;
    std::atomic<int64_t> out = 0;
    std::atomic<int64_t> most = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20'000; ++i) {
          if (i % 500 == 0) MoveTo(t + i / 500);
          bool taken = permits.TryTake();
          if (!taken) {
            const std::lock_guard lock(owner);
            taken = permits.TakeAny();
          }
          if (!taken) continue;
          const int64_t now_out = ++out;
          int64_t seen = most;
          while (seen < now_out && !most.compare_exchange_weak(seen, now_out)) {
          }
          if (i % 64 == 0) std::this_thread::yield();
          --out;
          EXPECT_FALSE(permits.Give());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_LE(most, n);
    EXPECT_EQ(permits.Free(), n);
  }
}

// With as many permits as threads, whoever looks for one finds one: those that wander meanwhile
// mustn't make it seem that none is there.
TEST(StripedPermitsTest, NobodyMissesAPermitThatWanders) {
  constexpr int kThreads = 4;
  StripedPermits permits(kThreads);
  std::mutex owner;
  std::atomic<int> missed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20'000; ++i) {
        if (i % 50 == 0) MoveTo(t + i / 50);
        bool taken = permits.TryTake();
        if (!taken) {
          const std::lock_guard lock(owner);
          taken = permits.TakeAny();
        }
        if (!taken) {
          ++missed;
          continue;
        }
        (void)permits.Give();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace redial::internal
