// Reading: what there is, so many bytes, up to a delimiter, to the end.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

class Reading : public Body {
 protected:
  Reading() { ours_.set_deadline(Guard()); }
  static void Send(Socket& socket, std::string_view text) {
    ASSERT_EQ(socket.Write(text), absl::OkStatus());
  }

  Ends ends_ = Connected();
  Socket& ours_ = ends_.client;
  Socket& theirs_ = ends_.server;
};

// Source: CPython test_socket BasicTCPTest.testRecv.
CONFORM(Reading, GivesWhatIsThere) {
  Send(theirs_, "hello");
  char buffer[100];
  std::string got;
  while (got.size() < 5) {
    auto n = ours_.Read(absl::MakeSpan(buffer));
    ASSERT_EQ(n.status(), absl::OkStatus());
    got.append(buffer, *n);
  }
  EXPECT_EQ(got, "hello");
}

// Source: CPython test_socket BasicTCPTest.testOverFlowRecv; turmoil tcp.rs
// read_buf_smaller_than_msg.
CONFORM(Reading, ASmallBufferTakesAMessageInPieces) {
  Send(theirs_, "hello");
  char buffer[2];
  std::string got;
  while (got.size() < 5) {
    auto n = ours_.Read(absl::MakeSpan(buffer));
    ASSERT_EQ(n.status(), absl::OkStatus());
    ASSERT_LE(*n, 2U);
    got.append(buffer, *n);
  }
  EXPECT_EQ(got, "hello");
}

// Source: Go net TestZeroByteRead; turmoil tcp.rs read_with_empty_buffer.
CONFORM(Reading, IntoAnEmptyBufferGivesNothingAtOnce) {
  EXPECT_EQ(ours_.Read({}).value_or(99), 0U) << "nothing there";
  Send(theirs_, "x");
  EXPECT_EQ(ours_.Read({}).value_or(99), 0U);
  EXPECT_EQ(ours_.ReadExactly(1).value_or("nothing"), "x");
}

// Source: CPython test_socket BasicTCPTest.testRecv (b"" at the end); recv(2).
CONFORM(Reading, TheEndIsZeroAndStaysSo) {
  Send(theirs_, "last");
  theirs_.Close();
  EXPECT_EQ(ours_.ReadExactly(4).value_or("nothing"), "last");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReadByte(ours_).value_or(99), 0U);
}

// Source: Go io.ReadFull.
CONFORM(Reading, ExactlySoManyBytesAcrossPackets) {
  Task peer = Go([&] {
    for (const char* part : {"he", "l", "lo wor", "ld"}) {
      Send(theirs_, part);
      Sleep(absl::Milliseconds(1));
    }
  });
  EXPECT_EQ(ours_.ReadExactly(5).value_or("nothing"), "hello");
  EXPECT_EQ(ours_.ReadExactly(6).value_or("nothing"), " world");
  EXPECT_EQ(ours_.ReadExactly(0).value_or("nothing"), "");
}

// Source: Go io.ErrUnexpectedEOF; CPython http.client IncompleteRead.
CONFORM(Reading, AShortBodyIsNotSuccess) {
  Send(theirs_, "abc");
  theirs_.Close();
  const absl::Status status = ours_.ReadExactly(5).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(status.message(),
            "read from " + ours_.peer().ToString() + ": closed by the peer after 3 of 5 bytes");
  EXPECT_EQ(ours_.ReadExactly(3).value_or("lost"), "abc");
  EXPECT_EQ(ReadByte(ours_).value_or(99), 0U);
}

// Source: CPython test_socket FileObjectClassTestCase.testReadline.
CONFORM(Reading, UpToADelimiterLeavesTheRest) {
  Send(theirs_, "one\r\ntwo\r\nrest");
  EXPECT_EQ(ours_.ReadUntil("\r\n").value_or("nothing"), "one\r\n");
  EXPECT_EQ(ours_.ReadUntil("\r\n").value_or("nothing"), "two\r\n");
  EXPECT_EQ(ours_.ReadExactly(4).value_or("nothing"), "rest");
}

// Source: asyncio test_streams.py test_readuntil_multi_chunks.
CONFORM(Reading, ADelimiterMayBeSplitAcrossPackets) {
  Task peer = Go([&] {
    Send(theirs_, "line\r");
    Sleep(absl::Milliseconds(2));
    Send(theirs_, "\nmore");
  });
  EXPECT_EQ(ours_.ReadUntil("\r\n").value_or("nothing"), "line\r\n");
  EXPECT_EQ(ours_.ReadExactly(4).value_or("nothing"), "more");
}

// Source: asyncio test_streams.py test_readuntil_limit_found_sep.
CONFORM(Reading, ADelimiterThatDoesntComeIsAnErrorThatLosesNothing) {
  Send(theirs_, "0123456789\n");
  const absl::Status status = ours_.ReadUntil("\n", {.max_bytes = 8}).status();
  EXPECT_EQ(status.code(), kResourceExhausted) << status;
  EXPECT_EQ(ours_.ReadUntil("\n").value_or("lost"), "0123456789\n");
}

// Source: asyncio test_streams.py test_readuntil_eof.
CONFORM(Reading, TheEndBeforeTheDelimiterIsAnErrorThatLosesNothing) {
  Send(theirs_, "half a li");
  theirs_.Close();
  const absl::Status status = ours_.ReadUntil("\n").status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(status.message(), "read from " + ours_.peer().ToString() +
                                  ": closed by the peer after 9 bytes and no delimiter");
  EXPECT_EQ(ours_.ReadExactly(9).value_or("lost"), "half a li");
}

