// Listening and accepting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <numeric>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using Listening = Body;
using Accepting = Body;

// Source: bind(2), EADDRINUSE.
CONFORM(Listening, AnAddressInUseIsUnavailable) {
  Listener taken = Listen();
  const absl::Status status = Listener::Listen(taken.local()).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(status.message(),
            "listen on " + taken.local().ToString() + ": address already in use (EADDRINUSE)");
  EXPECT_EQ(FailureOf(status)->phase, Phase::kListen);
}

// Source: bind(2), EADDRINUSE, for a path.
CONFORM(Listening, APathInUseIsUnavailable) {
  const Address path = FreePath();
  absl::StatusOr<Listener> taken = Listener::Listen(path);
  ASSERT_EQ(taken.status(), absl::OkStatus());
  EXPECT_EQ(ErrnoOf(Listener::Listen(path).status()), EADDRINUSE);
}

// Source: bind(2), EADDRNOTAVAIL.
CONFORM(Listening, AnotherMachinesAddressIsAMistake) {
  const absl::Status status = Listener::Listen(Address::Ipv4({192, 0, 2, 1}, 0)).status();
  EXPECT_EQ(status.code(), kInvalidArgument);
  EXPECT_EQ(status.message(),
            "listen on 192.0.2.1:0: not an address of this machine (EADDRNOTAVAIL)");
}

// Source: include/redial/network.h, ListenOptions::Validate.
CONFORM(Listening, WrongOptionsAreRefused) {
  EXPECT_EQ(Listener::Listen(*Address::FromLiteral(world().Host(1), 0), {.backlog = -1}).status(),
            absl::InvalidArgumentError("ListenOptions.backlog is -1; it must be at least 0"));
  EXPECT_EQ(Listener::Listen(Address()).status(),
            absl::InvalidArgumentError("listen: no address was given"));
}

// Source: Go net TestListenCloseListen.
CONFORM(Listening, APortIsFreeAgainAfterClose) {
  Listener first = Listen();
  const Address address = first.local();
  {
    Socket client = Connect(address);
    Socket server = Accept(first);
    server.Close();
    EXPECT_EQ(ReadByte(client).value_or(99), 0U);
  }
  first.Close();
  absl::StatusOr<Listener> second = Listener::Listen(address);
  ASSERT_EQ(second.status(), absl::OkStatus());
  Socket client = Connect(address);
  Socket server = Accept(*second);
  ExpectTalks(client, server);
}

// Source: ip(7): port 0 is a free one.
CONFORM(Listening, PortZeroIsAFreeOne) {
  Listener first = Listen();
  Listener second = Listen();
  EXPECT_NE(first.local().port(), 0);
  EXPECT_NE(first.local(), second.local());
}

// Source: Go net TestUnixUnlink.
CONFORM(Listening, ItsPathGoesWithTheListener) {
  const Address path = FreeFile();
  for (int round = 0; round < 2; ++round) {
    absl::StatusOr<Listener> listener = Listener::Listen(path);
    ASSERT_EQ(listener.status(), absl::OkStatus()) << "the path of the one before is in the way";
    Socket client = Connect(path);
  }
  EXPECT_EQ(ErrnoOf(Dial(TargetOf(path), Guard()).status()), ENOENT);
}

// Source: userver socket_test.cpp ListenConnect (accept with 10 ms); Go net TestAcceptTimeout.
CONFORM(Accepting, ADeadlineIsKeptWhereNobodyComes) {
  Listener listener = Listen();
  for (const int ms : {1, 10, 30}) {
    const Instant began = Now();
    const absl::Status status = listener.Accept(In(absl::Milliseconds(ms))).status();
    ExpectTook(began, absl::Milliseconds(ms));
    EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
    EXPECT_EQ(FailureOf(status)->phase, Phase::kAccept);
  }
}

// Source: Go net TestAcceptTimeout (the first row: a past deadline).
CONFORM(Accepting, AnExpiredDeadlineTakesNoConnectionThatIsQueued) {
  Listener listener = Listen();
  Socket queued = Connect(listener.local());
  const absl::Status status = listener.Accept(Deadline::Past()).status();
  EXPECT_EQ(status.message(),
            "accept on " + listener.local().ToString() + " not begun: the deadline had passed");
  Socket accepted = Accept(listener);
  ExpectTalks(queued, accepted);
}

// Source: CPython test_socket NonBlockingTCPTests.testAccept; test_timeout testAcceptTimeout.
CONFORM(Accepting, AZeroTimeoutNeverWaits) {
  Listener listener = Listen();
  ASSERT_EQ(listener.set_operation_timeout(absl::ZeroDuration()), absl::OkStatus());
  const absl::Status nobody = listener.Accept().status();
  EXPECT_EQ(nobody.code(), kUnavailable) << "it isn't a timeout";
  EXPECT_EQ(nobody.message(),
            "accept on " + listener.local().ToString() + ": nobody to accept (EAGAIN)");
  EXPECT_EQ(ErrnoOf(nobody), EAGAIN);
}

