#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
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
using testing::ToldOf;

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

}  // namespace
}  // namespace redial
