// A program that knows redial from its public headers alone: a call that is refused twice, and
// tells its story.

#include <iostream>
#include <string>

#include "redial/redial.h"
#include "redial/version.h"

namespace {

// An address where nobody listens any more.
absl::StatusOr<std::string> RefusingTarget() {
  auto address = redial::Address::Parse("127.0.0.1:0");
  if (!address.ok()) return address.status();
  auto listener = redial::Listener::Listen(*address);
  if (!listener.ok()) return listener.status();
  return "tcp://" + listener->local().ToString();
}

int Fail(const std::string& sentence) {
  std::cerr << sentence << '\n';
  return 1;
}

}  // namespace

int main() {
  if (redial::Version() != REDIAL_VERSION) return Fail("linked another redial than was included");

  auto target = RefusingTarget();
  if (!target.ok()) return Fail(std::string(target.status().message()));
  int failed_attempts = 0;
  auto client = redial::Client::Create(
      *target,
      {redial::Retry({.max_attempts = 2, .backoff = redial::Constant(absl::Milliseconds(1))}),
       redial::AttemptTimeout(absl::Seconds(5)),
       redial::Report(redial::ToFunction([&](const redial::CallEvent& event) {
         failed_attempts += event.type == redial::CallEvent::Type::kAttemptEnded;
       }))});
  if (!client.ok()) return Fail(std::string(client.status().message()));

  auto reply = client->Call({.operation = "PING", .timeout = absl::Seconds(10)},
                            [](redial::Socket& socket) -> absl::StatusOr<std::string> {
                              if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                              return socket.ReadUntil("\r\n", {.max_bytes = 512});
                            });
  if (reply.ok()) return Fail("somebody answered at " + *target);
  if (failed_attempts != 2) return Fail("expected two attempts");
  std::cout << redial::Story(reply.status()) << '\n';
}
