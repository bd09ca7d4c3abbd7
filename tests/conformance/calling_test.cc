// Whole calls of a client, over the network of its world.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/client.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/policies/backoff.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/retry.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using ::testing::HasSubstr;

class Calling : public Body {
 protected:
  static constexpr absl::Duration kPause = absl::Milliseconds(10);

  static PolicyPtr Thrice() { return Retry({.max_attempts = 3, .backoff = Constant(kPause)}); }
  static Client ClientOf(const Address& address, PolicyList policies = {}) {
    absl::StatusOr<Client> client = Client::Create(TargetOf(address), std::move(policies));
    EXPECT_EQ(client.status(), absl::OkStatus());
    return *std::move(client);
  }
  static absl::StatusOr<std::string> Ping(Socket& socket) {
    if (absl::Status sent = socket.Write("ping\n"); !sent.ok()) return sent;
    return socket.ReadUntil("\n");
  }
  // Accepts so many connections, one after the other, and does that to each.
  static Task Serve(Listener& listener, int connections, std::function<void(Socket&, int)> serve) {
    return Go([&listener, connections, serve = std::move(serve)] {
      for (int i = 1; i <= connections; ++i) {
        Socket socket = Accept(listener);
        socket.set_deadline(Guard());
        serve(socket, i);
      }
    });
  }
  static void Answer(Socket& socket) {
    EXPECT_EQ(socket.ReadUntil("\n").value_or("nothing"), "ping\n");
    EXPECT_EQ(socket.Write("pong\n"), absl::OkStatus());
  }
  static Address Nobody() { return *Address::FromLiteral(world().Host(1), world().FreePort()); }
};

// Source: include/redial/client.h: a call dials, runs and hands its result over.
CONFORM(Calling, GivesWhatTheOperationReturned) {
  Listener listener = Listen();
  Task server = Serve(listener, 1, [](Socket& socket, int) { Answer(socket); });
  EXPECT_EQ(ClientOf(listener.local()).Call({.operation = "PING"}, Ping).value_or("nothing"),
            "pong\n");
}

// Source: gRFC A6 (maxAttempts); AWS standard retries.
CONFORM(Calling, ARefusalIsRetriedSoManyTimes) {
  const Instant began = Now();
  const absl::Status status =
      ClientOf(Nobody(), {Thrice()}).Call({.timeout = kHang}, Ping).status();
  EXPECT_GE(Now() - began, 2 * kPause);
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED);
  const Failure failure = *FailureOf(status);
  ASSERT_EQ(failure.attempts.size(), 3U);
  for (const AttemptRecord& attempt : failure.attempts) {
    EXPECT_EQ(attempt.phase, Phase::kConnect);
    EXPECT_EQ(attempt.sent, Sent::kNo);
  }
}

// Source: turmoil Sim::bounce: a server that comes back is reached.
CONFORM(Calling, AServerThatComesBackIsReached) {
  const Address address = Nobody();
  std::optional<Listener> listener;
  Task server = Go([&] {
    Sleep(absl::Milliseconds(30));
    absl::StatusOr<Listener> listening = Listener::Listen(address);
    ASSERT_EQ(listening.status(), absl::OkStatus());
    listener.emplace(*std::move(listening));
    Socket socket = Accept(*listener);
    socket.set_deadline(Guard());
    Answer(socket);
  });
  const Client client = ClientOf(
      address, {Retry({.max_attempts = 1000, .backoff = Constant(absl::Milliseconds(5))})});
  EXPECT_EQ(client.Call({.timeout = kHang}, Ping).value_or("nothing"), "pong\n");
}

// Source: gRFC A6 (what reached the server's logic isn't retried unasked); RFC 9110, section 9.2.2.
CONFORM(Calling, WhatMayHaveRunIsNotRepeated) {
  Listener listener = Listen();
  Task server = Serve(listener, 1, [](Socket& socket, int) {
    EXPECT_EQ(socket.ReadUntil("\n").value_or("nothing"), "ping\n");
    world().Reset(socket);
  });
  const absl::Status status =
      ClientOf(listener.local(), {Thrice()}).Call({.timeout = kHang}, Ping).status();
  EXPECT_EQ(ErrnoOf(status), ECONNRESET) << status;
  EXPECT_EQ(FailureOf(status)->attempts.size(), 1U);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
}

// Source: RFC 9110, section 9.2.2: idempotent requests may be repeated.
CONFORM(Calling, WhatIsIdempotentIsRepeated) {
  Listener listener = Listen();
  Task server = Serve(listener, 2, [](Socket& socket, int number) {
    if (number == 2) return Answer(socket);
    EXPECT_EQ(socket.ReadUntil("\n").value_or("nothing"), "ping\n");
    world().Reset(socket);
  });
  EXPECT_EQ(ClientOf(listener.local(), {Thrice()})
                .Call({.timeout = kHang, .idempotent = true}, Ping)
                .value_or("nothing"),
            "pong\n");
}

// Source: Go net/http Transport (a request of which nothing was written is retried).
CONFORM(Calling, WhatWasProvablyNotSentIsRepeated) {
  Listener listener = Listen();
  Task server = Serve(listener, 2, [](Socket& socket, int number) {
    if (number == 1) return world().Reset(socket);
    EXPECT_EQ(socket.Write("welcome\n"), absl::OkStatus());
    Answer(socket);
  });
  const absl::StatusOr<std::string> reply =
      ClientOf(listener.local(), {Thrice()})
          .Call({.timeout = kHang}, [&](Socket& socket) -> absl::StatusOr<std::string> {
            const absl::StatusOr<std::string> greeting = socket.ReadUntil("\n");
            return greeting.ok() ? Ping(socket) : greeting;
          });
  EXPECT_EQ(reply.value_or("nothing"), "pong\n");
}

