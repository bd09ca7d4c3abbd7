// Asks a name server for the IPv4 addresses of a name, over UDP: a question that may be lost is
// asked again, an answer that isn't the question's is passed over, and one deadline bounds it all.
// It runs as it stands on threads, on fibers and in a simulation.
//
//   auto dns = DnsClient::Create("udp://127.0.0.1:53");
//   if (!dns.ok()) return dns.status();
//   absl::StatusOr<std::vector<std::string>> addresses = dns->Ask("example.org");
#ifndef REDIAL_EXAMPLES_DNS_QUERY_H_
#define REDIAL_EXAMPLES_DNS_QUERY_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "redial/datagram.h"
#include "redial/redial.h"

class DnsClient {
 public:
  static absl::StatusOr<DnsClient> Create(std::string_view server) {
    auto target = redial::Target::Parse(server);
    if (!target.ok()) return target.status();
    auto policies = redial::PolicySet::Create(
        {redial::Retry({.max_attempts = 4, .backoff = redial::Constant(absl::Milliseconds(100))}),
         redial::AttemptTimeout(absl::Seconds(1))});
    if (!policies.ok()) return policies.status();
    return DnsClient(*std::move(target), *std::move(policies));
  }

  absl::StatusOr<std::vector<std::string>> Ask(std::string_view name) const {
    return redial::Call({.operation = "look-up", .timeout = absl::Seconds(5), .idempotent = true},
                        policies_,
                        [&](const redial::Attempt& attempt) { return AskOnce(name, attempt); });
  }

 private:
  using Addresses = std::vector<std::string>;
  static constexpr size_t kHeader = 12;

  DnsClient(redial::Target server, redial::PolicySet policies)
      : server_(std::move(server)), policies_(std::move(policies)) {}

  // A new socket each time has a new port, so that who would forge an answer must guess that too.
  absl::StatusOr<Addresses> AskOnce(std::string_view name, const redial::Attempt& attempt) const {
    auto socket = redial::Datagram::Connect(server_, attempt.deadline(), attempt.stop_token());
    if (!socket.ok()) return socket.status();
    const std::string question =
        Question(static_cast<uint16_t>(redial::Runtime::Current().NextSeed()), name);
    if (absl::Status sent = socket->Send(question); !sent.ok()) return sent;
    std::array<char, 512> buffer;  // what a name server sends at most, unless asked for more
    for (;;) {
      absl::StatusOr<size_t> size = socket->Receive(absl::MakeSpan(buffer));
      if (!size.ok()) return size.status();
      const std::string_view answer(buffer.data(), *size);
      // The id and the question come back; the flags between them don't.
      if (answer.size() < question.size() || answer.substr(0, 2) != question.substr(0, 2)) continue;
      if (answer.substr(kHeader, question.size() - kHeader) != question.substr(kHeader)) continue;
      return Read(name, answer, question.size());
    }
  }

  static std::string Question(uint16_t id, std::string_view name) {
    std::string bytes = {
        static_cast<char>(id >> 8), static_cast<char>(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    while (!name.empty()) {
      const std::string_view label = name.substr(0, name.find('.'));
      bytes += static_cast<char>(label.size());
      bytes += label;
      name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return bytes += std::string_view("\0\0\1\0\1", 5);  // the root; A; Internet
  }

  static absl::StatusOr<Addresses> Read(std::string_view name, std::string_view answer, size_t at) {
    const int code = answer[3] & 0x0f;
    const std::string text(name);
    if (code == 3) return absl::NotFoundError(absl::StrCat("no such name: ", text));
    if (code != 0) {
      return redial::Rejected(absl::UnavailableError(absl::StrCat("answered with code ", code)));
    }
    Addresses addresses;
    for (size_t left = Number(answer, 6); left > 0 && at < answer.size(); --left) {
      // Each record's name is two bytes that point back to the question's, or labels.
      while (at < answer.size() && answer[at] != 0 && (answer[at] & 0xc0) == 0)
        at += answer[at] + 1;
      at += at < answer.size() && answer[at] != 0 ? 2 : 1;
      const size_t length = Number(answer, at + 8);
      if (Number(answer, at) == 1 && length == 4 && at + 14 <= answer.size()) {
        std::array<uint8_t, 4> bytes;
        for (size_t i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(answer[at + 10 + i]);
        addresses.push_back(redial::Address::Ipv4(bytes, 0).HostString());
      }
      at += 10 + length;
    }
    return addresses;
  }

  static size_t Number(std::string_view bytes, size_t at) {
    if (at + 2 > bytes.size()) return 0;
    return static_cast<size_t>(static_cast<uint8_t>(bytes[at])) << 8 |
           static_cast<uint8_t>(bytes[at + 1]);
  }

  redial::Target server_;
  redial::PolicySet policies_;
};

#endif  // REDIAL_EXAMPLES_DNS_QUERY_H_
