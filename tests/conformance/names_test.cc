// Names and what they stand for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class LookingUp : public Body {
 protected:
  absl::StatusOr<Socket> DialName(const std::string& name, uint16_t port,
                                  absl::Duration timeout = kHang, std::stop_token stop = {}) {
    began_ = Now();
    return Dial(TargetOf(name, port), In(timeout), std::move(stop), options_);
  }
  static void ExpectSilentServer(const absl::Status& status) {
    EXPECT_THAT(std::string(status.message()),
                StartsWith("look-up of 'cache.test' timed out after "));
    EXPECT_EQ(FailureOf(status)->phase, Phase::kResolve);
    EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  }
  static absl::Status Bare(const absl::Status& status) {
    return absl::Status(status.code(), status.message());
  }

  DialOptions options_ = Options();
  Instant began_;
};

// Source: getaddrinfo(3).
CONFORM(LookingUp, ANameIsDialed) {
  Listener listener = Listen();
  world().names().Add("cache.test", world().Host(1));
  auto socket = DialName("cache.test", listener.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  Socket server = Accept(listener);
  ExpectTalks(*socket, server);
  EXPECT_THAT(world().names().queries(), UnorderedElementsAre("A cache.test", "AAAA cache.test"));
}

// Source: RFC 1035, section 4.1.1 (NXDOMAIN); Go net TestLookupNoSuchHost.
CONFORM(LookingUp, NoSuchHost) {
  const absl::Status status = DialName("nobody.test", 80).status();
  EXPECT_EQ(Bare(status), absl::NotFoundError("no such host: 'nobody.test'"));
  EXPECT_EQ(FailureOf(status)->phase, Phase::kResolve);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
}

// Source: RFC 2308, section 2.2 (NODATA).
CONFORM(LookingUp, AFamilyWithoutAddressesIsNotFound) {
  world().names().Add("cache.test", world().Host(1));
  options_.resolver.family = AddressFamily::kIpv6Only;
  EXPECT_EQ(Bare(DialName("cache.test", 80).status()),
            absl::NotFoundError("host 'cache.test' has no IPv6 address"));
}

// Source: RFC 1035, section 4.1.1 (SERVFAIL); Go net.DNSError: it isn't IsNotFound.
CONFORM(LookingUp, AServerThatFailsIsUnavailable) {
  world().names().Add("cache.test", world().Host(1));
  world().names().Trouble("cache.test", {.fails = true});
  const absl::Status status = DialName("cache.test", 80).status();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_THAT(std::string(status.message()), StartsWith("look-up of 'cache.test' failed: "));
  EXPECT_EQ(FailureOf(status)->phase, Phase::kResolve);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
}

// Source: c-ares test/ares-test-mock.cc TimeoutQuery; Go net TestDialTimeout.
CONFORM(LookingUp, ASilentServerIsLeftAtTheDeadline) {
  world().names().FallSilent();
  for (const int ms : {1, 20, 60}) {
    const absl::Status status = DialName("cache.test", 80, absl::Milliseconds(ms)).status();
    ExpectTook(began_, absl::Milliseconds(ms));
    EXPECT_EQ(status.code(), kDeadlineExceeded);
    ExpectSilentServer(status);
  }
}

// Source: RFC 1035, section 7.3: an answer may take its time.
CONFORM(LookingUp, ASlowAnswerIsWaitedFor) {
  Listener listener = Listen();
  world().names().Add("cache.test", world().Host(1));
  world().names().Trouble(
      "cache.test", {.ipv4_delay = absl::Milliseconds(30), .ipv6_delay = absl::Milliseconds(30)});
  EXPECT_EQ(DialName("cache.test", listener.local().port()).status(), absl::OkStatus());
  EXPECT_GE(Now() - began_, absl::Milliseconds(30));
}

// Source: include/redial/network.h: each dial asks anew.
CONFORM(LookingUp, ANameThatMovesIsFoundAgain) {
  Listener listener = ListenOn(world().Host(3));
  const uint16_t port = listener.local().port();
  world().names().Add("moving.test", world().Host(2));
  EXPECT_EQ(ErrnoOf(DialName("moving.test", port).status()), ECONNREFUSED);
  world().names().Replace("moving.test", world().Host(3));
  EXPECT_EQ(DialName("moving.test", port).status(), absl::OkStatus());
}

// Source: getaddrinfo(3), AI_NUMERICHOST.
CONFORM(LookingUp, ALiteralAsksNobody) {
  Listener listener = Listen();
  EXPECT_EQ(DialName(world().Host(1), listener.local().port()).status(), absl::OkStatus());
  EXPECT_THAT(world().names().queries(), IsEmpty());
}

// Source: RFC 6761, section 6.3.
CONFORM(LookingUp, LocalhostIsThisMachine) {
  Listener listener = ListenOn("127.0.0.1");
  for (const char* name : {"localhost", "db.localhost.", "LOCALHOST"}) {
    EXPECT_EQ(DialName(name, listener.local().port()).status(), absl::OkStatus()) << name;
  }
  EXPECT_THAT(world().names().queries(), IsEmpty());
}

// Source: curl CURLOPT_IPRESOLVE (CURL_IPRESOLVE_V6 asks for AAAA alone).
CONFORM(LookingUp, OneFamilyIsAskedForAlone) {
  Listener listener = ListenOn("::1");
  world().names().Add("cache.test", world().Host(1));
  world().names().Add("cache.test", "::1");
  options_.resolver.family = AddressFamily::kIpv6Only;
  EXPECT_EQ(DialName("cache.test", listener.local().port()).status(), absl::OkStatus());
  EXPECT_THAT(world().names().queries(), ElementsAre("AAAA cache.test"));
}

// Source: CPython create_connection: "we try all the addresses", in the order of the answer.
CONFORM(LookingUp, AddressesAreTriedInTheOrderOfTheAnswer) {
  const uint16_t port = world().FreePort();
  std::vector<std::string> expected;
  for (const int number : {5, 3, 4}) {
    world().names().Add("cache.test", world().Host(number));
    expected.push_back(Address::FromLiteral(world().Host(number), port)->ToString());
  }
  const Failure failure = *FailureOf(DialName("cache.test", port).status());
  std::vector<std::string> tried;
  for (const AddressTried& address : failure.tried) tried.push_back(address.address);
  EXPECT_EQ(tried, expected);
}

// Source: Go net.Resolver.Dial and gRPC's custom resolvers: a program's own way to look up.
CONFORM(LookingUp, AResolverOfOnesOwnIsAsked) {
  Listener listener = Listen();
  const uint16_t port = listener.local().port();
  const Deadline deadline = Guard();
  ResolveRequest asked;
  options_.resolver.function =
      [&](const ResolveRequest& request) -> absl::StatusOr<std::vector<Address>> {
    asked = request;
    return std::vector<Address>{*Address::FromLiteral(world().Host(1), 0)};
  };
  auto socket = Dial(TargetOf("own.test", port), deadline, {}, options_);
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(asked.host, "own.test");
  EXPECT_EQ(asked.port, port);
  EXPECT_EQ(asked.deadline, deadline);
  EXPECT_EQ(socket->peer(), listener.local()) << "port 0 stands for the target's";
  EXPECT_THAT(world().names().queries(), IsEmpty());
}

// Source: include/redial/network.h, ResolveFunction.
CONFORM(LookingUp, AResolversFailureIsTheDials) {
  options_.resolver.function = [](const ResolveRequest&) -> absl::StatusOr<std::vector<Address>> {
    return absl::PermissionDeniedError("not yours");
  };
  const absl::Status status = DialName("own.test", 80).status();
  EXPECT_EQ(Bare(status), absl::PermissionDeniedError("not yours"));
  EXPECT_EQ(FailureOf(status)->phase, Phase::kResolve);
  options_.resolver.function = [](const ResolveRequest&) -> absl::StatusOr<std::vector<Address>> {
    return std::vector<Address>();
  };
  EXPECT_EQ(Bare(DialName("own.test", 80).status()),
            absl::NotFoundError("no such host: 'own.test'"));
}

// Source: include/redial/network.h, ResolveFunction: it runs on the caller's thread, and may wait.
CONFORM(LookingUp, AResolverMayWait) {
  Listener listener = Listen();
  options_.resolver.function =
      [&](const ResolveRequest& request) -> absl::StatusOr<std::vector<Address>> {
    if (runtime().SleepUntil(In(absl::Milliseconds(20)), request.stop) != WaitResult::kTimedOut) {
      return absl::CancelledError("stopped");
    }
    return std::vector<Address>{listener.local()};
  };
  EXPECT_EQ(DialName("own.test", 80).status(), absl::OkStatus());
  EXPECT_GE(Now() - began_, absl::Milliseconds(20));
}

// Source: Go net TestDialTimeout with a deadline in the past.
CONFORM(LookingUp, APastDeadlineAsksNobody) {
  EXPECT_EQ(Dial(TargetOf("cache.test", 80), Deadline::Past(), {}, options_).status().code(),
            kDeadlineExceeded);
  EXPECT_THAT(world().names().queries(), IsEmpty());
}

// Source: libcurl's threaded resolver leaves a thread behind each look-up that timed out; redial's
// leaves nothing.
CONFORM(LookingUp, SixteenAtOnceAndASilentServer) {
  world().names().FallSilent();
  const size_t before = world().CountOpen();
  {
    std::vector<Task> tasks;
    for (int i = 0; i < 16; ++i) {
      tasks.push_back(Go([&, i] {
        const Instant began = Now();
        const absl::Duration timeout = absl::Milliseconds(60 + i);
        const absl::Status status =
            Dial(TargetOf("cache.test", 80), Deadline::After(began, timeout), {}, options_)
                .status();
        ExpectTook(began, timeout);
        EXPECT_EQ(status.code(), kDeadlineExceeded);
        ExpectSilentServer(status);
      }));
    }
  }
  EXPECT_EQ(world().CountOpen(), before);
}

// Source: Go net TestDialTimeoutFDLeak, over every outcome of a look-up.
CONFORM(LookingUp, NoOutcomeLeavesAnythingOpen) {
  Listener listener = Listen();
  const uint16_t port = listener.local().port();
  world().names().Add("cache.test", world().Host(1));
  world().names().Trouble("failing.test", {.fails = true});
  const size_t before = world().CountOpen();
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(DialName("cache.test", port).status(), absl::OkStatus());
    EXPECT_EQ(DialName("nobody.test", port).status().code(), kNotFound);
    EXPECT_EQ(DialName("failing.test", port).status().code(), kUnavailable);
    // It is the server's side of the ten that is still open.
    Socket server = Accept(listener);
  }
  EXPECT_EQ(world().CountOpen(), before);
}

}  // namespace
}  // namespace redial::conformance
