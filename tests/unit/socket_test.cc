#include "redial/socket.h"

#include <cerrno>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "redial/failure.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/unit/scripted_stream.h"

namespace redial {
namespace {

using testing::ScriptedStream;
using testing::StreamScript;
using testing::VirtualRuntime;

class SocketTest : public ::testing::Test {
 protected:
  std::string Message(const absl::Status& status) { return std::string(status.message()); }
  absl::StatusOr<std::string> ReadUpTo(size_t size) {
    std::string bytes(size, '\0');
    const absl::StatusOr<size_t> n = socket.Read(absl::MakeSpan(bytes.data(), size));
    if (!n.ok()) return n.status();
    bytes.resize(*n);
    return bytes;
  }
  Deadline In(absl::Duration d) { return Deadline::After(runtime.Now(), d); }

  VirtualRuntime runtime;
  StreamScript script;
  Socket socket{std::make_unique<ScriptedStream>(script)};
};

TEST_F(SocketTest, ReadTakesWhatIsThereInOneTry) {
  script.Arrive("hello");
  EXPECT_EQ(*ReadUpTo(16), "hello");
  EXPECT_EQ(script.reads, 1);
  EXPECT_EQ(socket.bytes_received(), 5u);
}

TEST_F(SocketTest, ReadGivesZeroAtTheEnd) {
  script.End();
  EXPECT_EQ(*ReadUpTo(16), "");
  EXPECT_EQ(*ReadUpTo(16), "");
}

// Go TestZeroByteRead.
TEST_F(SocketTest, ReadIntoNothingGivesZeroAndTouchesNothing) {
  EXPECT_EQ(*socket.Read({}), 0u);
  EXPECT_EQ(script.reads, 0);
}

TEST_F(SocketTest, ReadWaitsForWhatComesLater) {
  runtime.After(absl::Seconds(3), [&] { script.Arrive("late"); });
  EXPECT_EQ(*ReadUpTo(16), "late");
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(3));
  EXPECT_EQ(script.reads, 2);
}

TEST_F(SocketTest, FalseReadinessIsTriedAgain) {
  runtime.After(absl::Seconds(1), [&] { script.readable.Set(); });
  runtime.After(absl::Seconds(2), [&] { script.readable.Set(); });
  runtime.After(absl::Seconds(3), [&] { script.Arrive("x"); });
  EXPECT_EQ(*ReadUpTo(16), "x");
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(3));
}

TEST_F(SocketTest, AReadTimesOutExactlyThen) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::Milliseconds(500)).ok());
  const absl::Status status = ReadUpTo(16).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379 timed out after 500 ms");
  EXPECT_EQ(runtime.elapsed(), absl::Milliseconds(500));
  const Failure failure = *FailureOf(status);
  EXPECT_EQ(failure.phase, Phase::kRead);
  EXPECT_EQ(failure.error, 0);
  EXPECT_EQ(failure.sent, Sent::kNo);
  EXPECT_EQ(failure.elapsed, absl::Milliseconds(500));
  EXPECT_EQ(failure.address, "127.0.0.1:6379");
}

TEST_F(SocketTest, TheTimeoutBoundsEachOperationAnew) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(2)).ok());
  for (int i = 1; i <= 5; ++i) {
    runtime.After(absl::Milliseconds(1500), [&] { script.Arrive("x"); });
    EXPECT_EQ(*ReadUpTo(1), "x");
  }
  EXPECT_EQ(runtime.elapsed(), absl::Milliseconds(7500));
}

// CPython's makefile().read(5) takes as long as the trickle lasts, since each recv has a timeout of
// its own (measured: 1.00 s at 0.3 s); here it is the operation that is bounded.
TEST_F(SocketTest, ATrickleDoesNotStretchTheTimeout) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::Milliseconds(300)).ok());
  for (int i = 1; i <= 5; ++i) {
    runtime.After(absl::Milliseconds(200 * i), [&] { script.Arrive("x"); });
  }
  const absl::Status status = socket.ReadExactly(5).status();
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379 timed out after 300 ms, with 1 of 5 bytes");
  EXPECT_EQ(runtime.elapsed(), absl::Milliseconds(300));
}

