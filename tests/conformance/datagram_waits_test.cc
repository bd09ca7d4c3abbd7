// Limits, stops, names: how waits for datagrams begin and end.
#include <gtest/gtest.h>

#include <cerrno>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/datagram.h"
#include "redial/failure.h"
#include "tests/conformance/datagram_body.h"

namespace redial::conformance {
namespace {

class AwaitingDatagrams : public DatagramBody {
 protected:
  absl::StatusOr<Datagram> ConnectToName(const std::string& name, uint16_t port,
                                         absl::Duration timeout = kHang) {
    return Datagram::Connect(*Target::Parse(absl::StrCat("udp://", name, ":", port)), In(timeout),
                             stop_.get_token(), {.resolver = Options().resolver});
  }

  std::stop_source stop_;
};

// Source: CPython test_timeout UDPTimeoutTestCase.testUDPTimeout; Go net TestReadFromTimeout.
CONFORM(AwaitingDatagrams, ATimeoutIsKept) {
  Datagram socket = Bind();
  for (const int ms : {1, 20, 50}) {
    ASSERT_EQ(socket.set_operation_timeout(absl::Milliseconds(ms)), absl::OkStatus());
    const Instant began = Now();
    const absl::Status status = Receive(socket).status();
    ExpectTook(began, absl::Milliseconds(ms));
    EXPECT_EQ(status.code(), kDeadlineExceeded);
  }
}

// Source: Go net TestReadFromTimeout (the first row: a past deadline).
CONFORM(AwaitingDatagrams, AnExpiredDeadlineTakesNothing) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("ready"), absl::OkStatus());
  Sleep(kMoment);
  service.set_deadline(Deadline::Past());
  const absl::Status status = Receive(service).status();
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(service.SendTo("x", client.local()).code(), kDeadlineExceeded);
  service.set_deadline(Deadline::Never());
  EXPECT_EQ(Received(service), "ready");
}

// Source: CPython test_socket NonBlockingTCPTests' rule, for UDP: EAGAIN, and no timeout.
CONFORM(AwaitingDatagrams, AZeroTimeoutNeverWaits) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(service.set_operation_timeout(absl::ZeroDuration()), absl::OkStatus());
  const absl::Status status = Receive(service).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), EAGAIN);
  ASSERT_EQ(client.Send("x"), absl::OkStatus());
  Sleep(kMoment);
  EXPECT_EQ(Received(service), "x");
}

// Source: include/redial/datagram.h: TryReceive heeds no limit.
CONFORM(AwaitingDatagrams, ATryTakesWhatIsThereAfterTheDeadline) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  service.set_deadline(Deadline::Past());
  ExpectNothing(service);
  ASSERT_EQ(client.Send("x"), absl::OkStatus());
  Sleep(kMoment);
  char buffer[8];
  const auto received = service.TryReceive(absl::MakeSpan(buffer));
  ASSERT_EQ(received.status(), absl::OkStatus());
  EXPECT_EQ(received->size, 1u);
  EXPECT_EQ(received->from, client.local());
}

// Source: Go net TestReadFromTimeout: what comes in time ends the wait.
CONFORM(AwaitingDatagrams, OneThatComesEndsTheWait) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  Task sender = Go([&] {
    Sleep(kMoment);
    EXPECT_EQ(client.Send("late"), absl::OkStatus());
  });
  const Instant began = Now();
  EXPECT_EQ(Received(service), "late");
  ExpectAtOnce(began);
}

// Source: measured on Linux 6.18: poll(2) says POLLERR, and epoll EPOLLERR.
CONFORM(AwaitingDatagrams, ARefusalEndsTheWait) {
  Datagram client = ConnectTo(Nobody());
  Task sender = Go([&] {
    Sleep(kMoment);
    EXPECT_EQ(client.Send("query"), absl::OkStatus());
  });
  const Instant began = Now();
  EXPECT_EQ(ErrnoOf(Receive(client).status()), ECONNREFUSED);
  ExpectAtOnce(began);
}

// Source: Go net TestReadTimeout...: a closed socket's reads end.
CONFORM(AwaitingDatagrams, CloseEndsTheWait) {
  Datagram socket = Bind();
  Task closer = Go([&] {
    Sleep(kMoment);
    socket.Close();
  });
  const Instant began = Now();
  EXPECT_EQ(Receive(socket).status().code(), kFailedPrecondition);
  ExpectAtOnce(began);
}

// Source: userver's task cancellation in recv, for UDP (socket_test.cpp).
CONFORM(AwaitingDatagrams, AStopEndsTheWait) {
  Datagram socket = Bind();
  socket.set_stop_token(stop_.get_token());
  Task stopper = Go([&] {
    Sleep(kMoment);
    stop_.request_stop();
  });
  const Instant began = Now();
  EXPECT_EQ(Receive(socket).status().code(), kCancelled);
  ExpectAtOnce(began);
  EXPECT_EQ(socket.SendTo("x", Nobody()).code(), kCancelled);
}

// Source: Go net TestReadWriteDeadlineRace's concern: a deadline that is set while a read waits.
CONFORM(AwaitingDatagrams, ADeadlineMovesUnderTheWait) {
  Datagram socket = Bind();
  socket.set_deadline(Guard());
  Task mover = Go([&] {
    Sleep(kMoment);
    socket.set_deadline(Deadline::Past());
  });
  const Instant began = Now();
  EXPECT_EQ(Receive(socket).status().code(), kDeadlineExceeded);
  ExpectAtOnce(began);
}

