#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "redial/policies/rate_limit.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"
#include "tests/unit/rate_limit_kit.h"

namespace redial {
namespace {

using testing::Candidate;
using testing::kEnded;
using testing::kMillisecond;
using testing::kNow;
using testing::StartsAtOnce;
using testing::ViewAt;

// tower and failsafe-go check, then act, and overdraw.
TEST(RateLimitTest, ThreadsNeverOverdrawIt) {
  constexpr int kBurst = 20'000;
  constexpr int kThreads = 4;
  const auto limit = RateLimit({.rate = 1, .burst = kBurst, .max_wait = kNow});
  std::atomic<int> started = 0;
  std::latch all_there(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      all_there.arrive_and_wait();
      for (int i = 0; i < 2 * kBurst; ++i) {
        Candidate candidate;
        const Verdict verdict = limit->Reserve(ViewAt(kNow), candidate.token, &candidate.ticket);
        if (verdict.rejects()) continue;
        if (i % 3 != 0) {
          ++started;
          limit->Leave(candidate.ticket);
        } else {
          limit->Void(candidate.token, &candidate.ticket);
          limit->Leave(candidate.ticket);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(started, kBurst);
  while (StartsAtOnce(*limit, kNow)) ++started;
  EXPECT_LE(started, kBurst);
  EXPECT_EQ(limit->snapshot().waiting, 0);
}

// Neither one more nor one less, also while the rest of the configuration changes. (Each change moves
// what is due by two nanoseconds, so they ask a little after the burst began.)
TEST(RateLimitTest, ThreadsShareABurstToTheLast) {
  constexpr int kBurst = 20'000;
  constexpr int kThreads = 4;
  for (const bool changes : {false, true}) {
    const auto limit = RateLimit({.rate = 1, .burst = kBurst, .max_wait = kNow});
    ASSERT_TRUE(StartsAtOnce(*limit, kNow));
    std::atomic<int> started = 1;
    std::latch all_there(kThreads);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        all_there.arrive_and_wait();
        for (int i = 0; i < kBurst; ++i) {
          if (changes && t == 0 && i % 100 == 0) {
            const absl::Duration max_wait = absl::Nanoseconds(i / 100 % 2);
            EXPECT_TRUE(
                limit->Reconfigure({.rate = 1, .burst = kBurst, .max_wait = max_wait}).ok());
          }
          Candidate candidate;
          const View view = ViewAt(absl::Microseconds(1));
          if (!limit->Reserve(view, candidate.token, &candidate.ticket).rejects()) {
            ++started;
          }
          limit->Leave(candidate.ticket);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(started, kBurst);
  }
}

TEST(RateLimitTest, ThreadsAllGetTurnsOfTheirOwn) {
  constexpr int kEach = 20'000;
  constexpr int kThreads = 4;
  const auto limit = RateLimit({.rate = 1000});
  std::vector<std::vector<int64_t>> turns(kThreads);
  std::latch all_there(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      all_there.arrive_and_wait();
      for (int i = 0; i < kEach; ++i) {
        Candidate candidate;
        const Verdict verdict = limit->Reserve(ViewAt(kNow), candidate.token, &candidate.ticket);
        turns[static_cast<size_t>(t)].push_back(
            std::max<int64_t>(0, NanosBetween(kEnded, verdict.at())));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int64_t> all;
  for (const auto& own : turns) {
    EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i], static_cast<int64_t>(i) * kMillisecond);
  }
}

// Turns that are given back and taken again while the configuration changes: never more than were
// there.
TEST(RateLimitTest, ThreadsNeverOverdrawItThroughReconfigure) {
  constexpr int kBurst = 3000;
  const auto limit = RateLimit({.rate = 1, .burst = kBurst, .max_wait = kNow});
  std::atomic<int> started = 0;
  std::atomic<bool> done = false;
  std::thread changer([&] {
    bool odd = false;
    while (!done) {
      odd = !odd;
      EXPECT_TRUE(
          limit->Reconfigure({.rate = 1, .burst = odd ? kBurst - 1 : kBurst, .max_wait = kNow})
              .ok());
      std::this_thread::yield();
      if (limit->snapshot().next_start > kEnded + absl::Hours(1)) break;
    }
  });
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2 * kBurst; ++i) {
        Candidate candidate;
        View view = ViewAt(kNow);
        view.config = limit->CurrentConfig();
        if (limit->Reserve(view, candidate.token, &candidate.ticket).rejects()) continue;
        if (i % 2 == 0) {
          ++started;
        } else {
          limit->Void(candidate.token, &candidate.ticket);
        }
        limit->Leave(candidate.ticket);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  changer.join();
  EXPECT_LE(started, kBurst);
}

}  // namespace
}  // namespace redial