// Source: asyncio test_streams.py test_readuntil_separator (an empty one is a ValueError).
CONFORM(Reading, ADelimiterThatCannotComeIsRefused) {
  EXPECT_EQ(ours_.ReadUntil("").status(),
            absl::InvalidArgumentError("ReadUntil: the delimiter is empty"));
  EXPECT_EQ(ours_.ReadUntil("\r\n", {.max_bytes = 1}).status(),
            absl::InvalidArgumentError(
                "ReadUntil: max_bytes is 1; it must be at least the delimiter's 2"));
}

// Source: CPython test_socket NonBlockingTCPTests.testRecv.
CONFORM(Reading, TryReadNeverWaits) {
  char byte = 0;
  const absl::Status status = ours_.TryRead({&byte, 1}).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(status.message(),
            "read from " + ours_.peer().ToString() + ": nothing to read (EAGAIN)");
  EXPECT_EQ(ErrnoOf(status), EAGAIN);
}

// Source: recv(2), MSG_DONTWAIT.
CONFORM(Reading, TryReadTakesWhatIsThereWhateverTheLimits) {
  Send(theirs_, "ab");
  ASSERT_EQ(ours_.ReadUntil("a").value_or("nothing"), "a");
  Sleep(kMoment);
  ours_.set_deadline(Deadline::Past());
  char byte = 0;
  EXPECT_EQ(ours_.TryRead({&byte, 1}).value_or(99), 1U);
  EXPECT_EQ(byte, 'b');
  theirs_.Close();
  Sleep(kMoment);
  EXPECT_EQ(ours_.TryRead({&byte, 1}).value_or(99), 0U) << "the end";
}

// Source: CPython issue #7322: a buffered reader refused every read after a timeout.
CONFORM(Reading, ATimedOutReadLosesNothing) {
  Send(theirs_, "abc");
  ASSERT_EQ(ours_.set_operation_timeout(absl::Milliseconds(20)), absl::OkStatus());
  const absl::Status status = ours_.ReadExactly(5).status();
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(FailureOf(status)->bytes_received, 3U);
  Send(theirs_, "de");
  EXPECT_EQ(ours_.ReadExactly(5).value_or("lost"), "abcde");
}

// Source: CPython issue #7322, for lines.
CONFORM(Reading, ATimedOutLineIsThereForTheNextRead) {
  Send(theirs_, "half");
  ASSERT_EQ(ours_.set_operation_timeout(absl::Milliseconds(20)), absl::OkStatus());
  EXPECT_EQ(ours_.ReadUntil("\n").status().code(), kDeadlineExceeded);
  EXPECT_EQ(ours_.ReadUntil("\n").status().code(), kDeadlineExceeded) << "and again";
  Send(theirs_, " and half\n");
  EXPECT_EQ(ours_.ReadUntil("\n").value_or("lost"), "half and half\n");
}

// Source: include/redial/socket.h: bytes_received, Handshaken.
CONFORM(Reading, BytesAreCountedFromTheHandshake) {
  Send(theirs_, "greeting\n");
  ASSERT_EQ(ours_.ReadUntil("\n").value_or("nothing"), "greeting\n");
  Send(ours_, "login\n");
  EXPECT_EQ(ours_.bytes_received(), 9U);
  EXPECT_EQ(ours_.bytes_sent(), 6U);
  ours_.Handshaken();
  EXPECT_EQ(ours_.bytes_received(), 0U);
  EXPECT_EQ(ours_.bytes_sent(), 0U);
  Send(theirs_, "ab");
  ASSERT_EQ(ours_.ReadExactly(2).value_or("nothing"), "ab");
  EXPECT_EQ(ours_.bytes_received(), 2U);
}

// Source: include/redial/socket.h: a second reader is told so.
CONFORM(Reading, ASecondReaderIsTurnedAway) {
  Task reader = Go([&] { EXPECT_EQ(ours_.ReadExactly(1).value_or("nothing"), "x"); });
  char byte = 0;
  absl::Status status;
  do {
    Sleep(kMoment);
    status = ours_.TryRead({&byte, 1}).status();
  } while (ErrnoOf(status) == EAGAIN);  // the first one hasn't come yet
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(status.message(), "read: another thread is reading from this socket");
  EXPECT_EQ(ErrnoOf(status), EBUSY);
  EXPECT_EQ(ReadByte(ours_).status().message(), status.message());
  Send(theirs_, "x");
}

// Source: CPython test_socket BasicTCPTest.testSendAll; RFC 9293, section 3.4.
CONFORM(Reading, AMegabyteArrivesAsItWasSent) {
  std::string sent(1 << 20, ' ');
  for (size_t i = 0; i < sent.size(); ++i)
    sent[i] = static_cast<char>('a' + (i * i + i / 255) % 26);
  Task peer = Go([&] { Send(theirs_, sent); });
  const absl::StatusOr<std::string> got = ours_.ReadExactly(sent.size());
  ASSERT_EQ(got.status(), absl::OkStatus());
  EXPECT_TRUE(*got == sent);
}

// Source: turmoil tcp.rs hold_and_release_once_connected: a reader that waits gets what comes
// later.
CONFORM(Reading, WaitsForWhatComesLater) {
  Task peer = Go([&] {
    Sleep(absl::Milliseconds(20));
    Send(theirs_, "later");
  });
  const Instant began = Now();
  EXPECT_EQ(ours_.ReadExactly(5).value_or("nothing"), "later");
  EXPECT_GE(Now() - began, absl::ZeroDuration());
}

}  // namespace
}  // namespace redial::conformance
