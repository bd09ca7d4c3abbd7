#include "redial/policies/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "policies/latency_buckets.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using absl::StatusCode;
using testing::Fails;
using testing::Hangs;
using testing::MachineTrace;
using testing::ScriptedOutcome;
using testing::Succeeds;

class Hedges final : public Policy {
 public:
  Hedges() : Policy({.name = "Hedges", .capabilities = kProposes | kHedges}) {}
  Proposal Propose(const View&) const override {
    return {.hedge_after_nanos = 2 * testing::kMillisecond, .max_hedges = 1};
  }
};

// And tries once more.
class CountsAllAsFailed final : public Policy {
 public:
  CountsAllAsFailed()
      : Policy({.name = "CountsAllAsFailed", .capabilities = kExamines | kRetries | kJudgesAgain}) {
  }
  Verdict Judge(const View& view) const override {
    return view.attempts < 2 ? Verdict::Admit() : Verdict::Reject(Reason::kExhausted);
  }
  bool IsFailure(const Outcome&) const override { return true; }
};

class NotBeforeTen final : public Policy {
 public:
  NotBeforeTen() : Policy({.name = "NotBeforeTen", .capabilities = kJudgesFirst}) {}
  Verdict Judge(const View& view) const override {
    return Verdict::NotBefore(Plus(view.began, 10 * testing::kMillisecond), Reason::kRateLimited);
  }
};

class Closed final : public Policy {
 public:
  Closed() : Policy({.name = "Closed", .capabilities = kJudgesFirst}) {}
  Verdict Judge(const View&) const override { return Verdict::Reject(Reason::kRefused); }
};

PolicyPtr AtMost(int attempts) {
  return Retry({.max_attempts = attempts,
                .backoff = Constant(absl::ZeroDuration()),
                .overload_backoff = Constant(absl::ZeroDuration())});
}

// One call of those policies and `metrics`.
template <class Script>
void Play(const PolicyPtr& metrics, PolicyList others, Script script,
          Deadline deadline = Deadline::Never()) {
  others.push_back(metrics);
  const auto set = PolicySet::Create(std::move(others));
  ASSERT_TRUE(set.ok()) << set.status();
  MachineTrace trace(*set, {.deadline = deadline, .idempotent = true});
  trace.Play(script);
  EXPECT_TRUE(trace.done());
  EXPECT_EQ(trace.machine().outstanding(), 0);
}
ScriptedOutcome Ok(int64_t ms) { return Succeeds(ms); }

