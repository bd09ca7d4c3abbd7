// Writing: all of it, or how much of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

class Writing : public Body {
 protected:
  static constexpr size_t kMuch = size_t{16} << 20;  // more than any connection holds

  // Reads to the end; how much it was.
  static size_t Drain(Socket& socket) {
    std::string buffer(1 << 16, '\0');
    size_t total = 0;
    for (;;) {
      const absl::StatusOr<size_t> n = socket.Read(absl::MakeSpan(buffer.data(), buffer.size()));
      EXPECT_EQ(n.status(), absl::OkStatus());
      if (!n.ok() || *n == 0) return total;
      total += *n;
    }
  }

  Ends ends_ = Narrow();
  Socket& ours_ = ends_.client;
  Socket& theirs_ = ends_.server;
};

// Source: CPython test_timeout TCPTimeoutTestCase.testSend; sockpp loses the count.
CONFORM(Writing, ATimeoutSaysHowMuchWentOut) {
  ASSERT_EQ(ours_.set_operation_timeout(absl::Milliseconds(20)), absl::OkStatus());
  const Instant began = Now();
  const absl::Status status = ours_.Write(std::string(kMuch, 'x'));
  EXPECT_GE(Now() - began, absl::Milliseconds(20));
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
  const size_t out = ours_.last_write_bytes();
  EXPECT_GT(out, 0U);
  EXPECT_LT(out, kMuch);
  EXPECT_EQ(out, ours_.bytes_sent());
  EXPECT_EQ(FailureOf(status)->bytes_sent, out);
  EXPECT_EQ(FailureOf(status)->phase, Phase::kWrite);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
}

// Source: userver IoTimeout::BytesTransferred.
CONFORM(Writing, WhatATimeoutSaysWentOutArrives) {
  ASSERT_EQ(ours_.set_operation_timeout(absl::Milliseconds(20)), absl::OkStatus());
  EXPECT_EQ(ours_.Write(std::string(kMuch, 'x')).code(), kDeadlineExceeded);
  ASSERT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
  theirs_.set_deadline(Guard());
  EXPECT_EQ(Drain(theirs_), ours_.last_write_bytes());
}

// Source: Go net TestWriteTimeout (the first row: a past deadline).
CONFORM(Writing, AnExpiredDeadlineWritesNothing) {
  ours_.set_deadline(Deadline::Past());
  const absl::Status status = ours_.Write("x");
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(status.message(),
            "write to " + ours_.peer().ToString() + " not begun: the deadline had passed");
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_EQ(ours_.bytes_sent(), 0U);
  theirs_.set_deadline(In(kMoment));
  EXPECT_EQ(ReadByte(theirs_).status().code(), kDeadlineExceeded);
}

// Source: CPython test_socket NonBlockingTCPTests (send on a full socket raises BlockingIOError).
CONFORM(Writing, AZeroTimeoutNeverWaitsAndSaysHowMuchWentOut) {
  ASSERT_EQ(ours_.set_operation_timeout(absl::ZeroDuration()), absl::OkStatus());
  const absl::Status status = ours_.Write(std::string(kMuch, 'x'));
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), EAGAIN);
  const size_t out = ours_.last_write_bytes();
  EXPECT_GT(out, 0U);
  EXPECT_EQ(status.message(),
            absl::StrCat("write to ", ours_.peer().ToString(),
                         ": no room to write (EAGAIN), after ", out, " of ", kMuch, " bytes"));
}

// Source: CPython test_socket BasicTCPTest.testSendAll.
CONFORM(Writing, WaitsForRoomUntilAllIsOut) {
  constexpr size_t kSize = size_t{1} << 20;
  Task reader = Go([&] {
    Sleep(absl::Milliseconds(5));
    theirs_.set_deadline(Guard());
    EXPECT_EQ(Drain(theirs_), kSize);
  });
  ours_.set_deadline(Guard());
  EXPECT_EQ(ours_.Write(std::string(kSize, 'x')), absl::OkStatus());
  EXPECT_EQ(ours_.last_write_bytes(), kSize);
  EXPECT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
}

// Source: turmoil tcp.rs write_zero_bytes.
CONFORM(Writing, NothingIsSoonWritten) {
  EXPECT_EQ(ours_.Write(""), absl::OkStatus());
  EXPECT_EQ(ours_.bytes_sent(), 0U);
  EXPECT_EQ(ours_.last_write_bytes(), 0U);
}

// Source: RFC 9293, section 3.4: bytes arrive in the order in which they were written.
CONFORM(Writing, ManySmallOnesArriveInOrder) {
  constexpr int kLines = 500;
  Task writer = Go([&] {
    ours_.set_deadline(Guard());
    for (int i = 0; i < kLines; ++i) {
      ASSERT_EQ(ours_.Write(absl::StrCat("line ", i, "\n")), absl::OkStatus());
    }
  });
  theirs_.set_deadline(Guard());
  for (int i = 0; i < kLines; ++i) {
    ASSERT_EQ(theirs_.ReadUntil("\n").value_or("nothing"), absl::StrCat("line ", i, "\n"));
  }
}

// Source: include/redial/socket.h: a second writer is told so.
CONFORM(Writing, ASecondWriterIsTurnedAway) {
  std::stop_source stop;
  ours_.set_stop_token(stop.get_token());
  Task writer = Go([&] { EXPECT_EQ(ours_.Write(std::string(kMuch, 'x')).code(), kCancelled); });
  while (ours_.bytes_sent() == 0) Sleep(kMoment);
  const absl::Status status = ours_.Write("y");
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(status.message(), "write: another thread is writing to this socket");
  stop.request_stop();
}

// Source: RFC 9293, section 3.1 (full duplex).
CONFORM(Writing, BothEndsAtOnce) {
  static constexpr size_t kSize = size_t{1} << 18;
  std::vector<Task> tasks;
  for (Socket* socket : {&ours_, &theirs_}) {
    socket->set_deadline(Guard());
    tasks.push_back(Go([socket] {
      EXPECT_EQ(socket->Write(std::string(kSize, 'x')), absl::OkStatus());
      EXPECT_EQ(socket->ShutdownWrite(), absl::OkStatus());
    }));
    tasks.push_back(Go([socket] { EXPECT_EQ(Drain(*socket), kSize); }));
  }
}

// Source: Go net TestWriteTimeoutFluctuation.
CONFORM(Writing, TimeoutsAreNeverEarly) {
  const std::string much(kMuch, 'x');
  for (const int ms : {1, 5, 20, 50}) {
    const absl::Duration timeout = absl::Milliseconds(ms);
    ASSERT_EQ(ours_.set_operation_timeout(timeout), absl::OkStatus());
    const Instant began = Now();
    const absl::Status status = ours_.Write(much);
    ExpectTook(began, timeout);
    EXPECT_EQ(status.code(), kDeadlineExceeded);
    EXPECT_LT(ours_.last_write_bytes(), kMuch);
  }
}

// Source: userver socket_test.cpp ErrorPeername; send(2), EPIPE and ECONNRESET.
CONFORM(Writing, ToAPeerThatHasClosedFailsInTheEnd) {
  theirs_.Close();
  ours_.set_deadline(Guard());
  absl::Status status;
  while (status.ok()) {
    status = ours_.Write("x");
    Sleep(absl::Microseconds(100));
  }
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_TRUE(ErrnoOf(status) == EPIPE || ErrnoOf(status) == ECONNRESET) << status;
}

}  // namespace
}  // namespace redial::conformance
