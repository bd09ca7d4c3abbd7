// What happens where nobody accepts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/stream.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using ::testing::StartsWith;

// A listener whose backlog one connection has filled.
class Backlog : public Body {
 protected:
  void Fill(const Address& address) {
    absl::StatusOr<Listener> listener = Listener::Listen(address, {.backlog = 0});
    ASSERT_EQ(listener.status(), absl::OkStatus());
    listener_.emplace(*std::move(listener));
    filler_.emplace(Connect(listener_->local()));
  }
  void FillTcp() { Fill(*Address::FromLiteral(world().Host(1), 0)); }

  std::optional<Listener> listener_;
  std::optional<Socket> filler_;
};

// Source: listen(2): the queue holds what comes before accept.
CONFORM(Backlog, WhatIsQueuedIsAcceptedLater) {
  Listener listener = Listen({.backlog = 16});
  std::vector<Socket> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Connect(listener.local()));
  for (Socket& client : clients) {
    Socket server = Accept(listener);
    ExpectTalks(client, server);
  }
}

// Source: measured on Linux 6.18; unix(7): EAGAIN from connect means that nothing was started.
CONFORM(Backlog, AFullOneOfAPathIsLeftAtTheDeadline) {
  Fill(FreePath());
  const Instant began = Now();
  const absl::Status full = Dial(TargetOf(listener_->local()), In(absl::Milliseconds(30))).status();
  ExpectTook(began, absl::Milliseconds(30));
  EXPECT_EQ(full.code(), kDeadlineExceeded);
  EXPECT_THAT(std::string(full.message()),
              StartsWith("connect to " + listener_->local().ToString() + " timed out after "));
}

// Source: measured on Linux 6.18: Asio and sockpp report success here, and the first write fails.
CONFORM(Backlog, RoomInAFullOneOfAPathLetsTheNextIn) {
  Fill(FreePath());
  std::optional<Socket> server;
  Task acceptor = Go([&] {
    Sleep(absl::Milliseconds(20));
    Socket first = Accept(*listener_);
    server.emplace(Accept(*listener_));
  });
  Socket client = Connect(listener_->local());
  acceptor.Join();
  ExpectTalks(client, *server);
}

// Source: measured on Linux 6.18; connect(2): ECONNREFUSED once nobody listens.
CONFORM(Backlog, AFullOneOfAPathWhoseListenerGoesRefuses) {
  Fill(FreePath());
  Task closer = Go([&] {
    Sleep(absl::Milliseconds(20));
    listener_->Close();
  });
  const absl::Status status = Dial(TargetOf(listener_->local()), Guard()).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED);
}

// Source: include/redial/stream.h, Io::want: nothing tells when to try again.
CONFORM(Backlog, AFullOneOfAPathGivesNothingToWaitFor) {
  Fill(FreePath());
  auto stream = CurrentNetwork().StartConnect(listener_->local(), {});
  ASSERT_EQ(stream.status(), absl::OkStatus());
  for (int i = 0; i < 3; ++i) {
    const Io io = (*stream)->FinishConnect();
    EXPECT_EQ(io.error, EAGAIN);
    EXPECT_EQ(io.want, nullptr);
  }
  Socket server = Accept(*listener_);
  EXPECT_EQ((*stream)->FinishConnect().error, 0);
  EXPECT_EQ((*stream)->FinishConnect().error, 0);
}

// Source: measured on Linux 6.18: listen(0) with a full backlog is a black hole.
CONFORM(Backlog, AFullOneOfTcpIsABlackHole) {
  FillTcp();
  const Instant began = Now();
  const absl::Status full = Dial(TargetOf(listener_->local()), In(absl::Milliseconds(50))).status();
  ExpectTook(began, absl::Milliseconds(50));
  EXPECT_EQ(full.code(), kDeadlineExceeded);
}

// Source: RFC 6298, section 5.7 (a SYN that was lost is sent again).
CONFORM(Backlog, RoomInAFullOneOfTcpLetsTheNextIn) {
  FillTcp();
  std::optional<Socket> server;
  Task acceptor = Go([&] {
    Sleep(absl::Milliseconds(50));
    Socket first = Accept(*listener_);
    server.emplace(Accept(*listener_));
  });
  Socket client = Connect(listener_->local());
  acceptor.Join();
  ExpectTalks(client, *server);
}

}  // namespace
}  // namespace redial::conformance
