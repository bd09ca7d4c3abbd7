// What calls make of faults, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"
#include "redial/testing/recorder.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using testing::FakeNetwork;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::VirtualRuntime;

PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}
PolicyPtr RetryEverySecond(int attempts = 3) {
  return Retry({.max_attempts = attempts, .backoff = Constant(absl::Seconds(1))});
}
CallOptions Once(absl::Duration timeout = absl::Seconds(10)) {
  return {.operation = "PING", .timeout = timeout, .idempotent = false};
}

TEST(ChaosCallsTest, AnErrorIsNotRunAndWasNotSent) {
  VirtualRuntime runtime;
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .error_probability = 1,
                            .error_code = absl::StatusCode::kResourceExhausted});
  int runs = 0;
  const absl::Status status = Call(Once(), Set({chaos}), [&] {
    ++runs;
    return absl::OkStatus();
  });
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_EQ(Story(status),
            "PING failed in 0 ms: an error injected by Chaos after 0 ms; not retried: no policy "
            "proposes a retry; nothing was sent");
}

// Nothing was sent, so the retry is allowed though the operation isn't idempotent.
TEST(ChaosCallsTest, AnErrorIsRetried) {
  VirtualRuntime runtime;
  const auto chaos = Chaos({.i_know_this_breaks_calls = true, .error_probability = 1});
  int runs = 0;
  const absl::Status status = Call(Once(), Set({chaos, RetryEverySecond(5)}), [&] {
    ++runs;
    return absl::OkStatus();
  });
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(FailureOf(status)->attempts.size(), 5u);
  EXPECT_EQ(FailureOf(status)->why, Reason::kExhausted);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(4));
}

TEST(ChaosCallsTest, RetriesRideItOut) {
  VirtualRuntime runtime;
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .error_probability = 0.2,
                            .reset_probability = 0.1,
                            .stall_probability = 0.1});
  const PolicySet set = Set({chaos, Retry({.max_attempts = 20}), AttemptTimeout(absl::Seconds(1))});
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const absl::StatusOr<int> result =
        Call({.operation = "GET", .timeout = absl::Minutes(10), .idempotent = true, .seed = seed},
             set, []() -> absl::StatusOr<int> { return 42; });
    ASSERT_THAT(result, IsOkAndHolds(42)) << seed;
  }
  EXPECT_GT(chaos->snapshot().errors, 0);
  EXPECT_GT(chaos->snapshot().resets, 0);
  EXPECT_GT(chaos->snapshot().stalls, 0);
}

PolicyPtr Late(absl::Duration latency) {
  return Chaos({.i_know_this_breaks_calls = true,
                .latency_probability = 1,
                .min_latency = latency,
                .max_latency = latency});
}

TEST(ChaosCallsTest, ADelayComesOutOfTheAttemptsTime) {
  VirtualRuntime runtime;
  absl::Duration left;
  const absl::Status status =
      Call(Once(), Set({Late(absl::Seconds(3))}), [&](const Attempt& attempt) {
        left = attempt.remaining();
        return absl::OkStatus();
      });
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(left, absl::Seconds(7));
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(3));
}

TEST(ChaosCallsTest, ADelayEndsWithTheAttemptsDeadline) {
  for (const absl::Duration delay : {absl::Seconds(3), absl::Seconds(2)}) {
    VirtualRuntime runtime;
    int runs = 0;
    const absl::Status status =
        Call(Once(), Set({Late(delay), AttemptTimeout(absl::Seconds(2))}), [&] {
          ++runs;
          return absl::OkStatus();
        });
    EXPECT_EQ(runs, 0);
    EXPECT_EQ(runtime.elapsed(), absl::Seconds(2));
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
    EXPECT_THAT(Story(status),
                HasSubstr(delay == absl::Seconds(3)
                              ? "timed out (attempt timeout): a delay of 3 s injected by Chaos"
                              : "timed out (attempt timeout): a delay of 2 s injected by Chaos"));
  }
}

TEST(ChaosCallsTest, AFailureAfterADelaySaysSo) {
  VirtualRuntime runtime;
  const absl::Status status = Call(Once(), Set({Late(absl::Milliseconds(300))}),
                                   [] { return absl::UnavailableError("down"); });
  EXPECT_THAT(Story(status), HasSubstr("down (begun 300 ms late, injected by Chaos) after 300 ms"));
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
}

PolicyPtr Stalls() { return Chaos({.i_know_this_breaks_calls = true, .stall_probability = 1}); }

TEST(ChaosCallsTest, AStallLastsUntilTheAttemptsDeadline) {
  VirtualRuntime runtime;
  int runs = 0;
  const absl::Status status =
      Call(Once(absl::Seconds(5)),
           Set({Stalls(), RetryEverySecond(), AttemptTimeout(absl::Seconds(2))}), [&] {
             ++runs;
             return absl::OkStatus();
           });
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(5));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(FailureOf(status)->attempts.size(), 2u);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_THAT(Story(status),
              HasSubstr("#1 timed out (attempt timeout): a stall injected by Chaos after 2 s"));
}

TEST(ChaosCallsTest, AStopEndsStallsAndDelays) {
  for (const PolicyPtr& chaos : {Stalls(), Late(absl::Seconds(5))}) {
    VirtualRuntime runtime;
    std::stop_source stop;
    runtime.After(absl::Seconds(1), [&] { stop.request_stop(); });
    const absl::Status status = Call({.operation = "PING", .stop = stop.get_token()}, Set({chaos}),
                                     [] { return absl::OkStatus(); });
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(runtime.elapsed(), absl::Seconds(1));
    EXPECT_THAT(Story(status), HasSubstr("injected by Chaos"));
  }
}

