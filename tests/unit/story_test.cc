#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "src/core/status.h"

namespace redial {
namespace {

using absl::StatusCode;

AddressTried Refused(std::string address) {
  return {.address = std::move(address), .error = ECONNREFUSED, .elapsed = absl::Milliseconds(1)};
}

AddressTried TimedOut(std::string address) {
  return {.address = std::move(address), .error = ETIMEDOUT, .elapsed = absl::Milliseconds(200)};
}

AttemptRecord RefusedAttempt(int number) {
  return {.number = number,
          .code = StatusCode::kUnavailable,
          .phase = Phase::kConnect,
          .error = ECONNREFUSED,
          .sent = Sent::kNo,
          .elapsed = absl::Milliseconds(1),
          .tried = {Refused("[::1]:6379")}};
}

AttemptRecord StalledAttempt(int number) {
  return {
      .number = number,
      .kind = AttemptKind::kRetry,
      .code = StatusCode::kDeadlineExceeded,
      .phase = Phase::kRead,
      .bytes_sent = 6,
      .elapsed = absl::Milliseconds(501),
      .address = "10.0.0.7:6379",
      .detail = "read from 10.0.0.7:6379 timed out after 500 ms, with 0 bytes and no delimiter"};
}

Failure Ping(std::vector<AttemptRecord> attempts) {
  return {.elapsed = absl::Milliseconds(412),
          .operation = "PING",
          .target = "cache:6379",
          .attempts = std::move(attempts)};
}

std::string Told(const Failure& failure) {
  return Story(WithFailure(absl::UnavailableError("the message"), failure));
}

// The story of one attempt.
std::string ToldOf(const AttemptRecord& record) { return Told(Ping({record})); }

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

TEST(Story, ListsEveryAddressOfADial) {
  AttemptRecord record = RefusedAttempt(1);
  record.tried = {
      Refused("[::1]:6379"),
      {.address = "[2001:db8::7]:6379", .error = EHOSTUNREACH, .elapsed = absl::Microseconds(40)},
      TimedOut("10.0.0.7:6379"),
      {.address = "10.0.0.8:6379", .error = ECANCELED, .elapsed = absl::Milliseconds(5)},
      {.address = "10.0.0.9:6379"}};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: "
            "[::1]:6379 connection refused (ECONNREFUSED) after 1 ms, "
            "[2001:db8::7]:6379 connect: no route to host (EHOSTUNREACH) after 40 us, "
            "10.0.0.7:6379 connect: connection timed out (ETIMEDOUT) after 200 ms, "
            "10.0.0.8:6379 given up after 5 ms");
}

TEST(Story, TellsAddressesThatFailedBeforeOneConnected) {
  AttemptRecord record = StalledAttempt(1);
  record.tried = {Refused("[::1]:6379"), {.address = "10.0.0.7:6379"}};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read timed out after 500 ms, 6 B "
            "sent, 0 B received (before it, [::1]:6379 connection refused (ECONNREFUSED) after "
            "1 ms); it may have been executed");
}

TEST(Story, TellsNameServers) {
  AttemptRecord record{.number = 1,
                       .code = StatusCode::kDeadlineExceeded,
                       .phase = Phase::kResolve,
                       .sent = Sent::kNo,
                       .elapsed = absl::Seconds(2),
                       .detail = "look-up of 'cache' timed out after 2 s",
                       .tried = {TimedOut("127.0.0.53:53")}};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: look-up of 'cache' timed out after 2 s (name "
            "server 127.0.0.53:53 did not answer after 200 ms)");
  record.code = StatusCode::kUnavailable;
  record.detail.clear();
  record.tried = {Refused("127.0.0.53:53")};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: look-up failed: UNAVAILABLE after 2 s (name server "
            "127.0.0.53:53 connection refused (ECONNREFUSED) after 1 ms)");
}

TEST(Story, TellsAHedge) {
  AttemptRecord hedge = StalledAttempt(2);
  hedge.kind = AttemptKind::kHedge;
  hedge.code = StatusCode::kCancelled;
  hedge.detail = "read from 10.0.0.7:6379 stopped after 3 ms";
  EXPECT_EQ(Told(Ping({RefusedAttempt(1), hedge})),
            "PING cache:6379 failed after 2 attempts in 412 ms: "
            "#1 [::1]:6379 connection refused (ECONNREFUSED) after 1 ms; "
            "#2 (hedge) 10.0.0.7:6379 read stopped after 3 ms, 6 B sent, 0 B received; "
            "it may have been executed");
}

TEST(Story, TellsAFailureOfTheKernelsWithItsName) {
  AttemptRecord record = StalledAttempt(1);
  record.code = StatusCode::kUnavailable;
  record.error = ECONNRESET;
  record.detail = "read from 10.0.0.7:6379: connection reset by peer (ECONNRESET)";
  record.bytes_received = 3;
  record.sent = Sent::kAnswered;
  const std::string expected =
      "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read: connection reset by peer "
      "(ECONNRESET) after 501 ms, 6 B sent, 3 B received; it may have been executed";
  EXPECT_EQ(ToldOf(record), expected);
  record.detail.clear();
  EXPECT_EQ(ToldOf(record), expected);
  record.detail = "reading the header";
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read: connection reset by peer "
            "(ECONNRESET): reading the header after 501 ms, 6 B sent, 3 B received; it may have "
            "been executed");
}

