// A test program that links the test kit, which itself needs no test framework.

#include <iostream>
#include <string>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"

int main() {
  redial::testing::FakeNetwork net;
  net.Script("tcp://cache:6379").Refuse().Accept().Expect("PING\r\n").Reply("+PONG\r\n");
  auto client = redial::Client::Create(
      "tcp://cache:6379", {redial::Retry({.backoff = redial::Constant(absl::Seconds(1))})},
      {.network = net});
  if (!client.ok()) return 1;
  const absl::StatusOr<std::string> pong = client->Call(
      {.operation = "PING"}, [](redial::Socket& socket) -> absl::StatusOr<std::string> {
        if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
        return socket.ReadUntil("\r\n");
      });
  std::cout << net.Trace();
  return pong.ok() && net.Trace() == "0s #1 refused\n1s #2 ok\n" ? 0 : 1;
}
