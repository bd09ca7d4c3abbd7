// Policies in whole calls, in virtual time.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "redial/call.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using testing::VirtualRuntime;

PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

PolicyPtr RetryEverySecond(int attempts) {
  return Retry({.max_attempts = attempts,
                .backoff = Constant(absl::Seconds(1)),
                .hint_jitter = absl::ZeroDuration()});
}

absl::Status Refused() {
  return WithFailure(absl::UnavailableError("refused"),
                     {.phase = Phase::kConnect, .error = ECONNREFUSED});
}

// How each event of a call went, in words.
class Events {
 public:
  PolicyPtr report() {
    return Report(ToFunction([this](const CallEvent& event) {
      using Type = CallEvent::Type;
      switch (event.type) {
        case Type::kAttemptStarted:
          words_ += absl::StrCat("start#", event.attempt, " ");
          break;
        case Type::kWaiting:
          words_ += absl::StrCat("wait ");
          break;
        case Type::kCallEnded:
          words_ += std::string(ReasonName(event.reason));
          break;
        default:
          break;
      }
    }));
  }
  const std::string& words() const { return words_; }

 private:
  std::string words_;
};

// failsafe-go, TestShouldReturnRetriesExceededError: always failing, three attempts make three calls,
// two waits, one "exhausted".
TEST(PolicyCallsTest, RetryUntilExhausted) {
  VirtualRuntime runtime;
  Events events;
  int calls = 0;
  const absl::Status status = Call({.operation = "PING", .idempotent = true},
                                   Set({RetryEverySecond(3), events.report()}), [&] {
                                     ++calls;
                                     return absl::UnavailableError("down");
                                   });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(events.words(), "start#1 wait start#2 wait start#3 exhausted");
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(2));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(FailureOf(status)->why, Reason::kExhausted);
}

TEST(PolicyCallsTest, FailFastEndsWhatRetryAloneWouldRetry) {
  VirtualRuntime runtime;
  const CallOptions options = {.operation = "PING", .idempotent = true};
  int calls = 0;
  const auto refused_once = [&] { return ++calls == 1 ? Refused() : absl::OkStatus(); };
  EXPECT_EQ(Call(options, Set({RetryEverySecond(3)}), refused_once), absl::OkStatus());
  EXPECT_EQ(calls, 2);

  const PolicyPtr fail_fast = FailFast(OnErrno(ECONNREFUSED));
  for (const bool first : {true, false}) {
    calls = 0;
    Events events;
    const PolicyPtr retry = RetryEverySecond(3);
    const PolicySet set =
        first ? Set({fail_fast, retry, events.report()}) : Set({events.report(), retry, fail_fast});
    const absl::Status status = Call(options, set, refused_once);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(events.words(), "start#1 fail_fast");
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(FailureOf(status)->why, Reason::kFailFast);
    EXPECT_EQ(FailureOf(status)->error, ECONNREFUSED);
  }
}

TEST(PolicyCallsTest, NeverTwiceNeverWait) {
  VirtualRuntime runtime;
  int calls = 0;
  const absl::Status status =
      Call({.operation = "PING", .idempotent = true}, Set({RetryEverySecond(3), FailFast()}), [&] {
        ++calls;
        return absl::UnavailableError("down");
      });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
  EXPECT_EQ(FailureOf(status)->why, Reason::kFailFast);
}

// google-cloud-cpp: TransientFailureNonIdempotent, and HeedsRetryInfo.
TEST(PolicyCallsTest, WhatMayHaveRunIsNotRepeated) {
  VirtualRuntime runtime;
  int calls = 0;
  const auto fails_once = [&] {
    return ++calls == 1 ? absl::UnavailableError("reset") : absl::OkStatus();
  };
  const absl::Status status = Call({.operation = "INCR"}, Set({RetryEverySecond(3)}), fails_once);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(FailureOf(status)->why, Reason::kUnsafe);
  EXPECT_NE(Story(status).find("it may have been executed and is not idempotent"),
            std::string::npos)
      << Story(status);

  calls = 0;
  const auto asks_for_a_pause = [&] {
    return ++calls == 1 ? RetryAfter(absl::UnavailableError("busy"), absl::Seconds(3))
                        : absl::OkStatus();
  };
  const PolicyPtr exactly = Retry({.max_attempts = 3,
                                   .backoff = Constant(absl::Seconds(1)),
                                   .overload_backoff = Constant(absl::Seconds(1)),
                                   .hint_jitter = absl::ZeroDuration()});
  EXPECT_EQ(Call({.operation = "INCR"}, Set({exactly}), asks_for_a_pause), absl::OkStatus());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(3));
}

