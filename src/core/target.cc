#include "redial/target.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "redial/address.h"
#include "src/core/format.h"
#include "src/core/host_port.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr std::string_view kTcpForm = "tcp://host:port";
constexpr std::string_view kUdpForm = "udp://host:port";

bool IsScheme(std::string_view scheme, std::string_view known) {
  return absl::EqualsIgnoreCase(internal::ToAbsl(scheme), internal::ToAbsl(known));
}

// A host and a port that a connection can be made to.
absl::StatusOr<internal::HostPort> ParseService(std::string_view authority, std::string_view form) {
  auto split = internal::SplitHostPort(authority, form);
  if (!split.ok()) return split;
  const std::string problem =
      split->bracketed ? internal::LiteralProblem(split->host) : internal::HostProblem(split->host);
  if (!problem.empty()) return absl::InvalidArgumentError(problem);
  if (split->port == 0) {
    return absl::InvalidArgumentError("port 0 can't be connected to; ports are 1 to 65535");
  }
  return split;
}

}  // namespace

absl::StatusOr<Target> Target::Parse(std::string_view text) {
  const auto wrong = [text](std::string_view problem) {
    return internal::Wrong("target", text, problem);
  };
  if (text.empty()) return wrong("it is empty; write tcp://host:port or unix:///path");
  const size_t separator = text.find("://");
  if (separator == std::string_view::npos || separator == 0) {
    return wrong("it names no scheme; write tcp://host:port or unix:///path");
  }
  const std::string_view scheme = text.substr(0, separator);
  const std::string_view rest = text.substr(separator + 3);

  Target target;
  target.text_ = text;
  if (IsScheme(scheme, "unix")) {
    if (const std::string problem = internal::UnixPathProblem(rest); !problem.empty()) {
      return wrong(problem);
    }
    auto address = Address::Unix(rest);
    if (!address.ok()) return address.status();
    target.transport_ = Transport::kUnix;
    target.address_ = *std::move(address);
    return target;
  }
  if (IsScheme(scheme, "tls")) {
    return wrong("tls:// needs redial's TLS component, which this build does not have");
  }
  const bool udp = IsScheme(scheme, "udp");
  if (!udp && !IsScheme(scheme, "tcp")) {
    return wrong(absl::StrCat("the scheme ", internal::Quote(scheme, 20),
                              " is unknown; redial knows tcp://, unix:// and udp://"));
  }
  const auto service = ParseService(rest, udp ? kUdpForm : kTcpForm);
  if (!service.ok()) return wrong(internal::ToStd(service.status().message()));
  target.transport_ = udp ? Transport::kUdp : Transport::kTcp;
  target.host_ = service->host;
  target.port_ = service->port;
  target.address_ = Address::FromLiteral(service->host, service->port);
  return target;
}

std::string Target::ToString() const {
  if (address_.has_value()) return address_->ToString();
  return absl::StrCat(host_, ":", port_);
}

}  // namespace redial
