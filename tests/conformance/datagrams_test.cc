// What becomes of datagrams: whole, cut, empty, too long, lost, refused.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/datagram.h"
#include "redial/failure.h"
#include "tests/conformance/datagram_body.h"

namespace redial::conformance {
namespace {

class Datagrams : public DatagramBody {};

// Source: RFC 768; udp(7): each receive gives one packet, with its boundaries.
CONFORM(Datagrams, EachArrivesWhole) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("one"), absl::OkStatus());
  ASSERT_EQ(client.Send("two"), absl::OkStatus());
  EXPECT_EQ(Received(service), "one");
  EXPECT_EQ(Received(service), "two");
  EXPECT_EQ(client.datagrams_sent(), 2u);
  EXPECT_EQ(service.bytes_received(), 6u);
}

// Source: CPython test_socket BasicUDPTest.testRecvFrom.
CONFORM(Datagrams, TheSenderIsNamed) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("x"), absl::OkStatus());
  EXPECT_EQ(From(service).from, client.local());
}

// Source: Go net TestUDPConnSpecificMethods (ReadFromUDP, then WriteToUDP).
CONFORM(Datagrams, AReplyGoesToTheSender) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("query"), absl::OkStatus());
  ASSERT_EQ(service.SendTo("reply", From(service).from), absl::OkStatus());
  EXPECT_EQ(Received(client), "reply");
}

// Source: Go net TestUDPZeroBytePayload.
CONFORM(Datagrams, AnEmptyOneIsOne) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send(""), absl::OkStatus());
  ASSERT_EQ(client.Send("x"), absl::OkStatus());
  EXPECT_EQ(From(service).size, 0u);
  EXPECT_EQ(service.datagrams_received(), 1u);
  EXPECT_EQ(Received(service), "x");
}

// Source: Go net TestUDPZeroByteBuffer: nothing to read into takes one all the same.
CONFORM(Datagrams, AnEmptyBufferTakesOne) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("hello"), absl::OkStatus());
  ASSERT_EQ(client.Send("next"), absl::OkStatus());
  EXPECT_EQ(ErrnoOf(Receive(service, 0).status()), EMSGSIZE);
  EXPECT_EQ(Received(service), "next");
}

// Source: recv(2), MSG_TRUNC; Go net TestUDPReadSizeError's concern.
CONFORM(Datagrams, WhatDoesNotFitIsCutAndSaysSo) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("hello"), absl::OkStatus());
  ASSERT_EQ(client.Send("next"), absl::OkStatus());
  service.set_deadline(Guard());
  std::string bytes(3, '\0');
  const absl::Status status = service.Receive(absl::MakeSpan(bytes.data(), 3)).status();
  EXPECT_EQ(status.code(), kResourceExhausted);
  EXPECT_EQ(Message(status),
            absl::StrCat("read: a datagram of 5 bytes was cut to the buffer's 3 (EMSGSIZE), on ",
                         service.local().ToString()));
  EXPECT_EQ(bytes, "hel");
  EXPECT_EQ(Received(service), "next") << "the rest of the first one is lost";
}

// Source: RFC 768: a length of 16 bits, headers included.
CONFORM(Datagrams, TheLongestArrives) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  const std::string longest(65507, 'x');
  ASSERT_EQ(client.Send(longest), absl::OkStatus());
  EXPECT_EQ(*Receive(service, 65536), longest);
}

// Source: udp(7), EMSGSIZE.
CONFORM(Datagrams, OneThatIsTooLongSaysHowLong) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  const absl::Status status = client.Send(std::string(65508, 'x'));
  EXPECT_EQ(status.code(), kInvalidArgument);
  EXPECT_EQ(Message(status), absl::StrCat("write to ", service.local().ToString(),
                                          ": a datagram of 65508 bytes is too long (EMSGSIZE)"));
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
}

// Source: udp(7): errors of a connected socket are passed to the user; RFC 1122, section 4.1.3.3.
CONFORM(Datagrams, ARefusalIsToldToTheNextReceive) {
  Datagram client = ConnectTo(Nobody());
  ASSERT_EQ(client.Send("query"), absl::OkStatus());
  const absl::Status status = Receive(client).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(Message(status), absl::StrCat("read from ", client.peer().ToString(),
                                          ": connection refused (ECONNREFUSED)"));
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
  ExpectNothing(client);
}

