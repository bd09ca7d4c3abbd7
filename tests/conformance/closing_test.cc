// How a connection ends: half, whole, with a reset, or from the other side.
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

class Closing : public Body {
 protected:
  Closing() { ours_.set_deadline(Guard()), theirs_.set_deadline(Guard()); }
  static constexpr int kRounds = 40;

  Ends ends_ = Connected();
  Socket& ours_ = ends_.client;
  Socket& theirs_ = ends_.server;
};

using Resetting = Closing;

// Source: Go net TestCloseWrite; turmoil tcp.rs shutdown_write.
CONFORM(Closing, HalfLetsReadingGoOn) {
  ASSERT_EQ(ours_.Write("last"), absl::OkStatus());
  ASSERT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
  EXPECT_EQ(theirs_.ReadExactly(4).value_or("lost"), "last");
  EXPECT_EQ(ReadByte(theirs_).value_or(99), 0U);
  ASSERT_EQ(theirs_.Write("reply"), absl::OkStatus());
  EXPECT_EQ(ours_.ReadExactly(5).value_or("lost"), "reply");
}

// Source: turmoil tcp.rs shutdown_write (BrokenPipe).
CONFORM(Closing, HalfEndsWriting) {
  ASSERT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
  const absl::Status status = ours_.Write("more");
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), EPIPE);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
}

// Source: Go net TestCloseWrite (the peer's wait in Read ends).
CONFORM(Closing, HalfWakesTheReaderThere) {
  Task reader = Go([&] { EXPECT_EQ(ReadByte(theirs_).value_or(99), 0U); });
  Sleep(kMoment);
  EXPECT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
}

// Source: RFC 9293, section 3.6 (both sides close, one after the other).
CONFORM(Closing, BothHalvesEndTheConnection) {
  ASSERT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
  EXPECT_EQ(ReadByte(theirs_).value_or(99), 0U);
  ASSERT_EQ(theirs_.Write("bye"), absl::OkStatus());
  ASSERT_EQ(theirs_.ShutdownWrite(), absl::OkStatus());
  EXPECT_EQ(ours_.ReadExactly(3).value_or("lost"), "bye");
  EXPECT_EQ(ReadByte(ours_).value_or(99), 0U);
}

// Source: shutdown(2) after data: the end comes behind what was written.
CONFORM(Closing, HalfComesBehindWhatWasWritten) {
  const std::string much(200'000, 'x');
  Task writer = Go([&] {
    EXPECT_EQ(ours_.Write(much), absl::OkStatus());
    EXPECT_EQ(ours_.ShutdownWrite(), absl::OkStatus());
  });
  EXPECT_TRUE(theirs_.ReadExactly(much.size()).value_or("lost") == much);
  EXPECT_EQ(ReadByte(theirs_).value_or(99), 0U);
}

// Source: close(2) without linger: what was written still arrives, then the end.
CONFORM(Closing, WhatWasWrittenStillArrives) {
  ASSERT_EQ(theirs_.Write("goodbye"), absl::OkStatus());
  theirs_.Close();
  Sleep(kMoment);
  EXPECT_EQ(ours_.ReadExactly(7).value_or("lost"), "goodbye");
  EXPECT_EQ(ReadByte(ours_).value_or(99), 0U);
}

// Source: Go net TestCloseUnblocksRead; close(2) alone would not wake the reader.
CONFORM(Closing, EndsARead) {
  for (int round = 0; round < kRounds; ++round) {
    Ends ends = Connected();
    Task reader =
        Go([&] { EXPECT_EQ(ReadByte(ends.client).status().code(), kFailedPrecondition); });
    if (round % 2 == 1) Sleep(absl::Milliseconds(1));
    ends.client.Close();
  }
}

// Source: Go net TestCloseUnblocksRead, for a writer.
CONFORM(Closing, EndsAWrite) {
  for (int round = 0; round < 4; ++round) {
    Ends ends = Narrow();
    Task writer = Go([&] {
      EXPECT_EQ(ends.client.Write(std::string(size_t{16} << 20, 'x')).code(), kFailedPrecondition);
    });
    if (round % 2 == 1) Sleep(absl::Milliseconds(1));
    ends.client.Close();
  }
}

// Source: Go net.ErrClosed ("a close error isn't a timeout", TestCloseError).
CONFORM(Closing, EverythingFailsAfterwards) {
  ours_.Close();
  ours_.Close();
  const absl::Status status = ReadByte(ours_).status();
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(status.message(), "read from " + ours_.peer().ToString() + ": the socket is closed");
  EXPECT_EQ(ErrnoOf(status), EBADF);
  EXPECT_EQ(ours_.Write("x").code(), kFailedPrecondition);
  EXPECT_EQ(ours_.ShutdownWrite().code(), kFailedPrecondition);
  char byte;
  EXPECT_EQ(ours_.TryRead({&byte, 1}).status().code(), kFailedPrecondition);
  ours_.set_deadline(Deadline::Past());
  EXPECT_EQ(ReadByte(ours_).status().code(), kFailedPrecondition) << "no timeout";
}

// Source: C++ Core Guidelines R.1: a resource goes with its handle.
CONFORM(Closing, ASocketThatGoesEndsItsConnection) {
  {
    Socket gone = std::move(ours_);
  }
  EXPECT_EQ(ReadByte(theirs_).value_or(99), 0U);
}

// Source: C++ Core Guidelines C.64: a move leaves the value with its new owner.
CONFORM(Closing, AMovedSocketGoesOn) {
  ASSERT_EQ(theirs_.Write("ab"), absl::OkStatus());
  ASSERT_EQ(ours_.ReadUntil("a").value_or("lost"), "a");
  Socket moved = std::move(ours_);
  EXPECT_EQ(moved.ReadExactly(1).value_or("lost"), "b") << "what it had buffered moves along";
  ExpectTalks(moved, theirs_);
}

// Source: measured on Linux 6.18: a reply and a close; the second send fails, and the reply is
// there.
CONFORM(Closing, AReplyBeforeTheEndIsNotLost) {
  ASSERT_EQ(ours_.Write("POST\r\n"), absl::OkStatus());
  ASSERT_EQ(theirs_.ReadExactly(6).value_or("lost"), "POST\r\n");
  ASSERT_EQ(theirs_.Write("413 too large\r\n"), absl::OkStatus());
  theirs_.Close();
  absl::Status status;
  while (status.ok()) {
    status = ours_.Write("body");
    Sleep(absl::Microseconds(100));
  }
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(FailureOf(status)->sent, Sent::kAnswered);
  EXPECT_EQ(FailureOf(status)->bytes_received, 0U);
  EXPECT_EQ(ours_.ReadUntil("\r\n").value_or("lost"), "413 too large\r\n");
}

// Source: Go net TestNotTemporaryRead (ECONNRESET, and not EOF).
CONFORM(Resetting, IsNotAnEnd) {
  world().Reset(theirs_);
  const absl::Status status = ReadByte(ours_).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), ECONNRESET);
  EXPECT_EQ(status.message(),
            "read from " + ours_.peer().ToString() + ": connection reset by peer (ECONNRESET)");
}

