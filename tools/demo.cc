#include <cerrno>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/strip.h"
#include "redial/redial.h"
#include "tools/child_process.h"
#include "tools/commands.h"
#include "tools/flaky_server.h"

namespace redial::tools {
namespace {

absl::StatusOr<std::string> Ping(Socket& socket) {
  if (absl::Status sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
  return socket.ReadUntil("\r\n", {.max_bytes = 512});
}

PolicyList Patient(PolicyPtr extra = nullptr) {
  PolicyList policies = {Retry({.max_attempts = 5, .backoff = Constant(absl::Milliseconds(400))}),
                         AttemptTimeout(absl::Milliseconds(700)), Report(ToTerminal(stdout))};
  if (extra) policies.push_back(std::move(extra));
  return policies;
}

void Title(const std::string& text) { std::cout << "\n" << text << "\n" << std::flush; }

// Prints what the call came to. False if that isn't what the scene shows.
bool Show(const absl::StatusOr<std::string>& reply, bool should_succeed) {
  if (reply.ok()) {
    std::cout << "  => " << absl::StripSuffix(*reply, "\r\n") << '\n';
  } else {
    // Its story has just been reported.
    std::cout << "  => " << absl::StatusCodeToString(reply.status().code()) << '\n';
  }
  std::cout << std::flush;
  return reply.ok() == should_succeed;
}

// A server that comes up after the first attempt, and hangs on the second.
bool ShowRetry(FlakyServer& server) {
  Title("1. Retry: refused, then no answer, then the reply.");
  auto open_after_first = Report(ToFunction([&](const CallEvent& event) {
    if (event.type == CallEvent::Type::kAttemptEnded && event.attempt == 1) {
      (void)server.Open({Behaviour::kStall, Behaviour::kAnswer});
    }
  }));
  auto client = Client::Create(server.target(), Patient(open_after_first));
  if (!client.ok()) return Show(client.status(), true);
  const bool shown = Show(
      client->Call({.operation = "PING", .timeout = absl::Seconds(10), .idempotent = true}, Ping),
      true);
  server.Close();
  return shown;
}

bool ShowFailFast(FlakyServer& server) {
  Title("2. Fail fast: nobody listens, and waiting won't help.");
  auto client = Client::Create(server.target(), Patient(FailFast(OnErrno(ECONNREFUSED))));
  if (!client.ok()) return Show(client.status(), true);
  return Show(
      client->Call({.operation = "PING", .timeout = absl::Seconds(10), .idempotent = true}, Ping),
      false);
}

bool ShowReport(FlakyServer& server) {
  Title(
      "3. Report: cut off in mid-reply. INCR isn't idempotent, so nobody repeats it; the story "
      "says so.");
  if (absl::Status opened = server.Open({Behaviour::kCutOff}); !opened.ok()) {
    return Show(opened, true);
  }
  auto client = Client::Create(server.target(), Patient());
  if (!client.ok()) return Show(client.status(), true);
  const auto reply = client->Call({.operation = "INCR", .timeout = absl::Seconds(10)}, Ping);
  server.Close();
  return Show(reply, false);
}

bool ShowRedis() {
  Title("4. The same client and a real redis-server.");
  if (!FindProgram("redis-server")) {
    std::cout << "  redis-server isn't installed here: left out.\n";
    return true;
  }
  const PrivateDirectory directory;
  const std::string path = directory.path() + "/redis.sock";
  auto redis = ChildProcess::Start({"redis-server", "--port", "0", "--unixsocket", path, "--save",
                                    "", "--dir", directory.path()});
  if (!redis.ok()) return Show(redis.status(), true);
  PolicyList policies = {Retry({.max_attempts = 50,
                                .backoff = Constant(absl::Milliseconds(100)),
                                .retry_on = OnAnyFailure()})};
  auto client = Client::Create("unix://" + path, std::move(policies));
  if (!client.ok()) return Show(client.status(), true);
  return Show(
      client->Call({.operation = "PING", .timeout = absl::Seconds(10), .idempotent = true}, Ping),
      true);
}

}  // namespace

int Demo() {
  auto server = FlakyServer::Create();
  if (!server.ok()) {
    std::cerr << "redial: the demo's server can't listen on loopback: " << Story(server.status())
              << '\n';
    return kExitFailed;
  }
  std::cout << "A flaky server on " << (*server)->target() << ", and three answers to it.\n";
  bool ok = ShowRetry(**server);
  ok &= ShowFailFast(**server);
  ok &= ShowReport(**server);
  ok &= ShowRedis();
  std::cout << '\n'
            << (ok ? "All as it should be." : "Something above isn't as it should be.") << '\n';
  return ok ? kExitDone : kExitFailed;
}

}  // namespace redial::tools
