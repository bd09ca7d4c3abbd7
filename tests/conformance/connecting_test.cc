// Connecting to one address.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using ::testing::StartsWith;

class Connecting : public Body {
 protected:
  // Connects to what `listener` listens on; the addresses agree, and bytes go both ways.
  static void ExpectConnects(Listener& listener) {
    Socket client = Connect(listener.local());
    Socket server = Accept(listener);
    EXPECT_EQ(client.peer(), listener.local());
    EXPECT_EQ(server.local(), listener.local());
    EXPECT_EQ(server.peer(), client.local());
    ExpectTalks(client, server);
  }
};

// Source: Go net TestTCPServer (tcp4).
CONFORM(Connecting, ToAnIpv4Address) {
  Listener listener = Listen();
  ExpectConnects(listener);
}

// Source: Go net TestTCPServer (tcp6).
CONFORM(Connecting, ToAnIpv6Address) {
  Listener listener = ListenOn("::1");
  ExpectConnects(listener);
}

// Source: Go net TestUnixAndUnixpacketServer (an abstract path).
CONFORM(Connecting, ToAnAbstractPath) {
  absl::StatusOr<Listener> listener = Listener::Listen(FreePath());
  ASSERT_EQ(listener.status(), absl::OkStatus());
  ExpectConnects(*listener);
}

// Source: Go net TestUnixAndUnixpacketServer.
CONFORM(Connecting, ToAPathInTheFileSystem) {
  absl::StatusOr<Listener> listener = Listener::Listen(FreeFile());
  ASSERT_EQ(listener.status(), absl::OkStatus());
  ExpectConnects(*listener);
}

// Source: userver socket_test.cpp ConnectFail; CPython test_socket NetworkConnectionNoServer; Go
// net TestDialClosedPortFailFast.
CONFORM(Connecting, ARefusalIsToldAtOnce) {
  const Address address = *Address::FromLiteral(world().Host(1), world().FreePort());
  const Instant began = Now();
  const absl::Status status = Dial(TargetOf(address), Guard()).status();
  ExpectAtOnce(began);
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              StartsWith("connect to " + address.ToString() +
                         " failed: connection refused (ECONNREFUSED) after "));
  const Failure failure = *FailureOf(status);
  EXPECT_EQ(failure.phase, Phase::kConnect);
  EXPECT_EQ(failure.error, ECONNREFUSED);
  EXPECT_EQ(failure.sent, Sent::kNo);
  ASSERT_EQ(failure.tried.size(), 1U);
  EXPECT_EQ(failure.tried[0].address, address.ToString());
}

// Source: turmoil tcp.rs drop_listener; Go net TestListenerClose.
CONFORM(Connecting, AListenerThatHasClosedRefuses) {
  Listener listener = Listen();
  const Address address = listener.local();
  listener.Close();
  EXPECT_EQ(ErrnoOf(Dial(TargetOf(address), Guard()).status()), ECONNREFUSED);
}

// Source: unix(7): ENOENT.
CONFORM(Connecting, APathWithoutASocketIsUnavailable) {
  const Address path = FreeFile();
  const absl::Status status = Dial(TargetOf(path), Guard()).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_THAT(
      std::string(status.message()),
      StartsWith("connect to " + path.ToString() + " failed: no such file or directory (ENOENT)"));
  EXPECT_EQ(FailureOf(status)->phase, Phase::kConnect);
}

// Source: Go net TestDialTimeout.
CONFORM(Connecting, ABlackHoleIsLeftAtTheDeadline) {
  const auto hole = world().MakeBlackHole(Address::Family::kIpv4, 0);
  for (const int ms : {1, 5, 20, 60}) {
    const Instant began = Now();
    const absl::Status status =
        Dial(TargetOf(hole->address()), In(absl::Milliseconds(ms))).status();
    ExpectTook(began, absl::Milliseconds(ms));
    EXPECT_EQ(status.code(), kDeadlineExceeded);
    EXPECT_EQ(ErrnoOf(status), ETIMEDOUT);
  }
}

// Source: turmoil tcp.rs network_partitions_during_connect; RFC 6298, section 5 (SYN is resent).
CONFORM(Connecting, ABlackHoleThatOpensIsReached) {
  const auto hole = world().MakeBlackHole(Address::Family::kIpv4, 0);
  Task opener = Go([&] {
    Sleep(absl::Milliseconds(100));
    hole->Open();
  });
  const absl::StatusOr<Socket> socket = Dial(TargetOf(hole->address()), Guard());
  EXPECT_EQ(socket.status(), absl::OkStatus());
}

// Source: Go net TestDialTimeout (a negative timeout); CPython create_connection.
CONFORM(Connecting, APastDeadlineStartsNothing) {
  Listener listener = Listen();
  const absl::Status status = Dial(TargetOf(listener.local()), Deadline::Past()).status();
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(status.message(),
            "connect to " + listener.local().ToString() + " not begun: the deadline had passed");
  EXPECT_EQ(listener.Accept(In(kMoment)).status().code(), kDeadlineExceeded);
}