TEST(PolicyCallsTest, AResultCanBeRetried) {
  VirtualRuntime runtime;
  Events events;
  const PolicyPtr retry =
      Retry({.max_attempts = 3,
             .backoff = Constant(absl::Seconds(1)),
             .also_retry_on = OnResult<int>([](const int& status) { return status == 503; })});
  int calls = 0;
  const CallOptions options = {.operation = "GET", .idempotent = true};
  const absl::StatusOr<int> mended =
      Call(options, Set({retry, events.report()}),
           [&]() -> absl::StatusOr<int> { return ++calls == 1 ? 503 : 200; });
  EXPECT_EQ(mended.value_or(0), 200);
  EXPECT_EQ(events.words(), "start#1 wait start#2 none");

  const absl::StatusOr<int> last =
      Call(options, Set({retry}), []() -> absl::StatusOr<int> { return 503; });
  EXPECT_EQ(last.value_or(0), 503);
}

TEST(PolicyCallsTest, ObserversHearThatAResultCountsAsAFailure) {
  VirtualRuntime runtime;
  std::vector<bool> failed;
  const SinkPtr sink = ToFunction([&failed](const CallEvent& event) {
    if (event.type != CallEvent::Type::kAttemptEnded) return;
    EXPECT_TRUE(event.status->ok());
    failed.push_back(event.failed_result);
  });
  const PolicyPtr retry =
      Retry({.also_retry_on = OnResult<int>([](const int& status) { return status == 503; })});
  int calls = 0;
  const absl::StatusOr<int> mended =
      Call({.operation = "GET", .idempotent = true}, Set({retry, Report(sink)}),
           [&]() -> absl::StatusOr<int> { return ++calls == 1 ? 503 : 200; });
  EXPECT_EQ(mended.value_or(0), 200);
  EXPECT_EQ(failed, (std::vector<bool>{true, false}));
}

TEST(PolicyCallsTest, AResultCanEndTheCall) {
  VirtualRuntime runtime;
  int calls = 0;
  const absl::StatusOr<int> reply =
      Call({.operation = "GET", .idempotent = true},
           Set({Retry({.also_retry_on = OnResult<int>([](const int& s) { return s != 200; })}),
                FailFast(OnResult<int>([](const int& s) { return s == 403; }))}),
           [&]() -> absl::StatusOr<int> {
             ++calls;
             return 403;
           });
  EXPECT_EQ(reply.value_or(0), 403);
  EXPECT_EQ(calls, 1);
}

// brpc retries at once where the backoff would pass the deadline.
TEST(PolicyCallsTest, NobodySleepsToFailLater) {
  VirtualRuntime runtime;
  int calls = 0;
  const absl::Status status =
      Call({.operation = "PING", .timeout = absl::Milliseconds(900), .idempotent = true},
           Set({RetryEverySecond(3)}), [&] {
             ++calls;
             return absl::UnavailableError("down");
           });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
  EXPECT_EQ(FailureOf(status)->why, Reason::kDeadline);
}