TEST(MetricsTest, ASuccessIsOneCallAndOneAttempt) {
  const auto metrics = Metrics({.buckets = {absl::Milliseconds(5), absl::Milliseconds(10)}});
  Play(metrics, {}, [](int, AttemptKind) { return Ok(5); });
  Play(metrics, {}, [](int, AttemptKind) { return Ok(6); });
  Play(metrics, {}, [](int, AttemptKind) { return Ok(11); });
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls.of(StatusCode::kOk), 3);
  EXPECT_EQ(s.calls.total(), 3);
  EXPECT_EQ(s.attempts.of(StatusCode::kOk), 3);
  EXPECT_EQ(s.attempts.total(), 3);
  EXPECT_EQ(s.ok_calls.counts, (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(s.ok_calls.sum, absl::Milliseconds(22));
  EXPECT_EQ(s.ok_attempts.counts, (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(s.ok_attempts.sum, absl::Milliseconds(22));
  EXPECT_EQ(s.failed_calls.count(), 0);
  EXPECT_EQ(s.retries.total(), 0);
  EXPECT_EQ(s.calls_by_attempts[1], 3);
  EXPECT_EQ(s.attempts_of_calls, 3);
  EXPECT_TRUE(s.refusals.empty());
}

TEST(MetricsTest, RetriesAreCountedByWhatTheyFollow) {
  const auto metrics = Metrics();
  Play(metrics, {AtMost(3)}, [](int id, AttemptKind) {
    if (id == 0) return Fails(1);
    if (id == 1) return Fails(2, Sent::kRejected, StatusCode::kResourceExhausted);
    return Ok(4);
  });
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls.of(StatusCode::kOk), 1);
  EXPECT_EQ(s.calls.total(), 1);
  EXPECT_EQ(s.attempts.of(StatusCode::kUnavailable), 1);
  EXPECT_EQ(s.attempts.of(StatusCode::kResourceExhausted), 1);
  EXPECT_EQ(s.attempts.of(StatusCode::kOk), 1);
  EXPECT_EQ(s.attempts.total(), 3);
  EXPECT_EQ(s.retries.of(StatusCode::kUnavailable), 1);
  EXPECT_EQ(s.retries.of(StatusCode::kResourceExhausted), 1);
  EXPECT_EQ(s.retries.total(), 2);
  EXPECT_EQ(s.ok_calls.sum, absl::Milliseconds(7));
  EXPECT_EQ(s.ok_attempts.sum, absl::Milliseconds(4));
  EXPECT_EQ(s.failed_attempts.sum, absl::Milliseconds(3));
  EXPECT_EQ(s.failed_attempts.count(), 2);
  EXPECT_EQ(s.calls_by_attempts[3], 1);
  EXPECT_EQ(s.attempts_of_calls, 3);
}

TEST(MetricsTest, RefusalsAreCountedByPolicy) {
  const auto metrics = Metrics();
  Play(metrics, {AtMost(1), RetryBudget({.initial_tokens = 0})},
       [](int, AttemptKind) { return Fails(1); });
  Play(metrics, {AtMost(2)}, [](int, AttemptKind) { return Fails(1); });
  Play(metrics, {std::make_shared<Closed>(), std::make_shared<Closed>()},
       [](int, AttemptKind) { return Ok(1); });
  const auto s = metrics->snapshot();
  ASSERT_EQ(s.refusals.size(), 3u);
  EXPECT_EQ(s.refusals[0].policy, "Closed");
  EXPECT_EQ(s.refusals[0].calls, 1) << "one call, whatever the number of those that refused it";
  EXPECT_EQ(s.refusals[1].policy, "Retry");
  EXPECT_EQ(s.refusals[1].calls, 2);
  EXPECT_EQ(s.refusals[2].policy, "RetryBudget");
  EXPECT_EQ(s.refusals[2].calls, 1);
  EXPECT_EQ(s.calls.of(StatusCode::kUnavailable), 3);
  EXPECT_EQ(s.failed_calls.count(), 3);
  EXPECT_EQ(s.attempts.total(), 3);
  EXPECT_EQ(s.calls_by_attempts[0], 1);
  EXPECT_EQ(s.calls_by_attempts[1], 1);
  EXPECT_EQ(s.calls_by_attempts[2], 1);
  EXPECT_EQ(s.failed_calls_by_reason[static_cast<size_t>(Reason::kRefused)], 1);
  EXPECT_EQ(s.failed_calls_by_reason[static_cast<size_t>(Reason::kBudget)] +
                s.failed_calls_by_reason[static_cast<size_t>(Reason::kExhausted)],
            2);
}

// Losers prove nothing about the peer: they are in no latency.
TEST(MetricsTest, WhatLosesToAHedgeIsAborted) {
  const auto metrics = Metrics();
  Play(metrics, {std::make_shared<Hedges>()},
       [](int, AttemptKind kind) { return kind == AttemptKind::kHedge ? Ok(3) : Hangs(); });
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.hedges, 1);
  EXPECT_EQ(s.attempts.of(StatusCode::kOk), 1);
  EXPECT_EQ(s.attempts.aborted, 1);
  EXPECT_EQ(s.attempts.total(), 2);
  EXPECT_EQ(s.ok_attempts.sum, absl::Milliseconds(3));
  EXPECT_EQ(s.ok_calls.sum, absl::Milliseconds(5));
  EXPECT_EQ(s.failed_attempts.count(), 0);
  EXPECT_EQ(s.calls_by_attempts[2], 1);
}

// The attempt's latency is the server's; the call's has the queue in it.
TEST(MetricsTest, AWaitBeforeTheFirstAttemptIsTheCallsAlone) {
  const auto metrics = Metrics();
  Play(metrics, {std::make_shared<NotBeforeTen>()}, [](int, AttemptKind) { return Ok(5); });
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.ok_calls.sum, absl::Milliseconds(15));
  EXPECT_EQ(s.ok_attempts.sum, absl::Milliseconds(5));
  EXPECT_EQ(s.calls_by_attempts[1], 1);
  EXPECT_EQ(s.attempts_of_calls, 1);
}

TEST(MetricsTest, AValueThatCountsAsAFailureIsApartFromOk) {
  const auto metrics = Metrics();
  Play(metrics, {std::make_shared<CountsAllAsFailed>()}, [](int, AttemptKind) { return Ok(1); });
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls.failed_results, 1);
  EXPECT_EQ(s.calls.of(StatusCode::kOk), 0);
  EXPECT_EQ(s.attempts.failed_results, 2);
  EXPECT_EQ(s.retries.failed_results, 1);
  EXPECT_EQ(s.failed_attempts.count(), 2);
}