// Source: measured on Linux 6.18: the send that is told sends nothing, and the one after it does.
CONFORM(Datagrams, ARefusalIsToldToTheNextSend) {
  const Address address = Nobody();
  Datagram client = ConnectTo(address);
  ASSERT_EQ(client.Send("one"), absl::OkStatus());
  Sleep(kMoment);
  Datagram service = BindTo(address.WithPort(0).HostString(), address.port());
  const absl::Status status = client.Send("two");
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED) << status;
  EXPECT_EQ(client.datagrams_sent(), 1u);
  ASSERT_EQ(client.Send("three"), absl::OkStatus());
  EXPECT_EQ(Received(service), "three");
}

// Source: measured on Linux 6.18; net/core/datagram.c, __skb_try_recv_datagram.
CONFORM(Datagrams, ARefusalIsToldBeforeWhatCameEarlier) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(service.SendTo("earlier", client.local()), absl::OkStatus());
  service.Close();
  ASSERT_EQ(client.Send("query"), absl::OkStatus());
  Sleep(kMoment);
  EXPECT_EQ(ErrnoOf(Receive(client).status()), ECONNREFUSED);
  EXPECT_EQ(Received(client), "earlier");
}

// Source: udp(7): without a connection, and without IP_RECVERR, no error is passed.
CONFORM(Datagrams, WhoIsNotConnectedIsToldOfNoRefusal) {
  Datagram socket = Bind();
  ASSERT_EQ(socket.SendTo("query", Nobody()), absl::OkStatus());
  Sleep(kMoment);
  ExpectNothing(socket);
  EXPECT_EQ(socket.SendTo("query", Nobody()), absl::OkStatus());
}

// Source: connect(2): the only address from which datagrams are received.
CONFORM(Datagrams, WhoIsConnectedHearsItsPeerAlone) {
  Datagram service = Bind();
  Datagram stranger = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(stranger.SendTo("forged", client.local()), absl::OkStatus());
  ASSERT_EQ(service.SendTo("reply", client.local()), absl::OkStatus());
  EXPECT_EQ(Received(client), "reply");
  Sleep(kMoment);
  ExpectNothing(client);
}

// Source: measured on Linux 6.18; net/ipv4/udp.c, __udp4_lib_rcv: no socket takes it.
CONFORM(Datagrams, WhoIsNotHeardIsRefused) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  Datagram stranger = ConnectTo(client.local());
  ASSERT_EQ(stranger.Send("forged"), absl::OkStatus());
  EXPECT_EQ(ErrnoOf(Receive(stranger).status()), ECONNREFUSED);
}

// Source: Go net TestUDPConnSpecificMethods' kin (ErrWriteToConnected).
CONFORM(Datagrams, WhoIsConnectedSendsToNobodyElse) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  const absl::Status status = client.SendTo("x", Nobody());
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(ErrnoOf(status), EISCONN);
  EXPECT_EQ(ErrnoOf(service.Send("x")), EDESTADDRREQ);
}

// Source: bind(2), EADDRINUSE; Go net TestListenPacketTwice's kin.
CONFORM(Datagrams, APortInUseIsUnavailable) {
  Datagram first = Bind();
  const absl::Status status = Datagram::Bind(first.local()).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), EADDRINUSE);
  EXPECT_EQ(FailureOf(status)->phase, Phase::kListen);
}

// Source: bind(2), EADDRNOTAVAIL.
CONFORM(Datagrams, AnotherMachinesAddressIsAMistake) {
  const absl::Status status = Datagram::Bind(*Address::FromLiteral("192.0.2.1", 0)).status();
  EXPECT_EQ(status.code(), kInvalidArgument);
  EXPECT_EQ(ErrnoOf(status), EADDRNOTAVAIL);
}

// Source: Go net TestListenCloseListen, for packets.
CONFORM(Datagrams, APortIsFreeAgainAfterClose) {
  Datagram first = Bind();
  const Address address = first.local();
  EXPECT_NE(address.port(), 0);
  first.Close();
  EXPECT_EQ(Datagram::Bind(address).status(), absl::OkStatus());
}

