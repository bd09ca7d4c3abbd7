#include "redial/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "src/core/host_port.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr std::string_view kForm = "address:port";

// "2" in "fe80::1%2". 0 would mean that there is none.
std::optional<uint32_t> ParseScope(std::string_view text) {
  uint64_t scope = 0;
  if (text.empty() || text.size() > 10) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    scope = scope * 10 + static_cast<uint64_t>(c - '0');
  }
  if (scope == 0 || scope > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(scope);
}

}  // namespace

Address Address::Ipv4(const std::array<uint8_t, 4>& bytes, uint16_t port) {
  Address address;
  address.family_ = Family::kIpv4;
  address.port_ = port;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

Address Address::Ipv6(const std::array<uint8_t, 16>& bytes, uint16_t port, uint32_t scope_id) {
  Address address;
  address.family_ = Family::kIpv6;
  address.port_ = port;
  address.scope_id_ = scope_id;
  address.bytes_ = bytes;
  return address;
}

absl::StatusOr<Address> Address::Unix(std::string_view path) {
  if (const std::string problem = internal::UnixPathProblem(path); !problem.empty()) {
    return internal::Wrong("Unix socket path", path, problem);
  }
  Address address;
  address.family_ = Family::kUnix;
  address.path_ = path;
  return address;
}

std::optional<Address> Address::FromLiteral(std::string_view host, uint16_t port) {
  // The longest literal has 45 characters, a scope eleven more. inet_pton wants a terminator, and
  // stops at a NUL that would hide what follows.
  if (host.size() > 60 || host.find('\0') != std::string_view::npos) return std::nullopt;
  const size_t percent = host.find('%');
  const std::string literal(host.substr(0, percent));
  if (percent == std::string_view::npos) {
    std::array<uint8_t, 4> ipv4;
    if (inet_pton(AF_INET, literal.c_str(), ipv4.data()) == 1) return Ipv4(ipv4, port);
  }
  std::array<uint8_t, 16> ipv6;
  if (inet_pton(AF_INET6, literal.c_str(), ipv6.data()) != 1) return std::nullopt;
  if (percent == std::string_view::npos) return Ipv6(ipv6, port);
  const auto scope = ParseScope(host.substr(percent + 1));
  if (!scope.has_value()) return std::nullopt;
  return Ipv6(ipv6, port, *scope);
}

absl::StatusOr<Address> Address::Parse(std::string_view text) {
  const auto wrong = [text](std::string_view problem) {
    return internal::Wrong("address", text, problem);
  };
  if (text.empty()) return wrong("it is empty; write address:port or /path");
  if (text.front() == '/' || text.front() == '@') {
    if (const std::string problem = internal::UnixPathProblem(text); !problem.empty()) {
      return wrong(problem);
    }
    return Unix(text);
  }
  const auto split = internal::SplitHostPort(text, kForm);
  if (!split.ok()) return wrong(internal::ToStd(split.status().message()));
  if (split->bracketed) {
    if (const std::string problem = internal::LiteralProblem(split->host); !problem.empty()) {
      return wrong(problem);
    }
  }
  auto address = FromLiteral(split->host, split->port);
  if (!address.has_value()) return wrong("the host is not an IPv4 address, nor IPv6 in brackets");
  return *std::move(address);
}

Address Address::WithPort(uint16_t port) const {
  Address address = *this;
  address.port_ = port;
  return address;
}

bool Address::is_loopback() const {
  if (family_ == Family::kIpv4) return bytes_[0] == 127;
  if (family_ != Family::kIpv6) return false;
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes_.begin())) return bytes_[12] == 127;
  std::array<uint8_t, 16> one{};
  one.back() = 1;
  return bytes_ == one;
}

std::string Address::ToString() const {
  return is_ip() ? absl::StrCat(HostString(), ":", port_) : HostString();
}

std::string Address::HostString() const {
  if (family_ == Family::kUnix) return path_;
  if (family_ == Family::kNone) return {};
  std::array<char, INET6_ADDRSTRLEN> text;
  const bool is_ipv4 = family_ == Family::kIpv4;
  // Can't fail: the family is known and the room suffices.
  inet_ntop(is_ipv4 ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  if (is_ipv4) return text.data();
  if (scope_id_ == 0) return absl::StrCat("[", text.data(), "]");
  return absl::StrCat("[", text.data(), "%", scope_id_, "]");
}

}  // namespace redial