// Source: measured on Linux 6.18: recv gives the bytes, ECONNRESET once, then 0; it is kept.
CONFORM(Resetting, AtEveryByteOfAReplyIsToldBehindIt) {
  const std::string reply = "$5\r\nhello\r\n";
  for (size_t cut = 0; cut < reply.size(); ++cut) {
    Ends ends = Connected();
    ends.client.set_deadline(Guard());
    ASSERT_EQ(ends.client.Write("GET x\r\n"), absl::OkStatus());
    ASSERT_EQ(ends.server.ReadExactly(7).value_or("lost"), "GET x\r\n");
    ASSERT_EQ(ends.server.Write(reply.substr(0, cut)), absl::OkStatus());
    if (world().exact()) Sleep(kMoment);  // the bytes are on their way
    world().Reset(ends.server);
    const absl::Status status = ends.client.ReadExactly(reply.size()).status();
    EXPECT_EQ(status.code(), kUnavailable) << status;
    const Failure failure = *FailureOf(status);
    EXPECT_EQ(failure.error, ECONNRESET) << cut;
    EXPECT_EQ(failure.bytes_received, cut);
    EXPECT_EQ(failure.sent, cut == 0 ? Sent::kMaybe : Sent::kAnswered) << cut;
    EXPECT_EQ(ends.client.ReadExactly(cut).value_or("lost"), reply.substr(0, cut));
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(ErrnoOf(ReadByte(ends.client).status()), ECONNRESET);
    }
  }
}

// Source: turmoil: an inbound RST wakes a parked read.
CONFORM(Resetting, WakesAReader) {
  Task resetter = Go([&] {
    Sleep(kMoment);
    world().Reset(theirs_);
  });
  EXPECT_EQ(ErrnoOf(ReadByte(ours_).status()), ECONNRESET);
}

// Source: turmoil: an inbound RST wakes a parked read; here, a writer.
CONFORM(Resetting, WakesAWriter) {
  Ends ends = Narrow();
  ends.client.set_deadline(Guard());
  const std::string much(size_t{16} << 20, 'x');
  Task resetter = Go([&] {
    Sleep(absl::Milliseconds(20));
    world().Reset(ends.server);
  });
  const absl::Status status = ends.client.Write(much);
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(ErrnoOf(status), ECONNRESET);
  EXPECT_LT(ends.client.last_write_bytes(), much.size());
}

// Source: measured on Linux 6.18: the one call that hears of the reset may be a send.
CONFORM(Resetting, SeenByAWriteIsToldToReadsToo) {
  world().Reset(theirs_);
  Sleep(kMoment);
  const absl::Status status = ours_.Write("x");
  EXPECT_EQ(ErrnoOf(status), ECONNRESET) << status;
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_EQ(ErrnoOf(ReadByte(ours_).status()), ECONNRESET);
}

// Source: RFC 2525, section 2.17: close with data unread sends RST.
CONFORM(Resetting, FollowsACloseThatLeftDataUnread) {
  ASSERT_EQ(ours_.Write("unread"), absl::OkStatus());
  Sleep(kMoment);
  theirs_.Close();
  EXPECT_EQ(ErrnoOf(ReadByte(ours_).status()), ECONNRESET);
}

// Source: turmoil tcp.rs hangup (EOF, writes, BrokenPipe); RFC 9293, section 3.10.7.1.
CONFORM(Resetting, AnswersWhatComesAfterAClose) {
  theirs_.Close();
  EXPECT_EQ(ReadByte(ours_).value_or(99), 0U);
  ASSERT_EQ(ours_.Write("too late"), absl::OkStatus());
  Sleep(kMoment);
  const absl::Status status = ours_.Write("again");
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(ErrnoOf(status), EPIPE);
}

// Source: RFC 9293, section 3.5.2: who resets reads nothing more itself.
CONFORM(Resetting, ClosesOnesOwnEnd) {
  world().Reset(ours_);
  EXPECT_EQ(ReadByte(ours_).status().code(), kFailedPrecondition);
  EXPECT_EQ(ErrnoOf(ReadByte(theirs_).status()), ECONNRESET);
}

}  // namespace
}  // namespace redial::conformance