// Source: ip(7), INADDR_ANY.
CONFORM(Datagrams, TheWildcardTakesThoseOfEveryAddress) {
  Datagram service = BindTo("0.0.0.0");
  for (const int number : {1, 2}) {
    Datagram client =
        ConnectTo(*Address::FromLiteral(world().Host(number), service.local().port()));
    ASSERT_EQ(client.Send("x"), absl::OkStatus());
    EXPECT_EQ(From(service).from, client.local());
  }
}

// Source: RFC 4291, section 2.5.5.2; ipv6(7): an IPv4 sender is ::ffff:a.b.c.d.
CONFORM(Datagrams, AnIpv6WildcardTakesIpv4sToo) {
  Datagram service = BindTo("::");
  Datagram client = ConnectTo(*Address::FromLiteral(world().Host(1), service.local().port()));
  ASSERT_EQ(client.Send("query"), absl::OkStatus());
  const Address from = From(service).from;
  EXPECT_EQ(from.ToString(), absl::StrCat("[::ffff:", client.local().WithPort(0).HostString(),
                                          "]:", client.local().port()));
  ASSERT_EQ(service.SendTo("reply", from), absl::OkStatus());
}

// Source: RFC 8200; CPython test_socket's IPv6 UDP bases.
CONFORM(Datagrams, Ipv6GoesThereAndBack) {
  Datagram service = BindTo("::1");
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.Send("query"), absl::OkStatus());
  const Address from = From(service).from;
  EXPECT_EQ(from, client.local());
  ASSERT_EQ(service.SendTo("reply", from), absl::OkStatus());
  EXPECT_EQ(Received(client), "reply");
}

// Source: udp(7): packets are dropped when the receive buffer is full.
CONFORM(Datagrams, WhatFindsNoRoomIsLost) {
  Datagram service = Bind({.receive_buffer = 4096});
  Datagram client = ConnectTo(service.local());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.Send(std::string(1000, 'x')), absl::OkStatus());
  Sleep(kMoment);
  ASSERT_EQ(service.set_operation_timeout(absl::ZeroDuration()), absl::OkStatus());
  while (Receive(service, 1000).ok()) {
  }
  EXPECT_GT(service.datagrams_received(), 0u);
  EXPECT_LT(service.datagrams_received(), 100u);
  ASSERT_EQ(service.set_operation_timeout(kHang), absl::OkStatus());
  ASSERT_EQ(client.Send("later"), absl::OkStatus());
  EXPECT_EQ(Received(service), "later");
}

// Source: include/redial/failure.h, Sent: what was handed over may have arrived, an empty one too.
CONFORM(Datagrams, WhatIsKnownOfWhatWasSent) {
  Datagram service = Bind();
  Datagram client = ConnectTo(service.local());
  ASSERT_EQ(client.set_operation_timeout(absl::ZeroDuration()), absl::OkStatus());
  const auto sent = [&] { return FailureOf(Receive(client).status())->sent; };
  EXPECT_EQ(sent(), Sent::kNo);
  ASSERT_EQ(client.Send(""), absl::OkStatus());
  EXPECT_EQ(sent(), Sent::kMaybe);
  ASSERT_EQ(service.SendTo("reply", client.local()), absl::OkStatus());
  Sleep(kMoment);
  EXPECT_EQ(Received(client), "reply");
  EXPECT_EQ(sent(), Sent::kAnswered);
  client.Handshaken();
  EXPECT_EQ(sent(), Sent::kNo);
}

// Source: Go net TestUDPConnSpecificMethods after Close (errClosed).
CONFORM(Datagrams, NothingWorksOnceClosed) {
  Datagram socket = ConnectTo(Nobody());
  const size_t open = world().CountOpen();
  socket.Close();
  EXPECT_EQ(world().CountOpen(), open - 1);
  EXPECT_EQ(Receive(socket).status().code(), kFailedPrecondition);
  EXPECT_EQ(socket.Send("x").code(), kFailedPrecondition);
  EXPECT_EQ(ErrnoOf(socket.Send("x")), EBADF);
}

}  // namespace
}  // namespace redial::conformance
