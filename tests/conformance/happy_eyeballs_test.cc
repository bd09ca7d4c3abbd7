// Several addresses for one name (RFC 8305).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/stream.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using ::testing::StartsWith;

class HappyEyeballs : public Body {
 protected:
  absl::StatusOr<Socket> DialName(uint16_t port, absl::Duration timeout = kHang,
                                  std::stop_token stop = {}) {
    began_ = Now();
    return Dial(TargetOf("many.test", port), In(timeout), std::move(stop), options_);
  }
  static void Add(const std::string& literal) { world().names().Add("many.test", literal); }
  static std::string HostOf(const Address& address) {
    std::string host = address.HostString();
    return host.front() == '[' ? host.substr(1, host.size() - 2) : host;
  }
  // A silent address of the name.
  std::unique_ptr<BlackHole> AddHole(Address::Family family, uint16_t port) {
    auto hole = world().MakeBlackHole(family, port);
    Add(HostOf(hole->address()));
    return hole;
  }

  DialOptions options_ = Options();
  Instant began_;
};

// Source: RFC 8305, section 4: IPv6 first; curl tests/unit/unit2600 (mixed families).
CONFORM(HappyEyeballs, Ipv6FirstWhereBothAnswer) {
  Listener ipv6 = ListenOn("::1");
  Listener ipv4 = ListenOn(world().Host(1), ipv6.local().port());
  Add(world().Host(1));
  Add("::1");
  auto socket = DialName(ipv6.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->peer(), ipv6.local());
}

