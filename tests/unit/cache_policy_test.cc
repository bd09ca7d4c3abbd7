// Somebody's policies, tested against fake sockets: the second program that redial was made for.

#include <gtest/gtest.h>

#include <string>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"

namespace {

using redial::testing::IsOkAndHolds;

// Production code.
redial::PolicyList CachePolicies() {
  return {redial::Retry({.max_attempts = 4, .backoff = redial::Constant(absl::Seconds(1))}),
          redial::AttemptTimeout(absl::Seconds(5))};
}

absl::StatusOr<std::string> Ping(const redial::Client& client) {
  return client.Call({.operation = "PING", .timeout = absl::Seconds(30), .idempotent = true},
                     [](redial::Socket& socket) -> absl::StatusOr<std::string> {
                       if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                       return socket.ReadUntil("\r\n", {.max_bytes = 512});
                     });
}

TEST(CachePolicy, RidesOutARefusalAndAStall) {
  redial::testing::FakeNetwork net;  // virtual time, one thread, no ports
  net.Script("tcp://cache:6379")
      .Refuse()
      .Accept()
      .Expect("PING\r\n")
      .Stall()
      .Accept()
      .Expect("PING\r\n")
      .Reply("+PONG\r\n");
  auto client = redial::Client::Create("tcp://cache:6379", CachePolicies(), {.network = net});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_THAT(Ping(*client), IsOkAndHolds("+PONG\r\n"));
  EXPECT_EQ(net.Trace(),
            "0s #1 refused\n"
            "1s #2 connected\n"
            "6s #2 attempt timeout after 6 B sent\n"
            "7s #3 ok\n");
}

}  // namespace
