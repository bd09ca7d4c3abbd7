// A stop, in every state that a call can be in.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/client.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/policies/retry.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

class Stopping : public Body {
 protected:
  // Stops after a moment, or at once.
  Task StopIn(absl::Duration d) {
    return Go([this, d] {
      Sleep(d);
      stop_.request_stop();
    });
  }
  // Ends by a stop, and leaves nothing open.
  void ExpectDialStops(const Target& target) {
    const size_t before = world().CountOpen();
    Task stopper = StopIn(kMoment);
    const Instant began = Now();
    const absl::Status status =
        Dial(target, Deadline::Never(), stop_.get_token(), Options()).status();
    ExpectAtOnce(began);
    stopper.Join();
    EXPECT_EQ(status.code(), kCancelled) << status;
    EXPECT_EQ(world().CountOpen(), before);
  }

  std::stop_source stop_;
};

// Source: Go net TestDialCancel.
CONFORM(Stopping, EndsAConnect) {
  const auto hole = world().MakeBlackHole(Address::Family::kIpv4, 0);
  ExpectDialStops(TargetOf(hole->address()));
}

// Source: Go net TestLookupContextCancel.
CONFORM(Stopping, EndsALookUp) {
  world().names().FallSilent();
  ExpectDialStops(TargetOf("cache.test", 80));
}

// Source: Go net TestDialCancel, for a full backlog.
CONFORM(Stopping, EndsTheWaitForABacklog) {
  absl::StatusOr<Listener> full = Listener::Listen(FreePath(), {.backlog = 0});
  ASSERT_EQ(full.status(), absl::OkStatus());
  Socket filler = Connect(full->local());
  ExpectDialStops(TargetOf(full->local()));
}

// Source: userver socket_test.cpp Cancel (accept).
CONFORM(Stopping, EndsAnAccept) {
  for (int round = 0; round < 20; ++round) {
    Listener listener = Listen();
    std::stop_source stop;
    Task accepting = Go(
        [&] { EXPECT_EQ(listener.Accept(Guard(), stop.get_token()).status().code(), kCancelled); });
    if (round % 2 == 1) Sleep(absl::Milliseconds(1));
    stop.request_stop();
  }
}

// Source: userver socket_test.cpp Cancel (recv).
CONFORM(Stopping, EndsARead) {
  for (int round = 0; round < 20; ++round) {
    Ends ends = Connected();
    std::stop_source stop;
    ends.client.set_stop_token(stop.get_token());
    Task reading = Go([&] {
      const absl::Status status = ReadByte(ends.client).status();
      EXPECT_EQ(status.code(), kCancelled) << status;
      EXPECT_EQ(FailureOf(status)->phase, Phase::kRead);
    });
    if (round % 2 == 1) Sleep(absl::Milliseconds(1));
    stop.request_stop();
  }
}

// Source: userver socket_test.cpp Cancel (send).
CONFORM(Stopping, EndsAWrite) {
  Ends ends = Narrow();
  ends.client.set_stop_token(stop_.get_token());
  Task stopper = StopIn(kMoment);
  const absl::Status status = ends.client.Write(std::string(size_t{16} << 20, 'x'));
  EXPECT_EQ(status.code(), kCancelled) << status;
  EXPECT_EQ(FailureOf(status)->bytes_sent, ends.client.last_write_bytes());
}

// Source: Go net.Dialer.DialContext, with a context that is done already.
CONFORM(Stopping, BeforeAnythingStartsNothing) {
  stop_.request_stop();
  Listener listener = Listen();
  const absl::Status status = Dial(TargetOf(listener.local()), Guard(), stop_.get_token()).status();
  EXPECT_EQ(status.code(), kCancelled);
  EXPECT_EQ(status.message(),
            "connect to " + listener.local().ToString() + " not begun: stop was requested");
  EXPECT_EQ(listener.Accept(In(kMoment)).status().code(), kDeadlineExceeded);
  Socket queued = Connect(listener.local());
  EXPECT_EQ(listener.Accept(Guard(), stop_.get_token()).status().code(), kCancelled);
}

