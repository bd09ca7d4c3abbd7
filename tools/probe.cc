#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "redial/redial.h"
#include "tools/commands.h"
#include "tools/text_arguments.h"

namespace redial::tools {
namespace {

constexpr size_t kMostBytes = 1 << 20;

// The arguments, understood.
struct Exchange {
  std::optional<std::string> send;
  std::optional<std::string> expect;
  absl::Duration deadline;
  std::optional<absl::Duration> attempt_timeout;
};

absl::Status Named(std::string_view flag, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(std::string(flag), ": ", status.message()));
}

absl::StatusOr<Exchange> Understand(const ProbeArguments& arguments) {
  Exchange exchange;
  auto deadline = ParseDuration(arguments.deadline);
  if (!deadline.ok()) return Named("--deadline", deadline.status());
  exchange.deadline = *deadline;
  if (arguments.attempt_timeout) {
    auto timeout = ParseDuration(*arguments.attempt_timeout);
    if (!timeout.ok()) return Named("--attempt-timeout", timeout.status());
    exchange.attempt_timeout = *timeout;
  }
  if (arguments.send) {
    auto text = ParseEscapes(*arguments.send);
    if (!text.ok()) return Named("--send", text.status());
    exchange.send = *std::move(text);
  }
  if (arguments.expect) {
    auto text = ParseEscapes(*arguments.expect);
    if (!text.ok()) return Named("--expect", text.status());
    if (text->empty()) return absl::InvalidArgumentError("--expect: there is no text to wait for");
    exchange.expect = *std::move(text);
  }
  return exchange;
}

absl::StatusOr<Client> MakeClient(const ProbeArguments& arguments, const Exchange& exchange) {
  PolicyList policies = {Retry({.max_attempts = arguments.attempts}),
                         Report(arguments.json ? ToLines(stdout) : ToTerminal(stderr))};
  if (exchange.attempt_timeout) policies.push_back(AttemptTimeout(*exchange.attempt_timeout));
  if (arguments.fail_fast) policies.push_back(FailFast());
  return Client::Create(arguments.target, std::move(policies));
}

// What came back, or where it was connected to.
absl::StatusOr<std::string> Run(Socket& socket, const Exchange& exchange) {
  if (exchange.send) {
    if (absl::Status sent = socket.Write(*exchange.send); !sent.ok()) return sent;
  }
  if (exchange.expect) return socket.ReadUntil(*exchange.expect, {.max_bytes = kMostBytes});
  return exchange.send ? absl::StrCat("sent ", exchange.send->size(), " bytes to ",
                                      socket.peer().ToString(), "\n")
                       : absl::StrCat("connected to ", socket.peer().ToString(), "\n");
}

}  // namespace

int Probe(const ProbeArguments& arguments) {
  absl::StatusOr<Exchange> exchange = Understand(arguments);
  absl::StatusOr<Client> client =
      exchange.ok() ? MakeClient(arguments, *exchange) : absl::StatusOr<Client>(exchange.status());
  if (!client.ok()) {
    std::cerr << "redial: " << client.status().message() << '\n';
    return kExitUsage;
  }
  absl::StatusOr<std::string> reply = client->Call(
      {.operation = "probe", .timeout = exchange->deadline, .idempotent = arguments.idempotent},
      [&](Socket& socket) { return Run(socket, *exchange); });
  if (reply.ok()) {
    if (!arguments.json) std::cout << *reply;
    return kExitDone;
  }
  // With --json the last line tells it, and on a terminal or in a log the report has.
  return absl::IsDeadlineExceeded(reply.status()) &&
                 FailureOf(reply.status()).value_or(Failure()).elapsed >= exchange->deadline
             ? kExitDeadline
             : kExitFailed;
}

}  // namespace redial::tools
