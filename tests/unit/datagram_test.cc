#include "redial/datagram.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "redial/call.h"
#include "redial/failure.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/unit/scripted_datagram.h"

namespace redial {
namespace {

using testing::DatagramScript;
using testing::ScriptedDatagram;
using testing::VirtualRuntime;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class DatagramTest : public ::testing::Test {
 protected:
  Datagram& socket() {
    if (!socket_) socket_.emplace(std::make_unique<ScriptedDatagram>(script));
    return *socket_;
  }
  void Disconnect() { script.peer = Address(); }
  absl::StatusOr<std::string> Receive(size_t room = 512) {
    std::string bytes(room, '\0');
    const absl::StatusOr<size_t> n = socket().Receive(absl::MakeSpan(bytes.data(), room));
    if (!n.ok()) return n.status();
    bytes.resize(*n);
    return bytes;
  }
  Deadline In(absl::Duration d) { return Deadline::After(runtime.Now(), d); }

  VirtualRuntime runtime;
  DatagramScript script;

 private:
  std::optional<Datagram> socket_;
};

TEST_F(DatagramTest, EachSendIsOneDatagramAndOneTry) {
  ASSERT_TRUE(socket().Send("page.views:1|c").ok());
  ASSERT_TRUE(socket().Send("x").ok());
  EXPECT_EQ(script.output, (std::vector<std::pair<Address, std::string>>{
                               {script.peer, "page.views:1|c"}, {script.peer, "x"}}));
  EXPECT_EQ(script.sends, 2);
  EXPECT_EQ(socket().datagrams_sent(), 2u);
  EXPECT_EQ(socket().bytes_sent(), 15u);
}

TEST_F(DatagramTest, ReceiveTakesOneAndLeavesTheNext) {
  script.Arrive("one");
  script.Arrive("two");
  EXPECT_EQ(*Receive(), "one");
  EXPECT_EQ(*Receive(), "two");
  EXPECT_EQ(script.receives, 2);
  EXPECT_EQ(socket().datagrams_received(), 2u);
  EXPECT_EQ(socket().bytes_received(), 6u);
}

TEST_F(DatagramTest, ADatagramWithoutBytesIsOne) {
  ASSERT_TRUE(socket().Send("").ok());
  script.Arrive("");
  EXPECT_EQ(*Receive(), "");
  EXPECT_EQ(script.output.size(), 1u);
  EXPECT_EQ(socket().datagrams_received(), 1u);
  // It was sent, though no byte was.
  ASSERT_TRUE(socket().set_operation_timeout(absl::ZeroDuration()).ok());
  socket().Handshaken();
  ASSERT_TRUE(socket().Send("").ok());
  EXPECT_EQ(FailureOf(Receive().status())->sent, Sent::kMaybe);
}

TEST_F(DatagramTest, ReceiveFromNamesTheSender) {
  Disconnect();
  const Address sender = Address::Ipv4({127, 0, 0, 2}, 999);
  script.input.emplace_back(sender, "hello");
  char buffer[16];
  const auto received = socket().ReceiveFrom(absl::MakeSpan(buffer));
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->size, 5u);
  EXPECT_EQ(received->from, sender);
  ASSERT_TRUE(socket().SendTo("to you", sender).ok());
  EXPECT_EQ(script.output.back().first, sender);
}

TEST_F(DatagramTest, OneThatIsCutSaysSoAndKeepsItsBeginning) {
  script.Arrive("hello");
  std::string bytes(3, '\0');
  const absl::Status status = socket().Receive(absl::MakeSpan(bytes.data(), 3)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status),
            "read from 127.0.0.1:8125: a datagram of 5 bytes was cut to the buffer's 3 (EMSGSIZE)");
  EXPECT_EQ(FailureOf(status)->error, EMSGSIZE);
  EXPECT_EQ(FailureOf(status)->bytes_received, 3u);
  EXPECT_EQ(bytes, "hel");
  ASSERT_TRUE(socket().set_operation_timeout(absl::ZeroDuration()).ok());
  EXPECT_EQ(FailureOf(Receive().status())->error, EAGAIN) << "the rest is lost";
}

TEST_F(DatagramTest, OneThatIsTooLongSaysHowLong) {
  script.room = 0;
  script.output_error = EMSGSIZE;
  const absl::Status status = socket().Send(std::string(70000, 'x'));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status),
            "write to 127.0.0.1:8125: a datagram of 70000 bytes is too long (EMSGSIZE)");
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_EQ(socket().datagrams_sent(), 0u);
}

