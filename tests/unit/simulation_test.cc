// Hosts that talk to each other in virtual time.
#include "redial/testing/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/client.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/policies/retry.h"
#include "redial/redial.h"
#include "redial/runtime.h"
#include "redial/testing/matchers.h"

namespace redial::testing {
namespace {

using ::testing::HasSubstr;

Listener ListenOn(std::string_view address, const ListenOptions& options = {}) {
  return *Listener::Listen(*Address::Parse(address), options);
}
Deadline In(absl::Duration timeout) { return Deadline::After(Runtime::Current().Now(), timeout); }
void Sleep(absl::Duration time) { Runtime::Current().SleepUntil(In(time), {}); }
absl::StatusOr<Socket> DialTo(const std::string& target, Deadline deadline = Deadline::Never()) {
  return Dial(*Target::Parse(target), deadline);
}
int ErrnoOf(const absl::Status& status) {
  const auto failure = FailureOf(status);
  return failure ? failure->error : 0;
}

class SimulationTest : public ::testing::Test {
 protected:
  Simulation sim_{1};
  SimulatedHost& server_ = sim_.AddHost("server");
  SimulatedHost& client_ = sim_.AddHost("client");
};

void EchoLines() {
  Listener listener = ListenOn("0.0.0.0:7");
  for (;;) {
    auto peer = listener.Accept();
    if (!peer.ok()) return;
    for (;;) {
      const auto line = peer->ReadUntil("\n");
      if (!line.ok() || !peer->Write(*line).ok()) break;
    }
  }
}

TEST_F(SimulationTest, ALineGoesThereAndBack) {
  server_.Serve("echo", EchoLines);
  client_.Run("ask", [] {
    auto socket = DialTo("tcp://server:7");
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_TRUE(socket->Write("hello\n").ok());
    EXPECT_THAT(socket->ReadUntil("\n"), IsOkAndHolds("hello\n"));
  });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
  EXPECT_EQ(sim_.Trace(),
            "0.001s client:32768 > server:7 SYN\n"
            "0.002s server:7 > client:32768 SYN-ACK\n"
            "0.003s client:32768 > server:7 ACK\n"
            "0.003s client:32768 > server:7 data 6\n"
            "0.004s server:7 > client:32768 data 6\n"
            "0.005s client:32768 > server:7 FIN\n");
  EXPECT_EQ(sim_.elapsed(), absl::Milliseconds(5));
}

TEST_F(SimulationTest, NobodyListensIsRefusedAfterARoundTrip) {
  client_.Run("ask", [] {
    const absl::Status status = DialTo("tcp://server:7").status();
    EXPECT_EQ(ErrnoOf(status), ECONNREFUSED) << status;
  });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
  EXPECT_EQ(sim_.Trace(),
            "0.001s client:32768 > server:7 SYN\n"
            "0.002s server:7 > client:32768 RST\n");
}

TEST_F(SimulationTest, LoopbackIsTheHostsOwn) {
  client_.Run("both", [] {
    Listener listener = ListenOn("127.0.0.1:0");
    EXPECT_GE(listener.local().port(), 32768);
    auto near = DialTo(absl::StrCat("tcp://", listener.local().ToString()));
    ASSERT_TRUE(near.ok()) << near.status();
    auto far = listener.Accept();
    ASSERT_TRUE(far.ok()) << far.status();
    EXPECT_EQ(far->peer(), near->local());
    ASSERT_TRUE(far->Write("x").ok());
    EXPECT_THAT(near->ReadExactly(1), IsOkAndHolds("x"));
  });
  server_.Run("other",
              [] { EXPECT_EQ(ErrnoOf(DialTo("tcp://127.0.0.1:32768").status()), ECONNREFUSED); });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
}

TEST_F(SimulationTest, UnixSocketsWorkWithinAHost) {
  server_.Run("both", [] {
    EXPECT_EQ(ErrnoOf(DialTo("unix:///run/app.sock").status()), ENOENT);
    {
      Listener listener = ListenOn("/run/app.sock", {.backlog = 0});
      auto near = DialTo("unix:///run/app.sock");
      ASSERT_TRUE(near.ok()) << near.status();
      const absl::Status full = DialTo("unix:///run/app.sock", In(absl::Seconds(1))).status();
      EXPECT_EQ(full.code(), absl::StatusCode::kDeadlineExceeded) << full;
      auto far = listener.Accept();
      ASSERT_TRUE(near->Write("hi").ok());
      EXPECT_THAT(far->ReadExactly(2), IsOkAndHolds("hi"));
      ASSERT_TRUE(far->Write("bye").ok());
      far->Close();
      EXPECT_EQ(ErrnoOf(near->Write("x")), EPIPE);
      EXPECT_THAT(near->ReadExactly(3), IsOkAndHolds("bye"));
      char byte;
      EXPECT_THAT(near->Read({&byte, 1}), IsOkAndHolds(0u));
    }
    EXPECT_EQ(ErrnoOf(DialTo("unix:///run/app.sock").status()), ENOENT);
  });
  client_.Run("other", [] { EXPECT_EQ(ErrnoOf(DialTo("unix://@app").status()), ECONNREFUSED); });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
}

TEST_F(SimulationTest, AWriterWaitsForAReaderWhoDoesNotRead) {
  server_.Serve("slow", [] {
    Listener listener = ListenOn("0.0.0.0:7", {.socket = {.receive_buffer = 4096}});
    auto peer = listener.Accept();
    Sleep(absl::Seconds(3));
    while (peer->ReadExactly(1000).ok()) continue;
  });
  client_.Run("push", [] {
    DialOptions options;
    options.socket.send_buffer = 4096;
    auto socket = Dial(*Target::Parse("tcp://server:7"), Deadline::Never(), {}, options);
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_TRUE(socket->set_operation_timeout(absl::Seconds(1)).ok());
    const std::string text(20'000, 'x');
    const absl::Status status = socket->Write(text);
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_EQ(socket->last_write_bytes(), 8192u);
    ASSERT_TRUE(socket->set_operation_timeout(absl::Seconds(9)).ok());
    EXPECT_EQ(socket->Write(text), absl::OkStatus());
    EXPECT_GE(Runtime::Current().Now() - Instant::VirtualOrigin(), absl::Seconds(3));
  });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
}

TEST_F(SimulationTest, ADeadlockNamesWhatEachFiberWaitsFor) {
  server_.Serve("quiet", [] {
    Listener listener = ListenOn("0.0.0.0:7");
    auto peer = listener.Accept();
    auto other = listener.Accept();
  });
  client_.Run("ask", [] {
    auto socket = DialTo("tcp://server:7");
    Event never;
    auto task = Runtime::Current().Spawn(
        [&never] { Runtime::Current().Wait(never, Deadline::Never(), {}); });
    char byte;
    // As the simulation ends.
    EXPECT_EQ(socket->Read({&byte, 1}).status().code(), absl::StatusCode::kCancelled);
  });
  EXPECT_EQ(sim_.Run(), absl::FailedPreconditionError(
                            "deadlock at 0.004s: nothing will happen any more\n"
                            "  server/quiet waits to accept on 0.0.0.0:7 since 0.004s (serves)\n"
                            "  client/ask waits to read from 198.18.0.1:7 since 0.003s\n"
                            "  client/ask/1 waits for an event since 0.003s\n"));
}

TEST_F(SimulationTest, ACrashedServerIsSilentAndThenResets) {
  server_.Serve("echo", EchoLines);
  client_.Run("ask", [this] {
    auto socket = DialTo("tcp://server:7");
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_TRUE(socket->Write("one\n").ok());
    EXPECT_THAT(socket->ReadUntil("\n"), IsOkAndHolds("one\n"));
    server_.Crash();
    ASSERT_TRUE(socket->set_operation_timeout(absl::Seconds(5)).ok());
    ASSERT_TRUE(socket->Write("two\n").ok());
    EXPECT_EQ(socket->ReadUntil("\n").status().code(), absl::StatusCode::kDeadlineExceeded);
    const absl::Status dialed = DialTo("tcp://server:7", In(absl::Seconds(3))).status();
    EXPECT_EQ(dialed.code(), absl::StatusCode::kDeadlineExceeded) << dialed;
    server_.Restart();
    // It is sent again, and the new machine knows nothing of it.
    EXPECT_EQ(ErrnoOf(socket->ReadUntil("\n").status()), ECONNRESET);
    socket = DialTo("tcp://server:7");
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_TRUE(socket->Write("three\n").ok());
    EXPECT_THAT(socket->ReadUntil("\n"), IsOkAndHolds("three\n"));
  });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
}

// Else a server would be started again while everything ends.
TEST(SimulationEndTest, WhatWasPlannedForLaterNeverComes) {
  bool came = false;
  {
    Simulation sim(1);
    SimulatedHost& server = sim.AddHost("server");
    server.Serve("echo", EchoLines);
    sim.After(absl::Seconds(1), [&] { server.Crash(); });
    sim.After(absl::Seconds(2), [&] {
      came = true;
      server.Restart();
    });
    sim.AddHost("client").Run("wait", [] { Sleep(absl::Milliseconds(1500)); });
    ASSERT_THAT(sim.Run(), IsOk());
    EXPECT_FALSE(server.up());
  }
  EXPECT_FALSE(came);
}

}  // namespace
}  // namespace redial::testing
