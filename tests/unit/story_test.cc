#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "src/core/status.h"
#include "tests/unit/story_kit.h"

namespace redial {
namespace {

using absl::StatusCode;
using testing::Ping;
using testing::Refused;
using testing::RefusedAttempt;
using testing::StalledAttempt;
using testing::TimedOut;
using testing::Told;

TEST(Story, OfSuccessIsOk) { EXPECT_EQ(Story(absl::OkStatus()), "OK"); }

TEST(Story, OfAnotherStatusIsItsCodeAndMessage) {
  EXPECT_EQ(Story(absl::NotFoundError("no such key")), "NOT_FOUND: no such key");
  EXPECT_EQ(Story(absl::InternalError("")), "INTERNAL");
}

TEST(Story, OfACallTellsEachAttempt) {
  AttemptRecord timed_out = RefusedAttempt(2);
  timed_out.kind = AttemptKind::kRetry;
  timed_out.code = StatusCode::kDeadlineExceeded;
  timed_out.tried = {TimedOut("10.0.0.7:6379")};
  Failure failure = Ping({RefusedAttempt(1), timed_out, StalledAttempt(3)});
  failure.why = Reason::kUnsafe;
  failure.reasons.Add(Reason::kUnsafe);
  EXPECT_EQ(Told(failure),
            "PING cache:6379 failed after 3 attempts in 412 ms: "
            "#1 [::1]:6379 connection refused (ECONNREFUSED) after 1 ms; "
            "#2 10.0.0.7:6379 connect timed out after 200 ms; "
            "#3 10.0.0.7:6379 read timed out after 500 ms, 6 B sent, 0 B received; "
            "not retried: it may have been executed and is not idempotent");
}

TEST(Story, OfOneAttemptDoesNotCount) {
  Failure failure = Ping({RefusedAttempt(1)});
  failure.elapsed = absl::Milliseconds(12);
  EXPECT_EQ(Told(failure),
            "PING cache:6379 failed in 12 ms: [::1]:6379 connection refused (ECONNREFUSED) after "
            "1 ms");
  failure.why = Reason::kFailFast;
  EXPECT_EQ(Told(failure),
            "PING cache:6379 failed in 12 ms: [::1]:6379 connection refused (ECONNREFUSED) after "
            "1 ms; not retried: set to fail fast");
}

TEST(Story, OfACallThatWasRefused) {
  Failure failure = Ping({});
  failure.elapsed = absl::Microseconds(3);
  failure.sent = Sent::kNo;
  failure.why = Reason::kBreakerOpen;
  failure.reasons.Add(Reason::kBreakerOpen);
  failure.retry_at = absl::Seconds(3);
  EXPECT_EQ(Told(failure),
            "PING cache:6379 was not attempted: circuit breaker open, next try in 3 s");
  failure.retry_at.reset();
  EXPECT_EQ(Told(failure), "PING cache:6379 was not attempted: circuit breaker open");
}

TEST(Story, OfACallThatWaitedInVain) {
  Failure failure = Ping({});
  failure.elapsed = absl::Seconds(2);
  failure.why = Reason::kDeadline;
  failure.reasons.Add(Reason::kDeadline);
  failure.reasons.Add(Reason::kQueued);
  EXPECT_EQ(Told(failure),
            "PING cache:6379 was not attempted in 2 s: the deadline leaves no time for it (also: "
            "waiting for a permit)");
}

TEST(Story, NamesTheCallByWhatItHas) {
  Failure failure = Ping({RefusedAttempt(1)});
  failure.target.clear();
  EXPECT_TRUE(Told(failure).starts_with("PING failed in ")) << Told(failure);
  failure.operation.clear();
  EXPECT_TRUE(Told(failure).starts_with("call failed in ")) << Told(failure);
  failure.target = "cache:6379";
  EXPECT_TRUE(Told(failure).starts_with("cache:6379 failed in ")) << Told(failure);
  EXPECT_EQ(Told({.target = "cache:6379"}), "cache:6379 was not attempted: the message");
}

TEST(Story, OfAStoppedCall) {
  Failure failure = Ping({RefusedAttempt(1)});
  failure.why = Reason::kCancelled;
  EXPECT_EQ(Told(failure),
            "PING cache:6379 was stopped in 412 ms: [::1]:6379 connection refused (ECONNREFUSED) "
            "after 1 ms");
  failure.attempts.clear();
  failure.elapsed = absl::ZeroDuration();
  EXPECT_EQ(Told(failure), "PING cache:6379 was not attempted: stop was requested");
}

TEST(Story, TellsAllReasonsButTheIdleOnes) {
  Failure failure = Ping({RefusedAttempt(1)});
  failure.why = Reason::kDeadline;
  for (const Reason reason : {Reason::kDeadline, Reason::kExhausted, Reason::kServerHint,
                              Reason::kNotRetried, Reason::kBackoff}) {
    failure.reasons.Add(reason);
  }
  failure.retry_after = absl::Seconds(30);
  EXPECT_EQ(Told(failure),
            "PING cache:6379 failed in 412 ms: [::1]:6379 connection refused (ECONNREFUSED) after "
            "1 ms; the peer asked for a pause of 30 s; not retried: the deadline leaves no time "
            "for another attempt (also: attempts exhausted, the peer asked for a pause)");
}

TEST(Story, ElidesTheMiddleOfMany) {
  std::vector<AttemptRecord> attempts;
  for (int i = 1; i <= 20; ++i) attempts.push_back(RefusedAttempt(i));
  const auto told = [](int number) {
    return "#" + std::to_string(number) +
           " [::1]:6379 connection refused (ECONNREFUSED) after 1 ms";
  };
  EXPECT_EQ(Told(Ping(attempts)), "PING cache:6379 failed after 20 attempts in 412 ms: " + told(1) +
                                      "; " + told(2) + "; " + told(3) + "; " + told(4) +
                                      "; … 12 more …; " + told(17) + "; " + told(18) + "; " +
                                      told(19) + "; " + told(20));
  attempts.resize(8);
  EXPECT_EQ(Told(Ping(attempts)).find("…"), std::string::npos);
}

TEST(Story, OfAnOperationOutsideACall) {
  Failure failure{.phase = Phase::kRead,
                  .bytes_sent = 6,
                  .elapsed = absl::Milliseconds(500),
                  .address = "10.0.0.7:6379"};
  EXPECT_EQ(Story(internal::TimeoutStatus(failure)),
            "read from 10.0.0.7:6379 timed out after 500 ms, 6 B sent, 0 B received");
  EXPECT_EQ(Story(internal::ErrnoStatus(ECONNRESET, failure)),
            "read from 10.0.0.7:6379: connection reset by peer (ECONNRESET) after 500 ms, 6 B "
            "sent, 0 B received");
  failure.phase = Phase::kConnect;
  failure.bytes_sent = 0;
  failure.elapsed = absl::ZeroDuration();
  EXPECT_EQ(Story(internal::ErrnoStatus(ECONNREFUSED, failure)),
            "connect to 10.0.0.7:6379: connection refused (ECONNREFUSED)");
}

TEST(Story, OfADialTellsWhatItsMessageLeavesOut) {
  const Failure failure{.phase = Phase::kConnect,
                        .error = ECONNREFUSED,
                        .sent = Sent::kNo,
                        .elapsed = absl::Milliseconds(201),
                        .tried = {Refused("[::1]:6379"), TimedOut("10.0.0.7:6379")}};
  EXPECT_EQ(
      Story(WithFailure(absl::DeadlineExceededError("connect to cache:6379 timed out"), failure)),
      "connect to cache:6379 timed out after 201 ms ([::1]:6379 connection refused "
      "(ECONNREFUSED) after 1 ms, 10.0.0.7:6379 connect timed out after 200 ms)");
  const std::string complete =
      "connect to cache:6379 timed out after 201 ms: [::1]:6379 connection refused (ECONNREFUSED) "
      "after 1 ms; 10.0.0.7:6379 timed out after 200 ms";
  EXPECT_EQ(Story(WithFailure(absl::DeadlineExceededError(complete), failure)), complete);
}

TEST(Story, OfWhatAnApplicationDeclared) {
  EXPECT_EQ(Story(NotSent(absl::UnavailableError("pool empty"))),
            "UNAVAILABLE: pool empty; nothing was sent");
  EXPECT_EQ(Story(Rejected(absl::UnavailableError(""))),
            "UNAVAILABLE; the peer did not execute it");
  EXPECT_EQ(Story(RetryAfter(absl::UnavailableError("busy"), absl::Seconds(2))),
            "UNAVAILABLE: busy; the peer asked for a pause of 2 s; the peer did not execute it");
}

TEST(Story, StaysInItsLine) {
  AttemptRecord record{.number = 1,
                       .code = StatusCode::kInternal,
                       .elapsed = absl::Milliseconds(2),
                       .detail = "bad\nthing \x1b[2J" + std::string(1000, 'x')};
  Failure failure = Ping({record});
  failure.operation = "PI\nNG";
  const std::string story = Told(failure);
  EXPECT_TRUE(story.starts_with("PI\\nNG cache:6379 failed in 412 ms: bad\\nthing \\x1b[2Jxxx"))
      << story;
  EXPECT_LT(story.size(), 500u);
  EXPECT_EQ(Story(absl::InternalError("a\r\nb")), "INTERNAL: a\\r\\nb");
}

}  // namespace
}  // namespace redial
