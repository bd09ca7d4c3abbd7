#include "redial/socket.h"

#include <cerrno>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "redial/failure.h"
#include "tests/unit/scripted_stream.h"
#include "tests/unit/socket_fixture.h"

namespace redial {
namespace {

using testing::ScriptedStream;
using testing::StreamScript;
using testing::VirtualRuntime;

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