TEST(MetricsTest, ADeadlineAndAStop) {
  const auto metrics = Metrics();
  Play(
      metrics, {}, [](int, AttemptKind) { return Hangs(); },
      Deadline(Plus(Instant::VirtualOrigin(), 1007 * testing::kMillisecond)));
  const auto set = PolicySet::Create({metrics});
  MachineTrace stopped(*set, {.deadline = {}, .idempotent = false});
  stopped.machine().Cancel(stopped.At(0));
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls.of(StatusCode::kDeadlineExceeded), 1);
  EXPECT_EQ(s.calls.of(StatusCode::kCancelled), 1);
  EXPECT_EQ(s.failed_calls.sum, absl::Milliseconds(7));
  EXPECT_EQ(s.failed_calls_by_reason[static_cast<size_t>(Reason::kCancelled)], 1);
}

TEST(MetricsTest, ACallThatAnExceptionLeavesIsUnknown) {
  const auto metrics = Metrics();
  {
    const auto set = PolicySet::Create({metrics});
    MachineTrace left(*set, {.deadline = {}, .idempotent = false});
    left.machine().Begin(left.At(0));
  }
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls.of(StatusCode::kUnknown), 1);
  EXPECT_EQ(s.attempts.aborted, 1);
  EXPECT_EQ(s.attempts.total(), 1);
  EXPECT_EQ(s.failed_calls_by_reason[0], 1);
}

TEST(MetricsTest, ManyAttemptsAreMany) {
  const auto metrics = Metrics();
  for (const int attempts : {8, 9, 30}) {
    Play(metrics, {AtMost(attempts)}, [](int, AttemptKind) { return Fails(1); });
  }
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls_by_attempts[8], 1);
  EXPECT_EQ(s.calls_by_attempts[9], 2);
  EXPECT_EQ(s.attempts_of_calls, 47);
}

TEST(MetricsTest, CodesThatNobodyKnowsAreUnknown) {
  const auto metrics = Metrics();
  metrics->Settle(0, testing::FailedWith(static_cast<StatusCode>(4711)));
  EXPECT_EQ(metrics->snapshot().attempts.of(StatusCode::kUnknown), 1);
}

// Prometheus, promql's testdata/histograms.test: histogram_quantile interpolates within a bucket, from
// 0 in the first one, and answers the last finite bound for what lies beyond it.
TEST(LatencyHistogramTest, QuantilesAsPrometheusEstimatesThem) {
  const LatencyHistogram h = {.bounds = {absl::Seconds(1), absl::Seconds(2), absl::Seconds(4)},
                              .counts = {10, 0, 10, 0},
                              .sum = {}};
  EXPECT_EQ(h.Quantile(0), absl::ZeroDuration());
  EXPECT_EQ(h.Quantile(0.25), absl::Milliseconds(500));
  EXPECT_EQ(h.Quantile(0.5), absl::Seconds(1));
  EXPECT_EQ(h.Quantile(0.75), absl::Seconds(3));
  EXPECT_EQ(h.Quantile(1), absl::Seconds(4));
  EXPECT_EQ(h.Quantile(7), absl::Seconds(4));
  EXPECT_EQ(h.Quantile(std::nan("")), std::nullopt);
  const LatencyHistogram beyond = {.bounds = h.bounds, .counts = {1, 0, 0, 9}, .sum = {}};
  EXPECT_EQ(beyond.Quantile(0.9), absl::Seconds(4));
  const LatencyHistogram empty = {.bounds = h.bounds, .counts = {0, 0, 0, 0}, .sum = {}};
  EXPECT_EQ(empty.Quantile(0.5), std::nullopt);
}

// Against a search that is plainly right.
TEST(LatencyBucketsTest, FindTheSameBucketAsASearch) {
  const std::vector<std::vector<int64_t>> sets = {
      {1}, {1, 2, 3}, {1'000, 2'500, 1'000'000}, {1, int64_t{1} << 40, INT64_MAX - 1}};
  for (const std::vector<int64_t>& bounds : sets) {
    const internal::LatencyBuckets buckets(bounds);
    std::vector<int64_t> values = {INT64_MIN, -1, 0, INT64_MAX};
    for (int bit = 0; bit < 63; ++bit) {
      for (const int64_t off : {-1, 0, 1}) values.push_back((int64_t{1} << bit) + off);
    }
    for (const int64_t bound : bounds) {
      for (const int64_t off : {-1, 0, 1}) values.push_back(bound + off);
    }
    for (const int64_t value : values) {
      const auto at = std::lower_bound(bounds.begin(), bounds.end(), value);
      EXPECT_EQ(buckets.IndexOf(value), static_cast<size_t>(at - bounds.begin())) << value;
    }
  }
}

