#include "src/core/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"

namespace redial::internal {
namespace {

TEST(ErrnoCode, MapsEachKindOnce) {
  struct Row {
    absl::StatusCode code;
    std::vector<int> errors;
  };
  const std::vector<Row> rows = {
      {absl::StatusCode::kUnavailable,
       {EAGAIN,       EADDRINUSE, ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTDOWN,
        EHOSTUNREACH, EINTR,      EIO,          ENETDOWN,     ENETRESET,  ENETUNREACH,
        ENODEV,       ENOENT,     ENONET,       ENOTCONN,     ENXIO,      EPIPE,
        EPROTO,       EREMOTEIO,  ESHUTDOWN,    ETIMEDOUT}},
      {absl::StatusCode::kResourceExhausted,
       {EADDRNOTAVAIL, EDQUOT, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC}},
      {absl::StatusCode::kFailedPrecondition, {EALREADY, EBADF, EISCONN}},
      {absl::StatusCode::kInvalidArgument,
       {EAFNOSUPPORT, EDESTADDRREQ, EINVAL, ELOOP, EMSGSIZE, ENAMETOOLONG, ENOPROTOOPT, ENOTDIR,
        ENOTSOCK, EOPNOTSUPP, EPFNOSUPPORT, EPROTONOSUPPORT, EPROTOTYPE, ESOCKTNOSUPPORT}},
      {absl::StatusCode::kPermissionDenied, {EACCES, EPERM, EROFS}},
      {absl::StatusCode::kCancelled, {ECANCELED}},
      {absl::StatusCode::kUnimplemented, {ENOSYS}},
      {absl::StatusCode::kUnknown, {0, 4711, EDOM}},
  };
  for (const Row& row : rows) {
    for (const int error : row.errors) EXPECT_EQ(ErrnoCode(error), row.code) << ErrnoName(error);
  }
}

TEST(ErrnoCode, IsNeverOk) {
  for (int error = -1; error < 200; ++error) {
    EXPECT_NE(ErrnoCode(error), absl::StatusCode::kOk) << error;
  }
}

TEST(SentBefore, IsNoUntilThereIsAConnection) {
  EXPECT_EQ(SentBefore(Phase::kResolve), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kConnect), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kHandshake), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kListen), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kAccept), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kQueue), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kBackoff), Sent::kNo);
  EXPECT_EQ(SentBefore(Phase::kNone), Sent::kMaybe);
  EXPECT_EQ(SentBefore(Phase::kWrite), Sent::kMaybe);
  EXPECT_EQ(SentBefore(Phase::kRead), Sent::kMaybe);
  EXPECT_EQ(SentBefore(Phase::kClose), Sent::kMaybe);
}

TEST(Doing, NamesPhaseAndAddress) {
  EXPECT_EQ(Doing(Phase::kNone, ""), "");
  EXPECT_EQ(Doing(Phase::kNone, "a:1"), "a:1");
  EXPECT_EQ(Doing(Phase::kResolve, "cache"), "look-up of cache");
  EXPECT_EQ(Doing(Phase::kConnect, "a:1"), "connect to a:1");
  EXPECT_EQ(Doing(Phase::kHandshake, "a:1"), "handshake with a:1");
  EXPECT_EQ(Doing(Phase::kWrite, "a:1"), "write to a:1");
  EXPECT_EQ(Doing(Phase::kRead, "a:1"), "read from a:1");
  EXPECT_EQ(Doing(Phase::kRead, ""), "read");
  EXPECT_EQ(Doing(Phase::kListen, "a:1"), "listen on a:1");
  EXPECT_EQ(Doing(Phase::kAccept, "a:1"), "accept on a:1");
  EXPECT_EQ(Doing(Phase::kClose, "a:1"), "close of a:1");
  EXPECT_EQ(Doing(Phase::kQueue, "a:1"), "wait for a permit");
  EXPECT_EQ(Doing(Phase::kBackoff, "a:1"), "pause before the next attempt");
}

TEST(ErrnoStatus, SaysWhatFailedAndWhy) {
  const Failure failure{.phase = Phase::kRead, .bytes_received = 3, .address = "10.0.0.7:6379"};
  const absl::Status status = ErrnoStatus(ECONNRESET, failure);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "read from 10.0.0.7:6379: connection reset by peer (ECONNRESET)");
  Failure expected = failure;
  expected.error = ECONNRESET;
  EXPECT_EQ(FailureOf(status), expected);
}

TEST(ErrnoStatus, TakesWordsForWhatHasNoFailureYet) {
  const absl::Status status = ErrnoStatus(EADDRINUSE, Phase::kListen, "bind to [::1]:80");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "bind to [::1]:80: address already in use (EADDRINUSE)");
  EXPECT_EQ(FailureOf(status),
            (Failure{.phase = Phase::kListen, .error = EADDRINUSE, .sent = Sent::kNo}));
  EXPECT_EQ(ErrnoStatus(EMFILE, Phase::kNone, "").message(), "too many open files (EMFILE)");
}

TEST(FailureStatus, PutsItsTextAfterWhatWasBeingDone) {
  const absl::Status status =
      FailureStatus(absl::StatusCode::kUnavailable, "closed by the peer after 3 of 5 bytes",
                    {.phase = Phase::kRead, .sent = Sent::kAnswered, .address = "/run/app.sock"});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "read from /run/app.sock: closed by the peer after 3 of 5 bytes");
  EXPECT_EQ(FailureOf(status)->sent, Sent::kAnswered);
  EXPECT_EQ(FailureStatus(absl::StatusCode::kInternal, "odd", {}).message(), "odd");
}

TEST(TimeoutStatus, SaysHowLong) {
  const absl::Status status = TimeoutStatus({.phase = Phase::kRead,
                                             .bytes_sent = 6,
                                             .elapsed = absl::Milliseconds(500),
                                             .address = "10.0.0.7:6379"});
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), "read from 10.0.0.7:6379 timed out after 500 ms");
  EXPECT_EQ(FailureOf(status)->bytes_sent, 6u);
  EXPECT_EQ(TimeoutStatus({.phase = Phase::kConnect, .address = "a:1"}).message(),
            "connect to a:1 not begun: the deadline had passed");
  EXPECT_EQ(TimeoutStatus({.elapsed = absl::Seconds(1)}).message(), "timed out after 1 s");
}

TEST(StoppedStatus, SaysHowLong) {
  const absl::Status status =
      StoppedStatus({.phase = Phase::kWrite, .elapsed = absl::Milliseconds(3), .address = "a:1"});
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(status.message(), "write to a:1 stopped after 3 ms");
  EXPECT_EQ(StoppedStatus({.phase = Phase::kAccept}).message(),
            "accept not begun: stop was requested");
}

}  // namespace
}  // namespace redial::internal
