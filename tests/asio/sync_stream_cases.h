// A socket as a library's synchronous stream: what is expected of either. The libraries' versions on
// Debian 12 can't share a program, so each has its own, which defines `Library` first.
#ifndef REDIAL_TESTS_ASIO_SYNC_STREAM_CASES_H_
#define REDIAL_TESTS_ASIO_SYNC_STREAM_CASES_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "redial/failure.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/unit/scripted_stream.h"

namespace redial {
namespace {

using testing::ScriptedStream;
using testing::StreamScript;

class SyncStreamTest : public ::testing::Test {
 protected:
  size_t Read(size_t size = 16) {
    return stream_.read_some(Library::Room(space_.data(), size), error_);
  }
  size_t Write(std::string_view text) { return stream_.write_some(Library::Bytes(text), error_); }
  std::string Message() const { return std::string(stream_.last_status().message()); }

  testing::VirtualRuntime runtime_;
  ScopedRuntime scope_{runtime_};
  StreamScript script_;
  Socket socket_{std::make_unique<ScriptedStream>(script_)};
  Library::Stream stream_{socket_};
  // An operation clears what an earlier one left.
  Library::Code error_ = Library::Errors::access_denied;
  std::array<char, 64> space_{};
};

TEST_F(SyncStreamTest, ReadsWhatIsThere) {
  script_.Arrive("pong");
  EXPECT_EQ(Read(), 4u);
  EXPECT_FALSE(error_);
  EXPECT_EQ(std::string_view(space_.data(), 4), "pong");
  EXPECT_TRUE(stream_.last_status().ok());
}

TEST_F(SyncStreamTest, ReadsIntoTheFirstBufferWithRoom) {
  script_.Arrive("pong");
  std::array<decltype(Library::Room(nullptr, 0)), 3> buffers = {Library::Room(space_.data(), 0),
                                                                Library::Room(space_.data() + 8, 2),
                                                                Library::Room(space_.data(), 8)};
  EXPECT_EQ(stream_.read_some(buffers, error_), 2u);
  EXPECT_EQ(std::string_view(space_.data() + 8, 2), "po");
}

TEST_F(SyncStreamTest, SaysEofInTheLibrarysOwnTerms) {
  script_.End();
  EXPECT_EQ(Read(), 0u);
  EXPECT_EQ(error_, Library::Eof());
  EXPECT_EQ(stream_.last_status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(), "read from 127.0.0.1:6379: closed by the peer");
  const auto failure = FailureOf(stream_.last_status());
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->phase, Phase::kRead);
  EXPECT_EQ(failure->sent, Sent::kNo);
}

TEST_F(SyncStreamTest, KnowsAtTheEndWhetherThePeerMayHaveActed) {
  EXPECT_EQ(Write("ping"), 4u);
  script_.End();
  Read();
  EXPECT_EQ(FailureOf(stream_.last_status())->sent, Sent::kMaybe);
  script_.Arrive("pong");
  Read();
  Read();
  const auto failure = FailureOf(stream_.last_status());
  EXPECT_EQ(failure->sent, Sent::kAnswered);
  EXPECT_EQ(failure->bytes_sent, 4u);
  EXPECT_EQ(failure->bytes_received, 4u);
}

TEST_F(SyncStreamTest, NothingToDoIsNoError) {
  script_.End(ECONNRESET);
  EXPECT_EQ(Read(0), 0u);
  EXPECT_FALSE(error_);
  EXPECT_EQ(Write(""), 0u);
  EXPECT_FALSE(error_);
  EXPECT_EQ(script_.reads + script_.writes, 0);
}

TEST_F(SyncStreamTest, TimesOutOperationAfterOperation) {
  ASSERT_TRUE(socket_.set_operation_timeout(absl::Seconds(1)).ok());
  EXPECT_EQ(Read(), 0u);
  EXPECT_EQ(error_, Library::Errors::timed_out);
  EXPECT_EQ(stream_.last_status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Message(), "read from 127.0.0.1:6379 timed out after 1 s");
  script_.Arrive("late");
  EXPECT_EQ(Read(), 4u);
  EXPECT_FALSE(error_);
}

TEST_F(SyncStreamTest, HeedsADeadlineBeforeAnySystemCall) {
  script_.Arrive("there");
  socket_.set_deadline(Deadline::Past());
  EXPECT_EQ(Read(), 0u);
  EXPECT_EQ(error_, Library::Errors::timed_out);
  EXPECT_EQ(Write("ping"), 0u);
  EXPECT_EQ(error_, Library::Errors::timed_out);
  EXPECT_EQ(script_.reads + script_.writes, 0);
}

TEST_F(SyncStreamTest, SaysHowMuchATimedOutWritePutOut) {
  script_.room = 3;
  ASSERT_TRUE(socket_.set_operation_timeout(absl::Seconds(1)).ok());
  EXPECT_EQ(Write("hello"), 3u);
  EXPECT_EQ(error_, Library::Errors::timed_out);
  EXPECT_EQ(Message(), "write to 127.0.0.1:6379 timed out after 1 s, with 3 of 5 bytes");
}

TEST_F(SyncStreamTest, SaysThatItWasStopped) {
  std::stop_source stop;
  socket_.set_stop_token(stop.get_token());
  stop.request_stop();
  Read();
  EXPECT_EQ(error_, Library::Errors::operation_aborted);
  EXPECT_EQ(stream_.last_status().code(), absl::StatusCode::kCancelled);
}

TEST_F(SyncStreamTest, PassesAnErrnoOn) {
  script_.End(ECONNRESET);
  Read();
  EXPECT_EQ(error_, Library::Errors::connection_reset);
  script_.room = 0;
  script_.output_error = EPIPE;
  EXPECT_EQ(Write("ping"), 0u);
  EXPECT_EQ(error_, Library::Errors::broken_pipe);
  socket_.Close();
  Read();
  EXPECT_EQ(error_, Library::Errors::bad_descriptor);
}

TEST_F(SyncStreamTest, AZeroTimeoutWouldBlock) {
  ASSERT_TRUE(socket_.set_operation_timeout(absl::ZeroDuration()).ok());
  Read();
  EXPECT_EQ(error_, Library::Errors::would_block);
  EXPECT_EQ(stream_.last_status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SyncStreamTest, AnOperationForgetsTheLastOnesError) {
  script_.End(ECONNRESET);
  Read();
  ASSERT_FALSE(stream_.last_status().ok());
  EXPECT_EQ(Write("ping"), 4u);
  EXPECT_FALSE(error_);
  EXPECT_TRUE(stream_.last_status().ok());
}

TEST_F(SyncStreamTest, WritesSmallBuffersTogether) {
  const std::vector buffers = {Library::Bytes(""), Library::Bytes("GET / HTTP/1.1\r\n"),
                               Library::Bytes(""), Library::Bytes("Host: localhost\r\n"),
                               Library::Bytes("\r\n")};
  EXPECT_EQ(stream_.write_some(buffers, error_), 35u);
  EXPECT_EQ(script_.output, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(script_.writes, 1);
}

TEST_F(SyncStreamTest, FillsAPacketFromALargeBuffer) {
  const std::string body(10000, 'x');
  const std::vector buffers = {Library::Bytes("head"), Library::Bytes("er"), Library::Bytes(body)};
  EXPECT_EQ(stream_.write_some(buffers, error_), 4096u);
  EXPECT_EQ(script_.output, "header" + body.substr(0, 4090));
}

TEST_F(SyncStreamTest, CopiesNoLargeBuffer) {
  const std::string body(10000, 'x');
  const std::vector buffers = {Library::Bytes(body), Library::Bytes("tail")};
  EXPECT_EQ(stream_.write_some(buffers, error_), 10000u);
  EXPECT_EQ(script_.output, body);
}

TEST_F(SyncStreamTest, TellsTheStatusOfAnotherLayersError) {
  EXPECT_TRUE(stream_.StatusOf({}).ok());
  const absl::Status foreign = stream_.StatusOf(Library::Errors::no_memory);
  EXPECT_EQ(foreign.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(std::string(foreign.message()),
              ::testing::EndsWith("system: Cannot allocate memory"));
  script_.End(ECONNRESET);
  Read();
  EXPECT_EQ(stream_.StatusOf(Library::Errors::no_memory), stream_.last_status());
  EXPECT_TRUE(stream_.StatusOf({}).ok());
}

#if defined(__cpp_exceptions)
TEST_F(SyncStreamTest, ThrowsTheLibrarysException) {
  script_.Arrive("pong");
  EXPECT_EQ(stream_.read_some(Library::Room(space_.data(), 16)), 4u);
  EXPECT_EQ(stream_.write_some(Library::Bytes("ping")), 4u);
  script_.End(ECONNRESET);
  script_.room = 0;
  script_.output_error = EPIPE;
  try {
    stream_.read_some(Library::Room(space_.data(), 16));
    ADD_FAILURE() << "nothing thrown";
  } catch (const Library::SystemError& error) {
    EXPECT_EQ(error.code(), Library::Errors::connection_reset);
  }
  EXPECT_THROW(stream_.write_some(Library::Bytes("ping")), Library::SystemError);
}
#endif

}  // namespace
}  // namespace redial

#endif  // REDIAL_TESTS_ASIO_SYNC_STREAM_CASES_H_