// Source: Go net TestDialerFallbackDelay; curl unit2600 (IPv4 after the delay).
CONFORM(HappyEyeballs, Ipv6IsBlackHoledAndIpv4Alive) {
  Listener listener = Listen();
  const auto dead = AddHole(Address::Family::kIpv6, listener.local().port());
  Add(world().Host(1));
  options_.attempt_delay = absl::Milliseconds(50);
  auto socket = DialName(listener.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_GE(Now() - began_, absl::Milliseconds(50)) << "IPv6 has its chance";
  EXPECT_EQ(socket->peer(), listener.local());
  Socket server = Accept(listener);
  ExpectTalks(*socket, server);
}

// Source: RFC 8305, section 5: a failure starts the next at once; curl unit2600.
CONFORM(HappyEyeballs, ARefusalDoesntWaitForTheDelay) {
  Listener listener = Listen();
  Add(world().Host(1));
  Add("::1");
  options_.attempt_delay = absl::Seconds(2);
  auto socket = DialName(listener.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_LT(Now() - began_, absl::Seconds(2));
}

// Source: Go net TestDialParallel (fallback after several failures).
CONFORM(HappyEyeballs, TwoOfThreeAddressesAreBlackHoled) {
  Listener listener = Listen();
  const uint16_t port = listener.local().port();
  const auto first = AddHole(Address::Family::kIpv4, port);
  const auto second = AddHole(Address::Family::kIpv4, port);
  Add(world().Host(1));
  options_.attempt_delay = absl::Milliseconds(30);
  const size_t before = world().CountOpen();
  {
    auto socket = DialName(port);
    ASSERT_EQ(socket.status(), absl::OkStatus());
    EXPECT_GE(Now() - began_, absl::Milliseconds(60));
    EXPECT_EQ(socket->peer(), listener.local());
    Socket server = Accept(listener);
    EXPECT_EQ(world().CountOpen(), before + 2) << "the losers are closed";
  }
  EXPECT_EQ(world().CountOpen(), before);
}

// Source: CPython test_socket test_create_connection_all_errors.
CONFORM(HappyEyeballs, EveryAddressIsInTheFailure) {
  const uint16_t port = world().FreePort();
  Add(world().Host(2));
  const auto silent = AddHole(Address::Family::kIpv4, port);
  Add(world().Host(4));
  options_.attempt_delay = absl::Milliseconds(10);
  const absl::Status status = DialName(port, absl::Milliseconds(300)).status();
  ExpectTook(began_, absl::Milliseconds(300));
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  const Failure failure = *FailureOf(status);
  EXPECT_EQ(failure.phase, Phase::kConnect);
  ASSERT_EQ(failure.tried.size(), 3U);
  EXPECT_EQ(failure.tried[0].address, Address::FromLiteral(world().Host(2), port)->ToString());
  EXPECT_EQ(failure.tried[0].error, ECONNREFUSED);
  EXPECT_EQ(failure.tried[1].address, silent->address().ToString());
  EXPECT_EQ(failure.tried[1].error, ETIMEDOUT);
  EXPECT_GE(failure.tried[1].elapsed, absl::Milliseconds(10));
  EXPECT_EQ(failure.tried[2].error, ECONNREFUSED);
  EXPECT_THAT(std::string(status.message()), StartsWith("connect to many.test:"));
}

// Source: Go net TestDialTimeout over several addresses: the one deadline bounds them all.
CONFORM(HappyEyeballs, OneDeadlineBoundsAllAddresses) {
  const uint16_t port = world().FreePort();
  const auto first = AddHole(Address::Family::kIpv4, port);
  const auto second = AddHole(Address::Family::kIpv4, port);
  const auto third = AddHole(Address::Family::kIpv6, port);
  options_.attempt_delay = absl::Milliseconds(10);
  const absl::Status status = DialName(port, absl::Milliseconds(300)).status();
  ExpectTook(began_, absl::Milliseconds(300));
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  const Failure failure = *FailureOf(status);
  ASSERT_EQ(failure.tried.size(), 3U);
  for (const AddressTried& tried : failure.tried) EXPECT_EQ(tried.error, ETIMEDOUT);
  EXPECT_EQ(failure.tried[0].address, third->address().ToString());
}

// Source: RFC 8305, section 4: families interleaved.
CONFORM(HappyEyeballs, FamiliesAreInterleaved) {
  const uint16_t port = world().FreePort();
  Add(world().Host(2));
  Add(world().Host(3));
  Add("::1");
  const absl::Status status = DialName(port).status();
  EXPECT_EQ(status.code(), kUnavailable);
  const Failure failure = *FailureOf(status);
  ASSERT_EQ(failure.tried.size(), 3U);
  EXPECT_THAT(failure.tried[0].address, StartsWith("[::1]:"));
  EXPECT_THAT(failure.tried[1].address, StartsWith(world().Host(2)));
  EXPECT_THAT(failure.tried[2].address, StartsWith(world().Host(3)));
}

// Source: curl unit2600: one IPv4 address that fails is one attempt.
CONFORM(HappyEyeballs, OneAddressIsOneAttempt) {
  const auto hole = AddHole(Address::Family::kIpv4, 0);
  options_.attempt_delay = absl::Milliseconds(10);
  const absl::Status status = DialName(hole->address().port(), absl::Milliseconds(200)).status();
  EXPECT_EQ(status.code(), kDeadlineExceeded);
  EXPECT_EQ(FailureOf(status)->tried.size(), 1U);
}

// Source: curl unit2600 (forced IPv4).
CONFORM(HappyEyeballs, AForcedIpv4LeavesIpv6Alone) {
  Listener ipv6 = ListenOn("::1");
  Listener ipv4 = ListenOn(world().Host(1), ipv6.local().port());
  Add(world().Host(1));
  Add("::1");
  options_.resolver.family = AddressFamily::kIpv4Only;
  auto socket = DialName(ipv6.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->peer(), ipv4.local());
}

// Source: curl unit2600 (forced IPv6).
CONFORM(HappyEyeballs, AForcedIpv6LeavesIpv4Alone) {
  Listener ipv4 = Listen();
  Add(world().Host(1));
  Add("::1");
  options_.resolver.family = AddressFamily::kIpv6Only;
  const absl::Status status = DialName(ipv4.local().port()).status();
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED);
  EXPECT_EQ(FailureOf(status)->tried.size(), 1U);
}

// Source: RFC 8305, section 3: an IPv4 answer waits for the resolution delay, no longer.
CONFORM(HappyEyeballs, AnIpv4AnswerWaitsForTheResolutionDelay) {
  Listener listener = Listen();
  Add(world().Host(1));
  world().names().Trouble("many.test", {.lose_ipv6 = true});
  options_.resolution_delay = absl::Milliseconds(40);
  auto socket = DialName(listener.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_GE(Now() - began_, absl::Milliseconds(40));
  EXPECT_LT(Now() - began_, absl::Seconds(2)) << "it waited for the name server";
}

// Source: RFC 8305, section 3: an IPv6 answer within the resolution delay is preferred.
CONFORM(HappyEyeballs, AnIpv6AnswerWithinTheResolutionDelayIsPreferred) {
  Listener ipv6 = ListenOn("::1");
  Listener ipv4 = ListenOn(world().Host(1), ipv6.local().port());
  Add(world().Host(1));
  Add("::1");
  world().names().Trouble("many.test", {.ipv6_delay = absl::Milliseconds(20)});
  options_.resolution_delay = absl::Seconds(2);
  auto socket = DialName(ipv6.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->peer(), ipv6.local());
}

// Source: RFC 8305, section 3: an IPv6 answer is used at once.
CONFORM(HappyEyeballs, AnIpv6AnswerWaitsForNothing) {
  Listener ipv6 = ListenOn("::1");
  Add("::1");
  world().names().Trouble("many.test", {.lose_ipv4 = true});
  options_.resolution_delay = absl::Seconds(2);
  auto socket = DialName(ipv6.local().port());
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_LT(Now() - began_, absl::Seconds(2));
}

// Source: Go net TestDialCancel.
CONFORM(HappyEyeballs, AStopEndsAllAttempts) {
  const uint16_t port = world().FreePort();
  const auto first = AddHole(Address::Family::kIpv4, port);
  const auto second = AddHole(Address::Family::kIpv6, port);
  options_.attempt_delay = absl::Milliseconds(10);
  const size_t before = world().CountOpen();
  std::stop_source stop;
  Task stopper = Go([&] {
    Sleep(absl::Milliseconds(30));
    stop.request_stop();
  });
  EXPECT_EQ(DialName(port, absl::InfiniteDuration(), stop.get_token()).status().code(), kCancelled);
  stopper.Join();
  EXPECT_EQ(world().CountOpen(), before);
}

// The world's network, but the connection to one address stands without anybody being told.
class Unheard final : public Network {
 public:
  Unheard(Network& network, Address address) : network_(network), address_(std::move(address)) {}

  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions& options) override {
    auto stream = network_.StartConnect(address, options);
    if (!stream.ok() || address != address_) return stream;
    return std::make_unique<Silent>(*std::move(stream));
  }
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address& address,
                                                   const ListenOptions& options) override {
    return network_.Listen(address, options);
  }
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override {
    return network_.StartLookup(request, options);
  }

 private:
  class Silent final : public Stream {
   public:
    explicit Silent(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
    Io FinishConnect() override {
      stream_->FinishConnect();
      return {.error = EAGAIN, .want = &never_};
    }
    Io TryRead(absl::Span<char> buffer) override { return stream_->TryRead(buffer); }
    Io TryWrite(std::string_view data) override { return stream_->TryWrite(data); }
    int ShutdownWrite() override { return stream_->ShutdownWrite(); }
    void Close() override { stream_->Close(); }
    void Poke() override { stream_->Poke(); }
    Address local() const override { return stream_->local(); }
    Address peer() const override { return stream_->peer(); }

   private:
    std::unique_ptr<Stream> stream_;
    Event never_;
  };

  Network& network_;
  const Address address_;
};

// Source: Go net TestDialParallelSpuriousConnection.
CONFORM(HappyEyeballs, TheLosersServerSeesTheEnd) {
  Listener loser = ListenOn(world().Host(2));
  const uint16_t port = loser.local().port();
  Listener winner = ListenOn(world().Host(3), port);
  Add(world().Host(2));
  Add(world().Host(3));
  options_.attempt_delay = absl::Milliseconds(20);
  Unheard network(CurrentNetwork(), loser.local());
  auto socket = Dial(TargetOf("many.test", port), Guard(), {}, options_, network);
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->peer(), winner.local());
  Socket accepted = Accept(loser);
  accepted.set_deadline(Guard());
  EXPECT_EQ(ReadByte(accepted).value_or(99), 0U) << "the end, not a reset";
  Socket server = Accept(winner);
  ExpectTalks(*socket, server);
}

}  // namespace
}  // namespace redial::conformance
