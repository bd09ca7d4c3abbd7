// A client with a person in the loop: it displays each failure, asks whether to retry, and gives up where that can't help.
//
//   ask_before_retrying tcp://127.0.0.1:6379
#include <cstdio>
#include <iostream>
#include <string>

#include "redial/redial.h"

namespace {

absl::StatusOr<std::string> Ping(redial::Socket& socket) {
  if (absl::Status sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
  return socket.ReadUntil("\r\n", {.max_bytes = 512});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ask_before_retrying TARGET\n";
    return 2;
  }
  auto client = redial::Client::Create(
      argv[1], {redial::Retry({.max_attempts = 10, .backoff = redial::Constant(absl::Seconds(1))}),
                redial::AttemptTimeout(absl::Seconds(3)),
                redial::FailFast(redial::OnCode(absl::StatusCode::kNotFound)),
                redial::AskUser(redial::AskOnTerminal(stdin, stderr))});
  if (!client.ok()) {
    std::cerr << client.status().message() << '\n';
    return 2;
  }
  auto pong =
      client->Call({.operation = "PING", .timeout = absl::Minutes(2), .idempotent = true}, Ping);
  if (!pong.ok()) {
    std::cerr << redial::Story(pong.status()) << '\n';
    return 1;
  }
  std::cout << *pong;
}