TEST(PolicyCallsTest, AttemptTimeoutLeavesTimeForAnother) {
  VirtualRuntime runtime;
  std::vector<absl::Duration> given;
  const absl::Status status = Call(
      {.operation = "PING", .timeout = absl::Seconds(5), .idempotent = true},
      Set({RetryEverySecond(3), AttemptTimeout(absl::Seconds(2))}), [&](const Attempt& attempt) {
        given.push_back(attempt.remaining());
        runtime.SleepUntil(attempt.deadline(), attempt.stop_token());
        return absl::DeadlineExceededError("slow");
      });
  EXPECT_EQ(given, (std::vector<absl::Duration>{absl::Seconds(2), absl::Seconds(2)}));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  // The second one's time ends with the call's.
  EXPECT_EQ(Story(status),
            "PING failed after 2 attempts in 5 s: #1 timed out (attempt timeout): slow after 2 s; "
            "#2 timed out: slow after 2 s; not retried: the deadline leaves no time for another "
            "attempt; it may have been executed");
}

TEST(PolicyCallsTest, ATimeoutOfTheOperationsOwnIsNotTheAttempts) {
  VirtualRuntime runtime;
  const absl::Status status = Call(
      {.operation = "PING", .timeout = absl::Seconds(5)}, Set({AttemptTimeout(absl::Seconds(2))}),
      [&](const Attempt& attempt) {
        runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Seconds(1)), attempt.stop_token());
        return absl::DeadlineExceededError("slow");
      });
  ASSERT_TRUE(FailureOf(status).has_value()) << status;
  EXPECT_FALSE(FailureOf(status)->attempts.front().attempt_timeout);
}

TEST(PolicyCallsTest, ABreakerThatOpensSaysUntilWhen) {
  VirtualRuntime runtime;
  std::vector<absl::Duration> holds;
  const PolicyPtr report = Report(ToFunction([&](const CallEvent& event) {
    if (event.type != CallEvent::Type::kPolicyChanged) return;
    holds.push_back(event.until.remaining(event.now));
  }));
  const PolicyPtr breaker =
      CircuitBreaker({.consecutive_failures = 1, .open_time = Constant(absl::Seconds(3))});
  const PolicySet set = Set({breaker, report});
  EXPECT_FALSE(Call({}, set, [] { return absl::UnavailableError("down"); }).ok());
  EXPECT_EQ(holds, (std::vector<absl::Duration>{absl::Seconds(3)}));
  EXPECT_EQ(FailureOf(Call({}, set, [] { return absl::OkStatus(); }))->retry_at, holds.front());
}

// Remembers the code that it is told when a call ends.
class LastCode final : public Policy {
 public:
  LastCode() : Policy({.name = "LastCode", .capabilities = kConcludes}) {}
  void Conclude(const Conclusion& end) override { code = end.code; }
  absl::StatusCode code = absl::StatusCode::kDataLoss;
};

TEST(PolicyCallsTest, AConclusionHasTheCodeThatTheCallerSees) {
  VirtualRuntime runtime;
  const auto last = std::make_shared<LastCode>();
  const auto code_of = [&](CallOptions options, absl::Status answer) {
    const absl::Status status =
        Call(options, Set({RetryEverySecond(2), last}), [&](const Attempt& attempt) {
          if (answer.code() == absl::StatusCode::kAborted) {
            runtime.SleepUntil(attempt.deadline(), attempt.stop_token());
          }
          return answer;
        });
    EXPECT_EQ(last->code, status.code()) << status;
    return last->code;
  };
  using absl::StatusCode;
  EXPECT_EQ(code_of({}, absl::OkStatus()), StatusCode::kOk);
  EXPECT_EQ(code_of({}, absl::NotFoundError("no key")), StatusCode::kNotFound);
  EXPECT_EQ(code_of({}, Refused()), StatusCode::kUnavailable);
  EXPECT_EQ(code_of({.timeout = absl::Milliseconds(500)}, Refused()), StatusCode::kUnavailable);
  EXPECT_EQ(code_of({.timeout = absl::Seconds(5)}, absl::AbortedError("slow")),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(code_of({.timeout = absl::ZeroDuration()}, absl::OkStatus()),
            StatusCode::kDeadlineExceeded);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_of({.stop = stop.get_token()}, absl::OkStatus()), StatusCode::kCancelled);
}

}  // namespace
}  // namespace redial