// Source: udp(7): one socket, both directions.
CONFORM(AwaitingDatagrams, OneReceivesWhileAnotherSends) {
  constexpr int kCount = 200;
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("hello"), absl::OkStatus());
  const Address peer = From(service).from;
  // One at a time on the way, so that none is dropped.
  Task echo = Go([&] {
    for (int i = 0; i < kCount; ++i) {
      EXPECT_EQ(service.SendTo(Received(service), peer), absl::OkStatus());
    }
  });
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(client.Send(absl::StrCat(i)), absl::OkStatus());
    ASSERT_EQ(Received(client), absl::StrCat(i));
  }
}

// Source: getaddrinfo(3); Go net TestDialUDP's kin: a name stands for its address.
CONFORM(AwaitingDatagrams, ANameIsLookedUp) {
  Datagram service = Bind();
  world().names().Add("stats.test", world().Host(1));
  auto client = ConnectToName("stats.test", service.local().port());
  ASSERT_EQ(client.status(), absl::OkStatus());
  EXPECT_EQ(client->peer(), service.local());
  ASSERT_EQ(client->Send("x"), absl::OkStatus());
  EXPECT_EQ(Received(service), "x");
}

// Source: RFC 1035, section 4.1.1 (NXDOMAIN).
CONFORM(AwaitingDatagrams, ANameThatIsNoneIsNotFound) {
  const absl::Status status = ConnectToName("nobody.test", 53).status();
  EXPECT_EQ(status.code(), kNotFound);
  EXPECT_EQ(Message(status), "no such host: 'nobody.test'");
}

// Source: Go net TestDialTimeout, for the look-up before packets.
CONFORM(AwaitingDatagrams, ALookUpKeepsTheDeadline) {
  world().names().FallSilent();
  const Instant began = Now();
  const absl::Status status = ConnectToName("stats.test", 53, absl::Milliseconds(30)).status();
  ExpectTook(began, absl::Milliseconds(30));
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(FailureOf(status)->phase, Phase::kResolve);
}

// Source: Go net TestLookupContextCancel, for packets.
CONFORM(AwaitingDatagrams, AStopEndsTheLookUp) {
  world().names().FallSilent();
  Task stopper = Go([&] {
    Sleep(kMoment);
    stop_.request_stop();
  });
  const Instant began = Now();
  EXPECT_EQ(ConnectToName("stats.test", 53).status().code(), kCancelled);
  ExpectAtOnce(began);
}

// Source: Go net TestDialTimeout (a past deadline): nothing is begun.
CONFORM(AwaitingDatagrams, AnExpiredDeadlineConnectsNothing) {
  const size_t open = world().CountOpen();
  const absl::Status status = Datagram::Connect(Nobody(), Deadline::Past()).status();
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(world().CountOpen(), open);
  EXPECT_TRUE(world().names().queries().empty());
}

// Source: RFC 1035, section 4.2.1: over UDP a question is asked again when no answer came in time.
CONFORM(AwaitingDatagrams, AQuestionIsAskedAgain) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  Task answerer = Go([&] {
    From(service);  // unheard
    EXPECT_EQ(service.SendTo("answer", From(service).from), absl::OkStatus());
  });
  ASSERT_EQ(client.set_operation_timeout(absl::Milliseconds(20)), absl::OkStatus());
  ASSERT_EQ(client.Send("question"), absl::OkStatus());
  EXPECT_EQ(Receive(client).status().code(), kDeadlineExceeded);
  ASSERT_EQ(client.set_operation_timeout(kHang), absl::OkStatus());
  ASSERT_EQ(client.Send("question"), absl::OkStatus());
  EXPECT_EQ(Received(client), "answer");
}

// Source: CPython test_socket ThreadedUDPSocketTest: one server, many clients.
CONFORM(AwaitingDatagrams, AServiceAnswersManyClients) {
  constexpr int kClients = 10;
  Datagram service = Bind();
  Task server = Go([&] {
    service.set_deadline(Guard());
    for (int i = 0; i < kClients; ++i) {
      char buffer[64];
      const auto received = service.ReceiveFrom(absl::MakeSpan(buffer));
      ASSERT_EQ(received.status(), absl::OkStatus());
      ASSERT_EQ(service.SendTo(std::string_view(buffer, received->size), received->from),
                absl::OkStatus());
    }
  });
  std::vector<Task> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(Go([&, i] {
      Datagram client = ConnectTo(service.local());
      ASSERT_EQ(client.Send(absl::StrCat("query ", i)), absl::OkStatus());
      EXPECT_EQ(Received(client), absl::StrCat("query ", i));
    }));
  }
}

// Source: include/redial/datagram.h: one receives at a time, and a second one is told so.
CONFORM(AwaitingDatagrams, ASecondReceiverIsTurnedAway) {
  Datagram socket = Bind();
  Task first = Go([&] { EXPECT_EQ(Receive(socket).status().code(), kFailedPrecondition); });
  absl::Status status;
  char buffer[1];
  do {
    Sleep(kMoment);
    status = socket.TryReceive(absl::MakeSpan(buffer)).status();
  } while (ErrnoOf(status) == EAGAIN);  // the first one hasn't come yet
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(ErrnoOf(status), EBUSY);
  socket.Close();
}

}  // namespace
}  // namespace redial::conformance
