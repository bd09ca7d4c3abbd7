#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "redial/policies/circuit_breaker.h"
#include "tests/support/policy_view.h"
#include "tests/unit/circuit_breaker_kit.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::For;
using testing::kEnded;
using State = CircuitBreakerPolicy::State;

TEST(CircuitBreakerTest, ThreadsNeverGetMoreProbesThanThereAre) {
  constexpr int kProbes = 3;
  const auto breaker = CircuitBreaker(
      {.minimum_throughput = 1, .open_time = For(absl::Seconds(1)), .probes = kProbes});
  for (int round = 0; round < 200; ++round) {
    const Instant begin = kEnded + absl::Seconds(10 * round);
    View view;
    view.now = begin;
    Token token = 0;
    ASSERT_EQ(breaker->Reserve(view, token, nullptr), Verdict::Admit());
    Outcome failure = FailedWith(absl::StatusCode::kUnavailable);
    failure.started = failure.ended = begin;
    breaker->Settle(token, failure);
    ASSERT_EQ(breaker->state(), State::kOpen);
    view.now = begin + absl::Seconds(2);
    std::atomic<int> admitted = 0;
    std::vector<Token> tokens(4, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < tokens.size(); ++t) {
      threads.emplace_back([&, t] {
        if (breaker->Reserve(view, tokens[t], nullptr) == Verdict::Admit()) ++admitted;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(admitted, kProbes);
    Outcome success;
    success.started = success.ended = view.now;
    for (const Token each : tokens) {
      if (each != 0) breaker->Settle(each, success);
    }
    ASSERT_EQ(breaker->state(), State::kClosed);
  }
}

TEST(CircuitBreakerTest, ThreadsResultsAreAllCounted) {
  constexpr int kEach = 10000;
  const auto breaker = CircuitBreaker(
      {.window = CountWindow(1'000'000), .failure_ratio = 0.9, .minimum_throughput = 1});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 1; i <= kEach; ++i) {
        View view;
        view.now = kEnded;
        Token token = 0;
        EXPECT_EQ(breaker->Reserve(view, token, nullptr), Verdict::Admit());
        Outcome outcome = i % 10 == 0 ? FailedWith(absl::StatusCode::kUnavailable) : Outcome();
        outcome.started = outcome.ended = kEnded;
        breaker->Settle(token, outcome);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(breaker->snapshot().results, 4 * kEach);
  EXPECT_EQ(breaker->snapshot().failures, 4 * kEach / 10);
}

}  // namespace
}  // namespace redial