TEST_F(SocketTest, TheDeadlineBoundsEverythingTogether) {
  socket.set_deadline(In(absl::Seconds(2)));
  runtime.After(absl::Milliseconds(1500), [&] { script.Arrive("x"); });
  EXPECT_EQ(*ReadUpTo(1), "x");
  const absl::Status status = ReadUpTo(1).status();
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379 timed out after 500 ms");
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(2));
}

// Go TestReadTimeout: even where data is ready.
TEST_F(SocketTest, AnExpiredDeadlineFailsBeforeAnyTry) {
  script.Arrive("ready");
  for (const Deadline deadline : {Deadline::Past(), Deadline(runtime.Now())}) {
    socket.set_deadline(deadline);
    const absl::Status read = ReadUpTo(16).status();
    EXPECT_EQ(read.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(Message(read), "read from 127.0.0.1:6379 not begun: the deadline had passed");
    EXPECT_EQ(socket.ReadExactly(1).status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(socket.ReadUntil("r").status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(Message(socket.Write("x")),
              "write to 127.0.0.1:6379 not begun: the deadline had passed");
  }
  EXPECT_EQ(script.reads, 0);
  EXPECT_EQ(script.writes, 0);
}

TEST_F(SocketTest, TryReadTakesWhatIsThereWhateverTheLimits) {
  socket.set_deadline(Deadline::Past());
  script.Arrive("ready");
  std::string bytes(16, '\0');
  EXPECT_EQ(*socket.TryRead(absl::MakeSpan(bytes.data(), 16)), 5u);
  const absl::Status status = socket.TryRead(absl::MakeSpan(bytes.data(), 16)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379: nothing to read (EAGAIN)");
  EXPECT_EQ(FailureOf(status)->error, EAGAIN);
}

// CPython test_socket NonBlockingTCPTests: zero's error is not a timeout.
TEST_F(SocketTest, AZeroTimeoutNeverWaits) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::ZeroDuration()).ok());
  const absl::Status status = ReadUpTo(16).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379: nothing to read (EAGAIN)");
  EXPECT_EQ(FailureOf(status)->error, EAGAIN);
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
  script.Arrive("ready");
  EXPECT_EQ(*ReadUpTo(16), "ready");
}

TEST_F(SocketTest, AZeroTimeoutTakesAllThatIsThere) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::ZeroDuration()).ok());
  for (const char* chunk : {"ab", "cd", "ef"}) script.Arrive(chunk);
  EXPECT_EQ(*socket.ReadExactly(5), "abcde");
  EXPECT_EQ(Message(socket.ReadExactly(2).status()),
            "read from 127.0.0.1:6379: nothing to read (EAGAIN), after 1 of 2 bytes");
  script.room = 4;
  EXPECT_EQ(Message(socket.Write("0123456789abcdef")),
            "write to 127.0.0.1:6379: no room to write (EAGAIN), after 4 of 16 bytes");
  EXPECT_EQ(socket.last_write_bytes(), 4u);
}

TEST_F(SocketTest, TimeoutsAreChecked) {
  EXPECT_EQ(socket.set_operation_timeout(-absl::Milliseconds(1)),
            absl::InvalidArgumentError("operation_timeout is -1ms; it must be zero (never wait), "
                                       "positive, or infinite (wait without limit)"));
  EXPECT_EQ(socket.operation_timeout(), absl::InfiniteDuration());
  ASSERT_TRUE(socket.set_operation_timeout(absl::Milliseconds(7)).ok());
  EXPECT_EQ(socket.operation_timeout(), absl::Milliseconds(7));
  EXPECT_EQ(socket.deadline(), Deadline::Never());
}