TEST_F(DatagramTest, AReceiveTimesOutExactlyThen) {
  ASSERT_TRUE(socket().set_operation_timeout(absl::Milliseconds(500)).ok());
  ASSERT_TRUE(socket().Send("query").ok());
  const absl::Status status = Receive().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:8125 timed out after 500 ms");
  EXPECT_EQ(runtime.elapsed(), absl::Milliseconds(500));
  const Failure failure = *FailureOf(status);
  EXPECT_EQ(failure.phase, Phase::kRead);
  EXPECT_EQ(failure.sent, Sent::kMaybe);
  EXPECT_EQ(failure.bytes_sent, 5u);
  EXPECT_EQ(failure.address, "127.0.0.1:8125");
}

TEST_F(DatagramTest, ASocketWithoutAPeerNamesItself) {
  Disconnect();
  ASSERT_TRUE(socket().set_operation_timeout(absl::Milliseconds(500)).ok());
  EXPECT_EQ(Message(Receive().status()), "read timed out after 500 ms, on 127.0.0.1:50000");
  socket().set_deadline(Deadline::Past());
  EXPECT_EQ(Message(Receive().status()),
            "read not begun: the deadline had passed, on 127.0.0.1:50000");
}

TEST_F(DatagramTest, AnExpiredDeadlineTouchesNothing) {
  script.Arrive("ready");
  socket().set_deadline(Deadline::Past());
  EXPECT_EQ(Message(Receive().status()),
            "read from 127.0.0.1:8125 not begun: the deadline had passed");
  EXPECT_EQ(Message(socket().Send("x")),
            "write to 127.0.0.1:8125 not begun: the deadline had passed");
  EXPECT_EQ(script.receives + script.sends, 0);
  // The way to take what is there all the same.
  char buffer[16];
  EXPECT_EQ(socket().TryReceive(absl::MakeSpan(buffer))->size, 5u);
}

TEST_F(DatagramTest, AZeroTimeoutNeverWaitsAndIsNoTimeout) {
  ASSERT_TRUE(socket().set_operation_timeout(absl::ZeroDuration()).ok());
  const absl::Status status = Receive().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:8125: nothing to read (EAGAIN)");
  char buffer[1];
  EXPECT_EQ(socket().TryReceive(absl::MakeSpan(buffer)).status(), status);
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
}

TEST_F(DatagramTest, ASendWaitsForRoom) {
  script.room = 0;
  runtime.After(absl::Seconds(1), [&] {
    script.room = 1;
    script.writable.Set();
  });
  EXPECT_TRUE(socket().Send("x").ok());
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(1));
  ASSERT_TRUE(socket().set_operation_timeout(absl::Seconds(2)).ok());
  const absl::Status status = socket().Send("y");
  EXPECT_EQ(Message(status), "write to 127.0.0.1:8125 timed out after 2 s");
}

TEST_F(DatagramTest, AStopEndsAWait) {
  std::stop_source stop;
  socket().set_stop_token(stop.get_token());
  runtime.After(absl::Seconds(3), [&] { stop.request_stop(); });
  const absl::Status status = Receive().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:8125 stopped after 3 s");
}

TEST_F(DatagramTest, ARefusalIsToldOnceByWhicheverComesNext) {
  ASSERT_TRUE(socket().Send("query").ok());
  script.input_error = ECONNREFUSED;
  const absl::Status read = Receive().status();
  EXPECT_EQ(read.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(read), "read from 127.0.0.1:8125: connection refused (ECONNREFUSED)");
  EXPECT_EQ(FailureOf(read)->sent, Sent::kMaybe) << "another copy may have been delivered";
  script.Arrive("and on it goes");
  EXPECT_EQ(*Receive(), "and on it goes");

  script.room = 0;
  script.output_error = ECONNREFUSED;
  EXPECT_EQ(Message(socket().Send("again")),
            "write to 127.0.0.1:8125: connection refused (ECONNREFUSED), told of an earlier "
            "datagram");
}

TEST_F(DatagramTest, WhatIsKnownOfWhatWasSent) {
  ASSERT_TRUE(socket().set_operation_timeout(absl::ZeroDuration()).ok());
  const auto sent = [&] { return FailureOf(Receive().status())->sent; };
  EXPECT_EQ(sent(), Sent::kNo);
  ASSERT_TRUE(socket().Send("login").ok());
  EXPECT_EQ(sent(), Sent::kMaybe);
  script.Arrive("welcome");
  ASSERT_TRUE(Receive().ok());
  EXPECT_EQ(sent(), Sent::kAnswered);
  socket().Handshaken();
  EXPECT_EQ(sent(), Sent::kNo);
  EXPECT_EQ(socket().datagrams_sent() + socket().datagrams_received(), 0u);
  EXPECT_EQ(socket().bytes_sent() + socket().bytes_received(), 0u);
}

TEST_F(DatagramTest, SendAndSendToKnowTheirPlaces) {
  const Address other = Address::Ipv4({10, 0, 0, 1}, 53);
  const absl::Status to_other = socket().SendTo("x", other);
  EXPECT_EQ(to_other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(to_other),
            "write to 10.0.0.1:53: the socket is connected to 127.0.0.1:8125, and hears nobody "
            "else; use Send (EISCONN)");
  EXPECT_EQ(script.sends, 0);
}