TEST(Story, TellsAnEndThatCameEarly) {
  AttemptRecord record = StalledAttempt(1);
  record.code = StatusCode::kUnavailable;
  record.detail = "read from 10.0.0.7:6379: closed by the peer after 3 of 5 bytes";
  record.bytes_received = 3;
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read: closed by the peer after 3 of "
            "5 bytes in 501 ms, 6 B sent, 3 B received; it may have been executed");
}

// What was received is told in any case; that it was nothing isn't told twice.
TEST(Story, TellsOnceThatNothingCame) {
  AttemptRecord record = StalledAttempt(1);
  record.code = StatusCode::kUnavailable;
  record.detail = "read from 10.0.0.7:6379: closed by the peer after 0 bytes and no delimiter";
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read: closed by the peer after "
            "501 ms, 6 B sent, 0 B received; it may have been executed");
  record.error = ECONNRESET;
  record.detail =
      "read from 10.0.0.7:6379: connection reset by peer (ECONNRESET), after 0 bytes and no "
      "delimiter";
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read: connection reset by peer "
            "(ECONNRESET) after 501 ms, 6 B sent, 0 B received; it may have been executed");
  // A greeting came, and then no answer.
  record.bytes_received = 8;
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read: connection reset by peer "
            "(ECONNRESET), after 0 bytes and no delimiter in 501 ms, 6 B sent, 8 B received; it "
            "may have been executed");
  const absl::Status status(
      StatusCode::kDeadlineExceeded,
      "read from 10.0.0.7:6379 timed out after 500 ms, with 0 bytes and no delimiter");
  EXPECT_EQ(Story(WithFailure(status, {.phase = Phase::kRead,
                                       .bytes_sent = 6,
                                       .elapsed = absl::Milliseconds(500),
                                       .address = "10.0.0.7:6379"})),
            "read from 10.0.0.7:6379 timed out after 500 ms, 6 B sent, 0 B received");
}

TEST(Story, TellsAnAttemptTimeoutFromTheCallsDeadline) {
  AttemptRecord record = StalledAttempt(1);
  record.attempt_timeout = true;
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 read timed out (attempt timeout) "
            "after 500 ms, 6 B sent, 0 B received; it may have been executed");
  record.phase = Phase::kConnect;
  record.sent = Sent::kNo;
  record.bytes_sent = 0;
  record.tried = {Refused("[::1]:6379"), TimedOut("10.0.0.7:6379")};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: [::1]:6379 connection refused (ECONNREFUSED) after "
            "1 ms, 10.0.0.7:6379 connect timed out (attempt timeout) after 200 ms");
  record.phase = Phase::kResolve;
  record.address.clear();
  record.detail = "look-up of 'cache' timed out after 2 s";
  record.tried = {TimedOut("127.0.0.53:53")};
  EXPECT_EQ(
      ToldOf(record),
      "PING cache:6379 failed in 412 ms: look-up of 'cache' timed out (attempt timeout) after "
      "2 s (name server 127.0.0.53:53 did not answer after 200 ms)");
  record.phase = Phase::kNone;
  record.tried.clear();
  record.detail = "still busy";
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: timed out (attempt timeout): still busy after "
            "501 ms; nothing was sent");
  record.phase = Phase::kRead;
  record.address = "a:1";
  record.detail = "read from a:1 not begun: the deadline had passed";
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: a:1 read not begun: the deadline had passed "
            "(attempt timeout), 0 B sent, 0 B received; nothing was sent");
}

TEST(Story, TellsTimeoutsWithoutAMessage) {
  AttemptRecord record{.number = 1,
                       .code = StatusCode::kDeadlineExceeded,
                       .elapsed = absl::Seconds(5),
                       .detail = "still busy"};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: timed out: still busy after 5 s; it may have been "
            "executed");
  record.detail.clear();
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: timed out after 5 s; it may have been executed");
  record.code = StatusCode::kCancelled;
  record.phase = Phase::kHandshake;
  record.sent = Sent::kNo;
  EXPECT_EQ(ToldOf(record), "PING cache:6379 failed in 412 ms: handshake stopped after 5 s");
  record.phase = Phase::kQueue;
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: wait for a permit stopped after 5 s");
  record.phase = Phase::kBackoff;
  EXPECT_EQ(ToldOf(record), "PING cache:6379 failed in 412 ms: pause stopped after 5 s");
  record.phase = Phase::kRead;
  record.address = "a:1";
  record.detail = "read from a:1 not begun: stop was requested";
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: a:1 read not begun: stop was requested, 0 B sent, "
            "0 B received; nothing was sent");
}

TEST(Story, TellsAnApplicationsOwnFailure) {
  AttemptRecord record{.number = 1,
                       .code = StatusCode::kUnavailable,
                       .sent = Sent::kRejected,
                       .bytes_sent = 6,
                       .bytes_received = 40,
                       .elapsed = absl::Milliseconds(2),
                       .address = "10.0.0.7:6379",
                       .detail = "LOADING Redis is loading"};
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: 10.0.0.7:6379 LOADING Redis is loading after 2 ms, "
            "6 B sent, 40 B received; the peer did not execute it");
  record.sent = Sent::kNo;
  record.bytes_sent = record.bytes_received = 0;
  record.detail.clear();
  record.address.clear();
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: failed with UNAVAILABLE after 2 ms; nothing was "
            "sent");
  record.code = StatusCode::kOk;
  record.sent = Sent::kAnswered;
  EXPECT_EQ(ToldOf(record),
            "PING cache:6379 failed in 412 ms: returned a result that counts as a failure after "
            "2 ms; it may have been executed");
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