// Source: CPython test_timeout TCPTimeoutTestCase.testAcceptTimeout.
CONFORM(Accepting, ATimeoutBoundsEachAcceptAnew) {
  Listener listener = Listen();
  ASSERT_EQ(listener.set_operation_timeout(absl::Milliseconds(10)), absl::OkStatus());
  for (int round = 0; round < 3; ++round) {
    const Instant began = Now();
    EXPECT_EQ(listener.Accept().status().code(), kDeadlineExceeded);
    ExpectTook(began, absl::Milliseconds(10));
  }
  EXPECT_EQ(listener.set_operation_timeout(-absl::Seconds(1)).code(), kInvalidArgument);
  EXPECT_EQ(listener.operation_timeout(), absl::Milliseconds(10));
}

// Source: CPython test_socket NonBlockingTCPTests.testInheritFlagsTimeout.
CONFORM(Accepting, AcceptedSocketsDontInheritTheListenersTimeout) {
  Listener listener = Listen();
  ASSERT_EQ(listener.set_operation_timeout(absl::Seconds(10)), absl::OkStatus());
  Socket client = Connect(listener.local());
  const absl::StatusOr<Socket> accepted = listener.Accept(Guard());
  ASSERT_EQ(accepted.status(), absl::OkStatus());
  EXPECT_EQ(accepted->operation_timeout(), absl::InfiniteDuration());
  EXPECT_EQ(accepted->deadline(), Deadline::Never());
}

// Source: include/redial/listener.h: a timeout leaves the listener as it was.
CONFORM(Accepting, ATimeoutLosesNobody) {
  Listener listener = Listen();
  EXPECT_EQ(listener.Accept(In(kMoment)).status().code(), kDeadlineExceeded);
  Socket client = Connect(listener.local());
  Socket server = Accept(listener);
  ExpectTalks(client, server);
}

// Source: Go net TestListenerClose (Accept in progress fails).
CONFORM(Accepting, CloseEndsIt) {
  for (int round = 0; round < 20; ++round) {
    Listener listener = Listen();
    Task accepting =
        Go([&] { EXPECT_EQ(listener.Accept(Guard()).status().code(), kFailedPrecondition); });
    if (round % 2 == 1) Sleep(absl::Milliseconds(1));
    listener.Close();
    accepting.Join();
    EXPECT_EQ(listener.Accept(Guard()).status().code(), kFailedPrecondition) << "and stays so";
  }
}

// Source: accept(2): blocks until a connection is present.
CONFORM(Accepting, AConnectionEndsTheWait) {
  Listener listener = Listen();
  Task client = Go([&] {
    Sleep(kMoment);
    Socket socket = Connect(listener.local());
    EXPECT_EQ(ReadByte(socket).value_or(99), 0U);
  });
  EXPECT_EQ(listener.Accept(Guard()).status(), absl::OkStatus());
}

// Source: accept(2): the first connection on the queue.
CONFORM(Accepting, ConnectionsComeInTheirOrder) {
  Listener listener = Listen();
  std::vector<Socket> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Connect(listener.local()));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Accept(listener).peer(), clients[i].local()) << i;
}

// Source: Go net.Listener: "multiple goroutines may invoke methods on a Listener simultaneously".
CONFORM(Accepting, SeveralAtOnce) {
  constexpr int kTasks = 4;
  constexpr int kEach = 25;
  Listener listener = Listen();
  std::vector<int> accepted(kTasks, 0);
  {
    std::vector<Task> tasks;
    for (int i = 0; i < kTasks; ++i) {
      tasks.push_back(Go([&, i] {
        while (accepted[i] < kEach && listener.Accept(Guard()).ok()) ++accepted[i];
      }));
    }
    for (int i = 0; i < kTasks * kEach; ++i) Connect(listener.local());
  }
  EXPECT_EQ(std::accumulate(accepted.begin(), accepted.end(), 0), kTasks * kEach);
}

// Source: turmoil tcp.rs hangup.
CONFORM(Accepting, AClientThatLeftIsStillAccepted) {
  Listener listener = Listen();
  {
    Socket client = Connect(listener.local());
    ASSERT_EQ(client.Write("bye"), absl::OkStatus());
  }
  Sleep(kMoment);
  Socket server = Accept(listener);
  server.set_deadline(Guard());
  EXPECT_EQ(server.ReadExactly(3).value_or("nothing"), "bye");
  EXPECT_EQ(ReadByte(server).value_or(99), 0U);
}

// Source: Go net TestAcceptIgnoreAbortedConnRequest: who gave up in the queue stops nobody.
CONFORM(Accepting, AClientThatResetDoesntStopTheOthers) {
  Listener listener = Listen();
  Socket gone = Connect(listener.local());
  world().Reset(gone);
  Socket client = Connect(listener.local());
  for (;;) {
    Socket server = Accept(listener);
    if (server.peer() != client.local()) continue;
    ExpectTalks(client, server);
    break;
  }
}

// Source: turmoil tcp.rs drop_listener_with_non_empty_queue; RFC 9293, section 3.10.4.
CONFORM(Accepting, AQueuedConnectionIsResetWhenTheListenerCloses) {
  Listener listener = Listen();
  Socket client = Connect(listener.local());
  listener.Close();
  client.set_deadline(Guard());
  const absl::Status status = ReadByte(client).status();
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(ErrnoOf(status), ECONNRESET);
}

}  // namespace
}  // namespace redial::conformance