PolicyPtr Resets() { return Chaos({.i_know_this_breaks_calls = true, .reset_probability = 1}); }

TEST(ChaosCallsTest, AResetLosesTheAnswerOfWhatRan) {
  VirtualRuntime runtime;
  int runs = 0;
  const auto run = [&](const Attempt& attempt) -> absl::StatusOr<int> {
    attempt.set_sent(Sent::kRejected);  // the answer says so, and it is lost
    attempt.set_retry_after(absl::Seconds(5));
    return ++runs;
  };
  const absl::StatusOr<int> once = Call(Once(), Set({Resets(), RetryEverySecond()}), run);
  EXPECT_EQ(runs, 1) << "it may have been executed, and isn't idempotent";
  const std::optional<Failure> failure = FailureOf(once.status());
  EXPECT_EQ(once.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(failure->why, Reason::kUnsafe);
  EXPECT_EQ(failure->error, ECONNRESET);
  EXPECT_EQ(failure->sent, Sent::kMaybe);
  EXPECT_EQ(failure->retry_after, std::nullopt);
  EXPECT_THAT(
      Story(once.status()),
      HasSubstr("connection reset by peer (ECONNRESET): a reset injected by Chaos after 0 ms"));

  const absl::StatusOr<int> thrice =
      Call({.operation = "PING", .idempotent = true}, Set({Resets(), RetryEverySecond()}), run);
  EXPECT_EQ(runs, 4);
  EXPECT_FALSE(thrice.ok());
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(2)) << "the hint was lost too";
}

TEST(ChaosCallsTest, WhatFailsByItselfHasNoAnswerToLose) {
  VirtualRuntime runtime;
  const absl::Status status =
      Call(Once(), Set({Resets()}), [] { return NotSent(absl::NotFoundError("no such host")); });
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_THAT(Story(status), ::testing::Not(HasSubstr("Chaos")));
}

TEST(ChaosCallsTest, TwoOfThemInAnyOrder) {
  const auto errors = Chaos(
      {.i_know_this_breaks_calls = true, .latency_probability = 0.5, .error_probability = 0.3});
  const auto stalls = Chaos(
      {.i_know_this_breaks_calls = true, .latency_probability = 0.5, .stall_probability = 0.3});
  const auto trace = [&](const PolicyPtr& first, const PolicyPtr& second) {
    VirtualRuntime runtime;
    const auto recorder = std::make_shared<testing::Recorder>();
    const PolicySet set = Set(
        {first, RetryEverySecond(), second, Report(recorder), AttemptTimeout(absl::Seconds(2))});
    for (uint64_t seed = 0; seed < 50; ++seed) {
      Call({.operation = "GET", .idempotent = true, .seed = seed}, set, [] {
        return absl::OkStatus();
      }).IgnoreError();
    }
    return recorder->Trace();
  };
  EXPECT_EQ(trace(errors, stalls), trace(stalls, errors));
  EXPECT_GT(errors->snapshot().errors, 0);
  EXPECT_GT(stalls->snapshot().stalls, 0);
}

TEST(ChaosCallsTest, ACallThatIsSwitchedOffMidwayGoesOnInQuiet) {
  VirtualRuntime runtime;
  const auto chaos = Chaos({.i_know_this_breaks_calls = true, .error_probability = 1});
  runtime.After(absl::Milliseconds(1500), [&] { chaos->set_enabled(false); });
  const absl::Status status =
      Call(Once(), Set({chaos, RetryEverySecond(5)}), [] { return absl::OkStatus(); });
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(2));
  EXPECT_EQ(chaos->snapshot().errors, 2);
}

// Of clients.

absl::StatusOr<std::string> Ping(const Client& client) {
  return client.Call({.operation = "PING", .timeout = absl::Seconds(10)},
                     [](Socket& socket) -> absl::StatusOr<std::string> {
                       if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                       return socket.ReadUntil("\r\n");
                     });
}

TEST(ChaosClientTest, AResetTellsWhereAndAfterHowMuch) {
  FakeNetwork net;
  net.Script("tcp://10.0.0.7:6379").Accept().Expect("PING\r\n").Reply("+PONG\r\n");
  const auto client = Client::Create("tcp://10.0.0.7:6379", {Resets()}, {.network = net});
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::Status status = Ping(*client).status();
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
  EXPECT_EQ(FailureOf(status)->phase, Phase::kRead);
  EXPECT_EQ(Story(status),
            "PING 10.0.0.7:6379 failed in 0 ms: 10.0.0.7:6379 read: connection reset by peer "
            "(ECONNRESET), injected by Chaos after 0 ms, 6 B sent, 7 B received; not retried: it "
            "may have been executed and is not idempotent");
}

TEST(ChaosClientTest, ErrorsAndStallsDontEvenConnect) {
  FakeNetwork net;
  net.Script("tcp://10.0.0.7:6379");
  for (const PolicyPtr& chaos :
       {PolicyPtr(Chaos({.i_know_this_breaks_calls = true, .error_probability = 1})), Stalls()}) {
    const auto client = Client::Create("tcp://10.0.0.7:6379", {chaos}, {.network = net});
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_FALSE(Ping(*client).ok());
  }
  EXPECT_EQ(net.Trace(),
            "0s #1 failed: UNAVAILABLE: an error injected by Chaos\n"
            "10s #1 deadline\n");
}

}  // namespace
}  // namespace redial
