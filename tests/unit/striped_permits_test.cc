#include "src/core/striped_permits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/processor.h"

namespace redial::internal {
namespace {

using testing::MoveTo;

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
    threads.reserve(6);
    for (size_t t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = 0; i < 20'000; ++i) {
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

// There are three permits. One thread takes up to two of them from its stripe and gives them back,
// again and again; so the other, which looks everywhere, always finds one.
TEST(StripedPermitsTest, NobodyMissesAPermitThatIsThere) {
  StripedPermits permits(0);
  std::mutex owner;
  std::atomic<int> missed = 0;
  std::atomic<bool> done = false;
  std::atomic<int> owed = 3;  // to be put into the stripe of the one that comes and goes
  std::thread comes_and_goes([&] {
    MoveTo(0);
    permits.Add(owed.exchange(0));
    while (!done) {
      const int taken = (permits.TryTake() ? 1 : 0) + (permits.TryTake() ? 1 : 0);
      if (taken == 0) ++missed;
      permits.Add(taken);
      if (const int n = owed.load(); n > 0) {
        permits.Add(n);
        owed -= n;
      }
    }
  });
  std::thread looks([&] {
    MoveTo(1);
    for (int i = 0; i < 20'000; ++i) {
      while (owed.load() > 0) std::this_thread::yield();
      const std::lock_guard lock(owner);
      ++(permits.TakeAny() ? owed : missed);
    }
    done = true;
  });
  looks.join();
  comes_and_goes.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace redial::internal