TEST_F(DatagramTest, WithoutAPeerSendSaysWhatToUse) {
  Disconnect();
  const absl::Status status = socket().Send("x");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(status), "write: the socket is not connected; use SendTo (EDESTADDRREQ)");
  EXPECT_EQ(Message(socket().SendTo("x", Address())),
            "SendTo: \"\" is no address that can be sent to");
  EXPECT_EQ(Message(socket().SendTo("x", Address::Ipv4({127, 0, 0, 1}, 0))),
            "SendTo: \"127.0.0.1:0\" is no address that can be sent to");
  EXPECT_EQ(script.sends, 0);
}

TEST_F(DatagramTest, NothingWorksOnceClosed) {
  script.Arrive("x");
  socket().Close();
  const absl::Status status = Receive().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(status), "read from 127.0.0.1:8125: the socket is closed");
  EXPECT_EQ(Message(socket().Send("x")), "write to 127.0.0.1:8125: the socket is closed");
  char buffer[1];
  EXPECT_EQ(Message(socket().TryReceive(absl::MakeSpan(buffer)).status()),
            "read from 127.0.0.1:8125: the socket is closed");
}

TEST_F(DatagramTest, CloseEndsAWait) {
  runtime.After(absl::Seconds(1), [&] { socket().Close(); });
  EXPECT_EQ(Message(Receive().status()), "read from 127.0.0.1:8125: the socket is closed");
}

TEST_F(DatagramTest, LimitsMoveUnderAWait) {
  socket().set_deadline(In(absl::Seconds(10)));
  runtime.After(absl::Seconds(1), [&] { socket().set_deadline(In(absl::Seconds(1))); });
  EXPECT_EQ(Message(Receive().status()), "read from 127.0.0.1:8125 timed out after 2 s");
  socket().set_deadline(Deadline::Never());
  runtime.After(absl::Seconds(1), [&] {
    ASSERT_TRUE(socket().set_operation_timeout(absl::Milliseconds(1500)).ok());
  });
  EXPECT_EQ(Message(Receive().status()), "read from 127.0.0.1:8125 timed out after 1.5 s");
  EXPECT_GT(script.pokes, 0);
  EXPECT_EQ(socket().set_operation_timeout(-absl::Seconds(1)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(socket().operation_timeout(), absl::Milliseconds(1500));
}

// Law 6 for datagrams: a query that may have arrived is repeated only if that does no harm.
TEST_F(DatagramTest, ARetryKnowsWhatMayHaveArrived) {
  ASSERT_TRUE(socket().set_operation_timeout(absl::Seconds(1)).ok());
  const auto policies = PolicySet::Create({Retry({.max_attempts = 3})});
  ASSERT_TRUE(policies.ok()) << policies.status();
  const auto query = [&]() -> absl::Status {
    if (absl::Status sent = socket().Send("query"); !sent.ok()) return sent;
    return Receive().status();
  };
  const absl::Status once = Call({.operation = "query"}, *policies, query);
  EXPECT_EQ(script.output.size(), 1u);
  EXPECT_EQ(FailureOf(once)->why, Reason::kUnsafe) << Story(once);
  script.output.clear();
  EXPECT_FALSE(Call({.operation = "query", .idempotent = true}, *policies, query).ok());
  EXPECT_EQ(script.output.size(), 3u);
}

TEST(DatagramOptions, EachMistakeIsNamed) {
  EXPECT_TRUE(DatagramOptions().Validate().ok());
  EXPECT_TRUE(DatagramConnectOptions().Validate().ok());
  EXPECT_EQ(DatagramOptions({.send_buffer = -1}).Validate().message(),
            "DatagramOptions.send_buffer is -1; it must be at least 0 bytes (0: the kernel's own)");
  const DatagramConnectOptions receive{.socket = {.receive_buffer = -1}};
  EXPECT_EQ(
      receive.Validate().message(),
      "DatagramOptions.receive_buffer is -1; it must be at least 0 bytes (0: the kernel's own)");
  const DatagramConnectOptions tries{.resolver = {.tries = 0}};
  EXPECT_EQ(tries.Validate().message(), "ResolverOptions.tries is 0; it must be from 1 to 100");
}

TEST(DatagramFake, AScriptedNetworkCarriesNone) {
  testing::FakeNetwork net;
  const auto bound = Datagram::Bind(*Address::Parse("127.0.0.1:0"), {}, net);
  EXPECT_EQ(bound.status(),
            absl::UnimplementedError(
                "a FakeNetwork scripts connections, no datagrams; a Simulation carries them"));
  EXPECT_EQ(Datagram::Connect(*Address::Parse("127.0.0.1:1"), Deadline::Never(), {}, {}, net)
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace redial
