// AdaptiveLimit between threads: no attempt above the limit, no place lost, no drop counted twice.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "redial/policies/adaptive_limit.h"
#include "tests/support/limit_load.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Hourly;
using testing::kEnded;
using testing::LimitLoad;

// tower and failsafe-go check shared counters, then act on them.
TEST(AdaptiveLimitThreadsTest, ThreadsNeverExceedIt) {
  constexpr int kLimit = 1;  // two threads at once are enough to exceed it
  constexpr int kEach = 20000;
  const auto limit =
      AdaptiveLimit({.min_limit = kLimit, .initial_limit = kLimit, .max_limit = kLimit});
  std::atomic<int> in_flight = 0;
  std::atomic<int> exceeded = 0;
  std::vector<std::thread> threads;
  threads.reserve(6);
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        Token token = 0;
        if (limit->Reserve(View(), token, nullptr) != Verdict::Admit()) continue;
        if (++in_flight > kLimit) ++exceeded;
        std::this_thread::yield();  // so that the others come meanwhile
        --in_flight;
        if (i % 3 == 0) {
          limit->Void(token, nullptr);
        } else {
          Outcome outcome;
          outcome.ended = outcome.started + absl::Milliseconds(i);
          limit->Settle(token, outcome);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(exceeded, 0);
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

// With windows that close all the time, failures, and options that change meanwhile.
TEST(AdaptiveLimitThreadsTest, ThreadsGiveEveryPlaceBackWhileItMoves) {
  constexpr int kEach = 20000;
  AdaptiveLimitOptions options = {.window = absl::Milliseconds(10), .window_results = 5};
  const auto limit = AdaptiveLimit(options);
  std::atomic<int> over = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Token token = 0;
        if (limit->Reserve(View(), token, nullptr) != Verdict::Admit()) continue;
        Outcome outcome = i % 7 == t ? FailedWith(absl::StatusCode::kDeadlineExceeded) : Outcome();
        outcome.started = kEnded + absl::Milliseconds(i);
        outcome.ended = outcome.started + absl::Milliseconds(i % 10);
        limit->Settle(token, outcome);
      }
      ++over;
    });
  }
  while (over < 4) {
    options.algorithm = options.algorithm == LimitAlgorithm::kVegas ? LimitAlgorithm::kGradient
                                                                    : LimitAlgorithm::kVegas;
    ASSERT_TRUE(limit->Reconfigure(options).ok());
    EXPECT_LE(limit->snapshot().in_flight, 4);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(limit->snapshot().in_flight, 0);
}

// All in flight are turned down together: that is one overload, whoever comes first.
TEST(AdaptiveLimitThreadsTest, ThreadsThatAreTurnedDownTogetherLowerItOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 10;
  for (int round = 0; round < 100; ++round) {
    const auto limit = AdaptiveLimit(Hourly({.initial_limit = 100}));
    LimitLoad load(*limit);
    load.PlayWindow(1, absl::Seconds(1));
    const std::vector<Token> taken = load.TakeAll(kThreads * kEach);
    std::atomic<int> ready = 0;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        ++ready;
        while (ready < kThreads) std::this_thread::yield();
        for (size_t i = 0; i < kEach; ++i) {
          Outcome outcome = FailedWith(absl::StatusCode::kResourceExhausted);
          outcome.ended = kEnded + absl::Hours(10) * (i * kThreads + t + 1);  // closes a window
          outcome.started = outcome.ended;
          limit->Settle(taken[t * kEach + i], outcome);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(limit->snapshot().limit, 50);
    ASSERT_EQ(limit->snapshot().in_flight, 0);
  }
}

}  // namespace
}  // namespace redial