// Source: Go net TestDialTimeoutMaxDuration.
CONFORM(Connecting, TheLargestTimeoutConnects) {
  Listener listener = Listen();
  for (const absl::Duration timeout : {absl::Nanoseconds(INT64_MAX), absl::InfiniteDuration()}) {
    EXPECT_EQ(Dial(TargetOf(listener.local()), In(timeout)).status(), absl::OkStatus());
  }
}

// Source: include/redial/dial.h: the socket keeps deadline and stop.
CONFORM(Connecting, TheSocketKeepsDeadlineAndStop) {
  Listener listener = Listen();
  const Deadline deadline = Guard();
  std::stop_source stop;
  auto socket = Dial(TargetOf(listener.local()), deadline, stop.get_token());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->deadline(), deadline);
  stop.request_stop();
  EXPECT_EQ(ReadByte(*socket).status().code(), kCancelled);
}

// Source: include/redial/dial.h, DialOptions::Validate.
CONFORM(Connecting, WrongOptionsAreRefusedBeforeAnything) {
  DialOptions options = Options();
  options.attempt_delay = absl::Milliseconds(1);
  EXPECT_EQ(
      Dial(TargetOf("cache.test", 80), Guard(), {}, options).status(),
      absl::InvalidArgumentError("DialOptions.attempt_delay is 1ms; it must be from 10ms to 2s"));
  EXPECT_TRUE(world().names().queries().empty());
}

// Source: include/redial/network.h, SocketOptions::Validate.
CONFORM(Connecting, WrongSocketOptionsAreRefused) {
  Listener listener = Listen();
  EXPECT_EQ(
      CurrentNetwork().StartConnect(listener.local(), {.keepalive_probes = 0}).status(),
      absl::InvalidArgumentError("SocketOptions.keepalive_probes is 0; it must be from 1 to 127"));
  EXPECT_EQ(CurrentNetwork().StartConnect(Address(), {}).status(),
            absl::InvalidArgumentError("connect: no address was given"));
}

// Source: Go net TestDialTimeoutFDLeak, TestDialerDualStackFDLeak.
CONFORM(Connecting, TenDialsLeaveNothingOpen) {
  Listener listener = Listen();
  const Address nobody = *Address::FromLiteral(world().Host(1), world().FreePort());
  const auto hole = world().MakeBlackHole(Address::Family::kIpv4, 0);
  const size_t before = world().CountOpen();
  for (int round = 0; round < 10; ++round) {
    {
      Socket client = Connect(listener.local());
      Socket server = Accept(listener);
    }
    EXPECT_EQ(Dial(TargetOf(nobody), Guard()).status().code(), kUnavailable);
    EXPECT_EQ(Dial(TargetOf(hole->address()), In(absl::Milliseconds(1))).status().code(),
              kDeadlineExceeded);
  }
  EXPECT_EQ(world().CountOpen(), before);
}

// Source: turmoil tcp.rs send_upon_accept; RFC 9293, section 3.10.4 (data before the user accepts).
CONFORM(Connecting, StandsBeforeItIsAccepted) {
  Listener listener = Listen();
  Socket client = Connect(listener.local());
  ASSERT_EQ(client.Write("early\n"), absl::OkStatus());
  Sleep(kMoment);
  Socket server = Accept(listener);
  server.set_deadline(Guard());
  EXPECT_EQ(server.ReadUntil("\n").value_or("nothing"), "early\n");
}

// Source: RFC 9293, section 3.3.1: two connections differ in at least one of four.
CONFORM(Connecting, EveryConnectionHasAPortOfItsOwn) {
  Listener listener = Listen();
  Socket first = Connect(listener.local());
  Socket second = Connect(listener.local());
  EXPECT_NE(first.local(), second.local());
  Socket first_server = Accept(listener);
  Socket second_server = Accept(listener);
  EXPECT_NE(first_server.peer(), second_server.peer());
}

// Source: turmoil tcp.rs server_concurrency.
CONFORM(Connecting, ManyAtOnce) {
  constexpr int kMany = 50;
  Listener listener = Listen();
  std::atomic<int> talked{0};
  std::vector<Task> tasks;
  for (int i = 0; i < kMany; ++i) {
    tasks.push_back(Go([&] {
      Socket socket = Connect(listener.local());
      ASSERT_EQ(socket.Write("x"), absl::OkStatus());
      socket.set_deadline(Guard());
      EXPECT_EQ(socket.ReadExactly(1).value_or("nothing"), "y");
      ++talked;
    }));
  }
  for (int i = 0; i < kMany; ++i) {
    Socket server = Accept(listener);
    server.set_deadline(Guard());
    EXPECT_EQ(server.ReadExactly(1).value_or("nothing"), "x");
    EXPECT_EQ(server.Write("y"), absl::OkStatus());
    EXPECT_EQ(ReadByte(server).value_or(99), 0U);
  }
  for (Task& task : tasks) task.Join();
  EXPECT_EQ(talked, kMany);
}

}  // namespace
}  // namespace redial::conformance
