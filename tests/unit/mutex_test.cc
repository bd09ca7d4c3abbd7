#include "src/core/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace redial::internal {
namespace {

class Counter {
 public:
  void Add() {
    StdMutexLock lock(mu_);
    ++count_;
  }
  int count() {
    StdMutexLock lock(mu_);
    const int count = count_;
    lock.Release();
    return count;
  }

 private:
  StdMutex mu_;
  int count_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(StdMutex, Excludes) {
  Counter counter;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&counter] {
        for (int i = 0; i < 1000; ++i) counter.Add();
      });
    }
  }
  EXPECT_EQ(counter.count(), 4000);
  EXPECT_EQ(counter.count(), 4000);
}

TEST(StdMutex, IsFreeAfterARelease) {
  StdMutex mu;
  {
    StdMutexLock lock(mu);
    lock.Release();
    const bool taken = mu.try_lock();
    EXPECT_TRUE(taken);
    if (taken) mu.unlock();
  }
  const bool taken = mu.try_lock();
  EXPECT_TRUE(taken);
  if (taken) mu.unlock();
}

}  // namespace
}  // namespace redial::internal
