// A test program that links the test kit, which itself needs no test framework: a refusal and a
// stall ridden out in virtual time.

#include <iostream>
#include <string>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"

int main() {
  redial::testing::FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Refuse()
      .Accept()
      .Expect("PING\r\n")
      .Stall()
      .Accept()
      .Expect("PING\r\n")
      .Reply("+PONG\r\n");
  auto client = redial::Client::Create(
      "tcp://cache:6379",
      {redial::Retry({.max_attempts = 3, .backoff = redial::Constant(absl::Seconds(1))}),
       redial::AttemptTimeout(absl::Seconds(5))},
      {.network = net});
  if (!client.ok()) {
    std::cerr << client.status() << '\n';
    return 1;
  }
  auto pong = client->Call({.operation = "PING", .timeout = absl::Seconds(30), .idempotent = true},
                           [](redial::Socket& socket) -> absl::StatusOr<std::string> {
                             if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                             return socket.ReadUntil("\r\n", {.max_bytes = 512});
                           });
  std::cout << net.Trace();
  return pong.ok() && *pong == "+PONG\r\n" ? 0 : 1;
}
