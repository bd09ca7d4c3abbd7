// A retry goes to another address than what failed, where there is one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"

namespace redial::testing {
namespace {

using ::testing::ElementsAre;

// Pings `cache`, and says where each attempt that connected went.
std::vector<std::string> Visits(FakeNetwork& net, RetryOptions options = {}) {
  auto client = Client::Create("tcp://cache:6379", {Retry(std::move(options))}, {.network = net});
  EXPECT_THAT(client, IsOk());
  std::vector<std::string> visits;
  const absl::StatusOr<std::string> pong =
      client->Call({.operation = "PING", .timeout = absl::Seconds(30), .idempotent = true},
                   [&](Socket& socket) -> absl::StatusOr<std::string> {
                     visits.push_back(socket.peer().HostString());
                     if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                     absl::StatusOr<std::string> line = socket.ReadUntil("\r\n", {.max_bytes = 64});
                     if (line.ok() && *line == "-BUSY\r\n") return absl::UnavailableError("busy");
                     return line;
                   });
  EXPECT_THAT(pong, IsOkAndHolds("+PONG\r\n"));
  return visits;
}

FakePeer& TwoAddresses(FakeNetwork& net) {
  return net.Script("tcp://cache:6379").Resolve({"10.0.0.1", "10.0.0.2"});
}

// The next connection, on which the peer was pinged.
FakePeer& Pinged(FakePeer& peer, FakePeer::Where where = FakePeer::Where::current()) {
  return peer.Accept(where).Expect("PING\r\n", where);
}

TEST(DistinctEndpoint, LeavesTheAddressThatReset) {
  FakeNetwork net;
  FakePeer& cache = TwoAddresses(net);
  Pinged(cache).Reset();
  Pinged(cache).Reply("+PONG\r\n");
  EXPECT_THAT(Visits(net), ElementsAre("10.0.0.1", "10.0.0.2"));
}

TEST(DistinctEndpoint, BeginsAnewWhenAllHaveFailed) {
  FakeNetwork net;
  FakePeer& cache = TwoAddresses(net);
  Pinged(cache).Close();
  Pinged(cache).Close();
  Pinged(cache).Reply("+PONG\r\n");
  EXPECT_THAT(Visits(net), ElementsAre("10.0.0.1", "10.0.0.2", "10.0.0.1"));
}

TEST(DistinctEndpoint, IsAWishNoMore) {
  FakeNetwork net;
  FakePeer& cache = net.Script("tcp://cache:6379").Resolve({"10.0.0.1"});
  Pinged(cache).Reset();
  Pinged(cache).Reply("+PONG\r\n");
  EXPECT_THAT(Visits(net), ElementsAre("10.0.0.1", "10.0.0.1"));
}

// What the operation reports is the peer's answer, and no reason to leave.
TEST(DistinctEndpoint, StaysWhereThePeerAnswered) {
  FakeNetwork net;
  FakePeer& cache = TwoAddresses(net);
  Pinged(cache).Reply("-BUSY\r\n");
  Pinged(cache).Reply("+PONG\r\n");
  EXPECT_THAT(Visits(net), ElementsAre("10.0.0.1", "10.0.0.1"));
}

TEST(DistinctEndpoint, CanBeTurnedOff) {
  FakeNetwork net;
  FakePeer& cache = TwoAddresses(net);
  Pinged(cache).Reset();
  Pinged(cache).Reply("+PONG\r\n");
  EXPECT_THAT(Visits(net, {.distinct_endpoint = false}), ElementsAre("10.0.0.1", "10.0.0.1"));
}

// The next call begins anew.
TEST(DistinctEndpoint, EachCallForgets) {
  FakeNetwork net;
  FakePeer& cache = TwoAddresses(net);
  Pinged(cache).Reset();
  Pinged(cache).Reply("+PONG\r\n");
  Pinged(cache).Reply("+PONG\r\n");
  EXPECT_THAT(Visits(net), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(Visits(net), ElementsAre("10.0.0.1"));
}

}  // namespace
}  // namespace redial::testing