TEST(MetricsTest, SaysWhichBucketMakesNoSense) {
  const struct {
    std::vector<absl::Duration> buckets;
    std::string_view message;
  } cases[] = {
      {{}, "Metrics.buckets has 0 bounds; it must have from 1 to 30"},
      {std::vector<absl::Duration>(31, absl::Seconds(1)),
       "Metrics.buckets has 31 bounds; it must have from 1 to 30"},
      {{absl::ZeroDuration()}, "Metrics.buckets[0] is 0; it must be positive and finite"},
      {{absl::Seconds(1), absl::InfiniteDuration()},
       "Metrics.buckets[1] is inf; it must be positive and finite"},
      {{absl::Seconds(1), absl::Seconds(1)},
       "Metrics.buckets[1] is 1s; it must be above the one before it, 1s"},
  };
  for (const auto& c : cases) {
    const absl::Status status = PolicySet::Create({Metrics({.buckets = c.buckets})}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(std::string(status.message()), c.message);
  }
  EXPECT_TRUE(PolicySet::Create({Metrics()}).ok());
}

TEST(MetricsTest, IsKnownAmongOthers) {
  const auto metrics = Metrics();
  EXPECT_EQ(MetricsPolicy::Of(*metrics), metrics.get());
  EXPECT_EQ(MetricsPolicy::Of(*Retry()), nullptr);
  class Impostor final : public Policy {
   public:
    Impostor() : Policy({.name = "Metrics"}) {}
  };
  EXPECT_EQ(MetricsPolicy::Of(Impostor()), nullptr);
}

TEST(MetricsTest, DescribesAndMeasuresItself) {
  const auto metrics = Metrics();
  Play(metrics, {AtMost(2)}, [](int, AttemptKind) { return Fails(1); });
  Description description;
  metrics->Describe(description);
  EXPECT_EQ(description.does.size(), 1u);
  EXPECT_EQ(description.shares, "its counts");
  std::string told;
  metrics->Measure([&](const Gauge& gauge) {
    EXPECT_TRUE(gauge.counts_up);
    told += std::string(gauge.name) + "=" + std::to_string(static_cast<int>(gauge.value)) + " ";
  });
  EXPECT_EQ(told, "calls=1 failed_calls=1 attempts=2 retries=1 hedges=0 ");
}

TEST(MetricsTest, ThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 3000;
  const auto metrics = Metrics();
  const auto set = PolicySet::Create({metrics, AtMost(2)});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        CallMachine machine(*set, {.deadline = {}, .idempotent = true});
        machine.Begin(Instant::FromNanos(0));
        int id = 0;
        const bool fails = i % 3 == 0;
        for (CallMachine::Action action = machine.Next();
             action.type != CallMachine::Action::Type::kDone; action = machine.Next()) {
          if (action.type != CallMachine::Action::Type::kStart) continue;
          Outcome outcome;
          outcome.sent = Sent::kNo;
          if (fails) outcome.code = StatusCode::kUnavailable;
          machine.AttemptDone(Instant::FromNanos(++id * 1'000'000), action.id, outcome);
        }
        if (i % 1000 == 0) (void)metrics->snapshot();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto s = metrics->snapshot();
  EXPECT_EQ(s.calls.total(), kThreads * kCalls);
  EXPECT_EQ(s.calls.of(StatusCode::kOk), kThreads * kCalls * 2 / 3);
  EXPECT_EQ(s.attempts.of(StatusCode::kUnavailable), kThreads * kCalls * 2 / 3);
  EXPECT_EQ(s.retries.total(), kThreads * kCalls / 3);
  EXPECT_EQ(s.attempts_of_calls, kThreads * kCalls * 4 / 3);
  EXPECT_EQ(s.ok_calls.sum, absl::Milliseconds(1) * (kThreads * kCalls * 2 / 3));
  EXPECT_EQ(s.failed_calls.sum, absl::Milliseconds(2) * (kThreads * kCalls / 3));
  ASSERT_EQ(s.refusals.size(), 1u);
  EXPECT_EQ(s.refusals[0].calls, kThreads * kCalls / 3);
}

}  // namespace
}  // namespace redial