// CPython's buffered reader refuses every read after a timeout (bpo-7322).
TEST_F(SocketTest, NothingIsLostWhenAReadTimesOut) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(1)).ok());
  script.Arrive("+PO");
  EXPECT_EQ(Message(socket.ReadUntil("\r\n").status()),
            "read from 127.0.0.1:6379 timed out after 1 s, with 3 bytes and no delimiter");
  EXPECT_EQ(Message(socket.ReadExactly(7).status()),
            "read from 127.0.0.1:6379 timed out after 1 s, with 3 of 7 bytes");
  script.Arrive("NG\r\n");
  EXPECT_EQ(*socket.ReadUntil("\r\n"), "+PONG\r\n");
}

TEST_F(SocketTest, ReadServesTheBufferFirst) {
  script.Arrive("line\nrest");
  EXPECT_EQ(*socket.ReadUntil("\n"), "line\n");
  EXPECT_EQ(*ReadUpTo(2), "re");
  std::string bytes(16, '\0');
  EXPECT_EQ(*socket.TryRead(absl::MakeSpan(bytes.data(), 16)), 2u);
  EXPECT_EQ(bytes.substr(0, 2), "st");
  EXPECT_EQ(script.reads, 1);
}

TEST_F(SocketTest, ReadUntilFindsADelimiterThatCameInPieces) {
  for (const char* piece : {"a\r", "\rb\r", "\n", "c"}) script.Arrive(piece);
  EXPECT_EQ(*socket.ReadUntil("\r\n"), "a\r\rb\r\n");
  EXPECT_EQ(script.reads, 3);
}