// Source: docs/architecture.md, law 1.
CONFORM(Calling, OneDeadlineBoundsTheWhole) {
  const auto hole = world().MakeBlackHole(Address::Family::kIpv4, 0);
  const Instant began = Now();
  const absl::Status status = ClientOf(hole->address(), {Thrice()})
                                  .Call({.timeout = absl::Milliseconds(50)}, Ping)
                                  .status();
  ExpectTook(began, absl::Milliseconds(50));
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
}

// Source: docs/architecture.md, law 1: nobody sleeps to fail later.
CONFORM(Calling, APauseThatOutlastsTheDeadlineIsNotSlept) {
  const Instant began = Now();
  const absl::Status status =
      ClientOf(Nobody(), {Retry({.max_attempts = 3, .backoff = Constant(kHang)})})
          .Call({.timeout = kHang / 2}, Ping)
          .status();
  ExpectAtOnce(began);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(FailureOf(status)->attempts.size(), 1U);
}

// Source: gRFC A6 (perAttemptRecvTimeout); Envoy per_try_timeout.
CONFORM(Calling, AnAttemptOfItsOwnTimeIsCutShortAndRepeated) {
  Listener listener = Listen();
  Task server = Serve(listener, 2, [](Socket& socket, int number) {
    if (number == 2) return Answer(socket);
    EXPECT_EQ(socket.ReadUntil("\n").value_or("nothing"), "ping\n");
    EXPECT_EQ(ReadByte(socket).value_or(99), 0U) << "the client has left";
  });
  EXPECT_EQ(ClientOf(listener.local(), {Thrice(), AttemptTimeout(absl::Milliseconds(50))})
                .Call({.timeout = kHang, .idempotent = true}, Ping)
                .value_or("nothing"),
            "pong\n");
}

// Source: include/redial/client.h: the socket's deadline is the attempt's.
CONFORM(Calling, TheSocketHasTheCallsDeadline) {
  Listener listener = Listen();
  const Deadline deadline = In(absl::Milliseconds(40));
  const Instant began = Now();
  const absl::Status status = ClientOf(listener.local())
                                  .Call({.timeout = kHang, .deadline = deadline},
                                        [&](Socket& socket) -> absl::StatusOr<size_t> {
                                          EXPECT_LE(socket.deadline(), deadline);
                                          return ReadByte(socket);
                                        })
                                  .status();
  EXPECT_GE(Now() - began, absl::Milliseconds(40) - kMoment);
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
}

// Source: google-cloud-cpp retry_loop ("Retry policy exhausted in ..., last: ...").
CONFORM(Calling, TheStoryTellsEveryAttempt) {
  const Address nobody = Nobody();
  const absl::Status status =
      ClientOf(nobody, {Thrice()}).Call({.operation = "PING", .timeout = kHang}, Ping).status();
  const std::string story = Story(status);
  EXPECT_THAT(story, HasSubstr("PING " + nobody.ToString()));
  EXPECT_THAT(story, HasSubstr("3 attempts"));
  EXPECT_THAT(story, HasSubstr("#3 "));
  EXPECT_THAT(story, HasSubstr("connection refused (ECONNREFUSED)"));
}

// Source: include/redial/client.h: safe between threads.
CONFORM(Calling, ManyCallsShareAClient) {
  constexpr int kCalls = 20;
  Listener listener = Listen();
  std::vector<Task> servers;
  for (int i = 0; i < 4; ++i) {
    servers.push_back(Serve(listener, kCalls / 4, [](Socket& socket, int) { Answer(socket); }));
  }
  const Client client = ClientOf(listener.local(), {Thrice()});
  std::atomic<int> pongs{0};
  {
    std::vector<Task> tasks;
    for (int i = 0; i < kCalls; ++i) {
      tasks.push_back(Go([&] {
        if (client.Call({.timeout = kHang}, Ping).value_or("nothing") == "pong\n") ++pongs;
      }));
    }
  }
  EXPECT_EQ(pongs, kCalls);
}

// Source: docs/architecture.md: a call within a call keeps its own deadline and socket.
CONFORM(Calling, CallsNest) {
  Listener listener = Listen();
  Task servers[2];
  for (Task& server : servers) {
    server = Serve(listener, 1, [](Socket& socket, int) { Answer(socket); });
  }
  const Client client = ClientOf(listener.local());
  const absl::StatusOr<std::string> reply =
      client.Call({.timeout = kHang}, [&](Socket& outer) -> absl::StatusOr<std::string> {
        absl::StatusOr<std::string> inner = client.Call({.timeout = kHang / 2}, Ping);
        EXPECT_EQ(inner.value_or("nothing"), "pong\n");
        return Ping(outer);
      });
  EXPECT_EQ(reply.value_or("nothing"), "pong\n");
}

// Source: include/redial/policies/fail_fast.h.
CONFORM(Calling, FailFastEndsAtTheFirstFailure) {
  const absl::Status status = ClientOf(Nobody(), {FailFast(), Thrice()})
                                  .Call({.timeout = kHang, .idempotent = true}, Ping)
                                  .status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(FailureOf(status)->attempts.size(), 1U);
}

}  // namespace
}  // namespace redial::conformance