// Source: include/redial/socket.h: a stop ends an operation whose data is there.
CONFORM(Stopping, BeforeAReadTakesNothing) {
  Ends ends = Connected();
  ASSERT_EQ(ends.server.Write("ready"), absl::OkStatus());
  Sleep(kMoment);
  stop_.request_stop();
  ends.client.set_stop_token(stop_.get_token());
  EXPECT_EQ(ReadByte(ends.client).status().code(), kCancelled);
  ends.client.set_stop_token({});
  EXPECT_EQ(ends.client.ReadExactly(5).value_or("lost"), "ready");
}

// Source: Go net TestCancelAfterDial.
CONFORM(Stopping, AtTheMomentOfSuccessPoisonsNothing) {
  Listener listener = Listen();
  const Target target = TargetOf(listener.local());
  for (int round = 0; round < 100; ++round) {
    std::stop_source stop;
    Task stopper = Go([&, round] {
      if (round > 0) Sleep(absl::Nanoseconds(1000 * round));
      stop.request_stop();
    });
    auto socket = Dial(target, Guard(), stop.get_token());
    stopper.Join();
    if (!socket.ok()) {
      ASSERT_EQ(socket.status().code(), kCancelled);
      continue;
    }
    socket->set_stop_token({});
    ASSERT_EQ(socket->Write("ping\n"), absl::OkStatus());
    // Those whose dial was cancelled after they had connected end at once.
    for (;;) {
      Socket server = Accept(listener);
      server.set_deadline(Guard());
      auto line = server.ReadUntil("\n");
      if (!line.ok()) continue;
      EXPECT_EQ(*line, "ping\n");
      break;
    }
  }
}

// Source: Go context: Canceled and DeadlineExceeded are different errors.
CONFORM(Stopping, IsNoTimeoutAndATimeoutIsNoStop) {
  Ends ends = Connected();
  ends.client.set_stop_token(stop_.get_token());
  ASSERT_EQ(ends.client.set_operation_timeout(kMoment), absl::OkStatus());
  EXPECT_EQ(ReadByte(ends.client).status().code(), kDeadlineExceeded);
  ASSERT_EQ(ends.client.set_operation_timeout(kHang), absl::OkStatus());
  Task stopper = StopIn(kMoment);
  EXPECT_EQ(ReadByte(ends.client).status().code(), kCancelled);
}

// Source: include/redial/socket.h, set_stop_token.
CONFORM(Stopping, AStoppedSocketWorksWithAnotherToken) {
  Ends ends = Connected();
  ends.client.set_stop_token(stop_.get_token());
  {
    Task stopper = StopIn(kMoment);
    EXPECT_EQ(ReadByte(ends.client).status().code(), kCancelled);
  }
  EXPECT_EQ(ends.client.Write("x").code(), kCancelled) << "it stays stopped";
  ends.client.set_stop_token({});
  ExpectTalks(ends.client, ends.server);
}

// Source: C++ [stopsource]: one request reaches everybody who holds a token.
CONFORM(Stopping, OneRequestEndsManyWaits) {
  std::atomic<int> stopped{0};
  std::vector<Ends> ends;
  for (int i = 0; i < 10; ++i) ends.push_back(Connected());
  std::vector<Task> tasks;
  for (Ends& each : ends) {
    each.client.set_stop_token(stop_.get_token());
    tasks.push_back(Go([&] {
      if (ReadByte(each.client).status().code() == kCancelled) ++stopped;
    }));
  }
  Sleep(kMoment);
  stop_.request_stop();
  for (Task& task : tasks) task.Join();
  EXPECT_EQ(stopped, 10);
}

// Source: gRPC core end2end retry_cancel_during_delay.
CONFORM(Stopping, EndsThePauseBetweenTwoAttempts) {
  const Address nobody = *Address::FromLiteral(world().Host(1), world().FreePort());
  const auto client =
      Client::Create(TargetOf(nobody), {Retry({.max_attempts = 2, .backoff = Constant(kHang)})});
  ASSERT_EQ(client.status(), absl::OkStatus());
  Task stopper = StopIn(kMoment);
  const Instant began = Now();
  const absl::Status status = client->Call(
      {.timeout = absl::InfiniteDuration(), .idempotent = true, .stop = stop_.get_token()},
      [](Socket&) { return absl::OkStatus(); });
  ExpectAtOnce(began);
  EXPECT_EQ(status.code(), kCancelled) << status;
}

}  // namespace
}  // namespace redial::conformance