TEST_F(SocketTest, ReadUntilHoldsItsLimitExactly) {
  script.Arrive("12345\n");
  EXPECT_EQ(*socket.ReadUntil("\n", {.max_bytes = 6}), "12345\n");
  script.Arrive("12345\n");
  const absl::Status status = socket.ReadUntil("\n", {.max_bytes = 5}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379: no delimiter within 5 bytes");
  EXPECT_EQ(*socket.ReadUntil("\n"), "12345\n");
}

TEST_F(SocketTest, ReadUntilChecksItsArguments) {
  EXPECT_EQ(socket.ReadUntil("").status(),
            absl::InvalidArgumentError("ReadUntil: the delimiter is empty"));
  EXPECT_EQ(socket.ReadUntil("\r\n", {.max_bytes = 1}).status(),
            absl::InvalidArgumentError(
                "ReadUntil: max_bytes is 1; it must be at least the delimiter's 2"));
}

TEST_F(SocketTest, APeerThatSendsWithoutEndIsHeldToTheLimit) {
  for (int i = 0; i < 1000; ++i) script.Arrive(std::string(4096, 'x'));
  const absl::Status status = socket.ReadUntil("\n", {.max_bytes = 10'000}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_LE(socket.bytes_received(), 3 * 4096u);
}

TEST_F(SocketTest, ReadExactlyTakesWhatItAskedFor) {
  EXPECT_EQ(*socket.ReadExactly(0), "");
  EXPECT_EQ(script.reads, 0);
  script.Arrive(std::string(100'000, 'a'));
  script.Arrive(std::string(100'000, 'b'));
  EXPECT_EQ(*socket.ReadExactly(150'000), std::string(100'000, 'a') + std::string(50'000, 'b'));
  EXPECT_EQ(*socket.ReadExactly(50'000), std::string(50'000, 'b'));
}

TEST_F(SocketTest, ReadExactlyTakesNobodysWordForASize) {
  script.Arrive("tiny");
  script.End();
  const absl::Status status = socket.ReadExactly(size_t{1} << 62).status();
  EXPECT_EQ(Message(status),
            "read from 127.0.0.1:6379: closed by the peer after 4 of 4611686018427387904 bytes");
  EXPECT_LE(script.largest_read, 4096u);
}

// A body that is shorter than it said.
TEST_F(SocketTest, AShortBodyIsNotSuccess) {
  script.Arrive("abc");
  script.End();
  const absl::Status status = socket.ReadExactly(5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379: closed by the peer after 3 of 5 bytes");
  EXPECT_EQ(*socket.ReadExactly(3), "abc");
  EXPECT_EQ(Message(socket.ReadUntil("\n").status()),
            "read from 127.0.0.1:6379: closed by the peer after 0 bytes and no delimiter");
}

TEST_F(SocketTest, AResetIsNotTheEnd) {
  script.Arrive("abc");
  script.End(ECONNRESET);
  const absl::Status status = socket.ReadExactly(5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status),
            "read from 127.0.0.1:6379: connection reset by peer (ECONNRESET), after 3 of 5 bytes");
  EXPECT_EQ(FailureOf(status)->error, ECONNRESET);
  EXPECT_EQ(*socket.ReadExactly(3), "abc");
  EXPECT_EQ(FailureOf(ReadUpTo(1).status())->error, ECONNRESET);
}

TEST_F(SocketTest, WriteSendsAllOfIt) {
  script.room = 6;
  runtime.After(absl::Seconds(1), [&] { script.MakeRoom(4); });
  runtime.After(absl::Seconds(2), [&] { script.MakeRoom(100); });
  EXPECT_TRUE(socket.Write("0123456789abcdef").ok());
  EXPECT_EQ(script.output, "0123456789abcdef");
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(2));
  EXPECT_EQ(socket.bytes_sent(), 16u);
  EXPECT_EQ(socket.last_write_bytes(), 16u);
  EXPECT_TRUE(socket.Write("").ok());
}

// userver's "write that times out reports 4 of 16 bytes".
TEST_F(SocketTest, AWriteThatTimesOutSaysHowMuchWentOut) {
  ASSERT_TRUE(socket.set_operation_timeout(absl::Milliseconds(10)).ok());
  script.room = 4;
  const absl::Status status = socket.Write("0123456789abcdef");
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Message(status), "write to 127.0.0.1:6379 timed out after 10 ms, with 4 of 16 bytes");
  EXPECT_EQ(socket.last_write_bytes(), 4u);
  EXPECT_EQ(FailureOf(status)->bytes_sent, 4u);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
}

TEST_F(SocketTest, APeerThatNeverPausesIsBoundedToo) {
  socket.set_deadline(In(absl::Seconds(1)));
  for (int i = 0; i < 100; ++i) script.Arrive("x");
  script.readable.Consume();
  runtime.Advance(absl::Seconds(2));
  EXPECT_EQ(socket.ReadExactly(100).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SocketTest, SentTellsWhatThePeerMayHaveDone) {
  script.End(ECONNRESET);
  EXPECT_EQ(FailureOf(ReadUpTo(1).status())->sent, Sent::kNo);
  ASSERT_TRUE(socket.Write("GET\r\n").ok());
  EXPECT_EQ(FailureOf(ReadUpTo(1).status())->sent, Sent::kMaybe);
  script.Arrive("+");
  EXPECT_EQ(*ReadUpTo(1), "+");
  const Failure failure = *FailureOf(ReadUpTo(1).status());
  EXPECT_EQ(failure.sent, Sent::kAnswered);
  EXPECT_EQ(failure.bytes_sent, 5u);
  EXPECT_EQ(failure.bytes_received, 1u);
}

TEST_F(SocketTest, AfterAHandshakeTheCountsStartAgain) {
  ASSERT_TRUE(socket.Write("AUTH x\r\n").ok());
  script.Arrive("+OK\r\n");
  ASSERT_TRUE(socket.ReadUntil("\r\n").ok());
  socket.Handshaken();
  EXPECT_EQ(socket.bytes_sent(), 0u);
  script.End(ECONNRESET);
  EXPECT_EQ(FailureOf(ReadUpTo(1).status())->sent, Sent::kNo);
}

TEST_F(SocketTest, AFailedWriteLooksForAReplyThatCameBefore) {
  ASSERT_TRUE(socket.Write("GET /\r\n").ok());
  script.Arrive("400 bad\r\n");
  script.End();
  script.room = 0;
  script.output_error = EPIPE;
  const absl::Status status = socket.Write("rest of it");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status),
            "write to 127.0.0.1:6379: closed by the peer (EPIPE), after 0 of 10 bytes");
  EXPECT_EQ(FailureOf(status)->sent, Sent::kAnswered);
  EXPECT_EQ(*socket.ReadUntil("\r\n"), "400 bad\r\n");
  EXPECT_EQ(*ReadUpTo(1), "");
}

TEST_F(SocketTest, AFailedFirstWriteIsProvablyNotSent) {
  script.Arrive("greeting");
  script.room = 0;
  script.output_error = EPIPE;
  EXPECT_EQ(FailureOf(socket.Write("x"))->sent, Sent::kNo);
}

TEST_F(SocketTest, StopEndsAWaitAndComesBeforeATry) {
  std::stop_source stop;
  socket.set_stop_token(stop.get_token());
  runtime.After(absl::Milliseconds(3), [&] { stop.request_stop(); });
  const absl::Status status = ReadUpTo(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379 stopped after 3 ms");
  const int reads = script.reads;
  script.Arrive("x");
  EXPECT_EQ(Message(ReadUpTo(1).status()),
            "read from 127.0.0.1:6379 not begun: stop was requested");
  EXPECT_EQ(Message(socket.Write("x")), "write to 127.0.0.1:6379 not begun: stop was requested");
  EXPECT_EQ(script.reads, reads);
}

TEST_F(SocketTest, CloseEndsAWaitAndEverythingAfter) {
  runtime.After(absl::Milliseconds(3), [&] { socket.Close(); });
  const absl::Status status = ReadUpTo(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:6379: the socket is closed");
  EXPECT_EQ(FailureOf(status)->error, EBADF);
  EXPECT_EQ(Message(socket.Write("x")), "write to 127.0.0.1:6379: the socket is closed");
  EXPECT_EQ(socket.ReadExactly(0).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(socket.TryRead({}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(socket.ShutdownWrite()), "write to 127.0.0.1:6379: the socket is closed");
  socket.Close();
}

TEST_F(SocketTest, CloseAlsoEndsReadsOfTheBuffer) {
  script.Arrive("a\nb");
  ASSERT_TRUE(socket.ReadUntil("\n").ok());
  socket.Close();
  EXPECT_EQ(ReadUpTo(1).status().code(), absl::StatusCode::kFailedPrecondition);
}

// Go TestReadFromTimeoutFluctuation's kin: a deadline moved during a wait takes effect.
TEST_F(SocketTest, LimitsCanBeMovedDuringAWait) {
  socket.set_deadline(In(absl::Seconds(10)));
  runtime.After(absl::Seconds(1), [&] { socket.set_deadline(In(absl::Seconds(1))); });
  EXPECT_EQ(Message(ReadUpTo(1).status()), "read from 127.0.0.1:6379 timed out after 2 s");
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(2));

  socket.set_deadline(In(absl::Seconds(1)));
  runtime.After(absl::Milliseconds(500), [&] { socket.set_deadline(Deadline::Never()); });
  runtime.After(absl::Seconds(5), [&] { script.Arrive("x"); });
  EXPECT_EQ(*ReadUpTo(1), "x");

  runtime.After(absl::Seconds(1),
                [&] { ASSERT_TRUE(socket.set_operation_timeout(absl::Milliseconds(1500)).ok()); });
  EXPECT_EQ(Message(ReadUpTo(1).status()), "read from 127.0.0.1:6379 timed out after 1.5 s");

  ASSERT_TRUE(socket.set_operation_timeout(absl::InfiniteDuration()).ok());
  runtime.After(absl::Seconds(1), [&] { socket.set_deadline(Deadline::Past()); });
  EXPECT_EQ(Message(ReadUpTo(1).status()), "read from 127.0.0.1:6379 timed out after 1 s");
}

TEST_F(SocketTest, NobodyIsPokedWhoDoesNotWait) {
  socket.set_deadline(In(absl::Seconds(1)));
  ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(1)).ok());
  EXPECT_EQ(script.pokes, 0);
}

TEST_F(SocketTest, WithoutASourceItPausesAndTriesAgain) {
  script.gives_source = false;
  runtime.After(absl::Milliseconds(10), [&] { script.Arrive("x"); });
  EXPECT_EQ(*ReadUpTo(1), "x");
  EXPECT_LE(runtime.elapsed(), absl::Milliseconds(11));
}

// The second reader comes while the first one waits.
TEST_F(SocketTest, TwoReadersAtOnceAreAMistake) {
  absl::Status second;
  absl::Status write;
  runtime.After(absl::Milliseconds(1), [&] {
    second = ReadUpTo(1).status();
    EXPECT_EQ(socket.ReadExactly(1).status(), second);
    EXPECT_EQ(socket.ReadUntil("x").status(), second);
    EXPECT_EQ(socket.TryRead({}).status(), second);
    write = socket.Write("x");
    script.Arrive("x");
  });
  EXPECT_EQ(*ReadUpTo(1), "x");
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(second), "read: another thread is reading from this socket");
  EXPECT_EQ(FailureOf(second)->error, EBUSY);
  EXPECT_TRUE(write.ok()) << write;
}

TEST_F(SocketTest, TwoWritersAtOnceAreAMistake) {
  script.room = 0;
  absl::Status second;
  runtime.After(absl::Milliseconds(1), [&] {
    second = socket.Write("y");
    EXPECT_EQ(socket.ShutdownWrite(), second);
    script.MakeRoom(1);
  });
  EXPECT_TRUE(socket.Write("x").ok());
  EXPECT_EQ(Message(second), "write: another thread is writing to this socket");
  EXPECT_EQ(script.output, "x");
}

TEST_F(SocketTest, MovesAndTellsItsAddresses) {
  Socket moved = std::move(socket);
  EXPECT_EQ(moved.peer().ToString(), "127.0.0.1:6379");
  EXPECT_EQ(moved.local().ToString(), "127.0.0.1:50000");
  EXPECT_EQ(moved.fd(), -1);
  EXPECT_TRUE(moved.ShutdownWrite().ok());
  EXPECT_EQ(script.shutdowns, 1);
}

// Without a kernel: a reset at every byte of a reply.
TEST(SocketResets, AtEveryByteOfAReply) {
  const std::string reply = "$5\r\nhello\r\n";
  for (size_t cut = 0; cut < reply.size(); ++cut) {
    SCOPED_TRACE(cut);
    VirtualRuntime runtime;
    StreamScript script;
    Socket socket(std::make_unique<ScriptedStream>(script));
    ASSERT_TRUE(socket.Write("GET x\r\n").ok());
    for (size_t i = 0; i < cut; ++i) script.Arrive(reply.substr(i, 1));
    script.End(ECONNRESET);
    const auto read = [&]() -> absl::Status {
      if (auto header = socket.ReadUntil("\r\n"); !header.ok()) return header.status();
      return socket.ReadExactly(7).status();
    };
    const absl::Status status = read();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    const Failure failure = *FailureOf(status);
    EXPECT_EQ(failure.error, ECONNRESET);
    EXPECT_EQ(failure.bytes_received, cut);
    EXPECT_EQ(failure.sent, cut == 0 ? Sent::kMaybe : Sent::kAnswered);
  }
}

}  // namespace
}  // namespace redial
