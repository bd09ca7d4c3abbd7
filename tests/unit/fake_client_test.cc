// Clients on a fake network: the traces that whole calls leave.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stop_token>
#include <string>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"

namespace redial::testing {
namespace {

Client NewClient(FakeNetwork& net, PolicyList policies = {}) {
  auto client = Client::Create("tcp://cache:6379", std::move(policies), {.network = net});
  EXPECT_THAT(client, IsOk());
  return *std::move(client);
}

absl::StatusOr<std::string> Ping(const Client& client, const CallOptions& options) {
  return client.Call(options, [](Socket& socket) -> absl::StatusOr<std::string> {
    if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
    return socket.ReadUntil("\r\n", {.max_bytes = 512});
  });
}

PolicyPtr RetryEverySecond() { return Retry({.backoff = Constant(absl::Seconds(1))}); }

TEST(FakeClient, TellsTheCallsDeadlineFromOtherLimits) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept().Expect("PING\r\n").Reply("+PO").Stall();
  EXPECT_THAT(Ping(NewClient(net), {.timeout = absl::Seconds(5)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net.Trace(), "0s #1 connected\n5s #1 deadline after 6 B sent, 3 B received\n");
}

TEST(FakeClient, NamesTheSocketsOwnTimeout) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept();
  const absl::Status status =
      NewClient(net).Call({.timeout = absl::Seconds(5)}, [](Socket& socket) {
        if (auto set = socket.set_operation_timeout(absl::Seconds(2)); !set.ok()) return set;
        return socket.ReadExactly(1).status();
      });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net.Trace(), "0s #1 connected\n2s #1 read timeout\n");
}

TEST(FakeClient, TellsHowThePeerEndedIt) {
  FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Accept()
      .Expect("PING\r\n")
      .Reply("+P")
      .Reset()
      .Accept()
      .Expect("PING\r\n")
      .Close()
      .Accept()
      .Expect("PING\r\n")
      .Reply("+PONG\r\n");
  EXPECT_THAT(Ping(NewClient(net, {RetryEverySecond()}), {.idempotent = true}),
              IsOkAndHolds("+PONG\r\n"));
  EXPECT_EQ(net.Trace(),
            "0s #1 reset after 6 B sent, 2 B received\n"
            "1s #2 closed by peer after 6 B sent\n"
            "2s #3 ok\n");
}

TEST(FakeClient, TellsOfTheLookUp) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").NoSuchHost();
  EXPECT_THAT(Ping(NewClient(net, {RetryEverySecond()}), {}),
              StatusIs(absl::StatusCode::kNotFound));
  net.Script("tcp://cache:6379").NameServerSilent();
  EXPECT_THAT(Ping(NewClient(net), {}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Ping(NewClient(net, {AttemptTimeout(absl::Seconds(1))}), {}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net.Trace(),
            "0s #1 no such host\n"
            "6s #1 no name server answered\n"
            "7s #1 attempt timeout while resolving\n");
}

TEST(FakeClient, TellsWhereItWasStopped) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Refuse().Accept();
  std::stop_source backoff, reading;
  net.runtime().After(absl::Milliseconds(500), [&] { backoff.request_stop(); });
  net.runtime().After(absl::Seconds(2), [&] { reading.request_stop(); });
  const Client client = NewClient(net, {RetryEverySecond()});
  EXPECT_THAT(Ping(client, {.stop = backoff.get_token()}), StatusIs(absl::StatusCode::kCancelled));
  const absl::Status status = client.Call(
      {.stop = reading.get_token()}, [](Socket& socket) { return socket.ReadExactly(1).status(); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(net.Trace(),
            "0s #1 refused\n"
            "0.5s stopped during backoff\n"
            "0.5s #1 connected\n"
            "2s #1 stopped\n");
}

// Refuses everything.
class OpenBreaker final : public Policy {
 public:
  OpenBreaker() : Policy({.name = "OpenBreaker", .capabilities = kJudgesFirst | kJudgesAgain}) {}
  Verdict Judge(const View&) const override { return Verdict::Reject(Reason::kBreakerOpen); }
};

TEST(FakeClient, TellsThatNoAttemptWasAdmitted) {
  FakeNetwork net;
  EXPECT_THAT(Ping(NewClient(net, {std::make_shared<OpenBreaker>()}), {}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(net.Trace(), "0s refused by policy: circuit breaker open\n");
}

TEST(FakeClient, TheSeedDecidesTheJitter) {
  const auto trace = [](uint64_t seed) {
    FakeNetwork net({.seed = seed});
    net.Script("tcp://cache:6379").Refuse().Refuse().Refuse();
    EXPECT_FALSE(Ping(NewClient(net, {Retry()}), {}).ok());
    return net.Trace();
  };
  EXPECT_EQ(trace(1), trace(1));
  EXPECT_NE(trace(1), trace(2));
}

}  // namespace
}  // namespace redial::testing
