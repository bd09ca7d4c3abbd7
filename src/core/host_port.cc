#include "src/core/host_port.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "redial/address.h"
#include "src/core/format.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

constexpr size_t kMaxQuoted = 40;
constexpr size_t kMaxName = 253;      // RFC 1035, without the root's dot
constexpr size_t kMaxLabel = 63;      // RFC 1035
constexpr size_t kMaxUnixPath = 107;  // sockaddr_un's 108 with the terminator

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }
bool IsControl(char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); }
bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
}

template <class Test>
bool Any(std::string_view text, Test test) {
  for (const char c : text) {
    if (test(c)) return true;
  }
  return false;
}

template <class... Parts>
absl::Status Problem(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// What mustn't stand anywhere in an authority.
absl::Status CheckCharacters(std::string_view text, std::string_view form) {
  if (text.empty()) return Problem("host and port are missing; write ", ToAbsl(form));
  if (Any(text, IsSpace)) return Problem("it contains white space");
  if (Any(text, IsControl)) return Problem("it contains a control character");
  if (text.find('@') != std::string_view::npos) {
    return Problem("a user name or password has no place in it; write ", ToAbsl(form));
  }
  if (const size_t at = text.find_first_of("/?#"); at != std::string_view::npos) {
    return Problem("nothing may follow the port, but ", Quote(text.substr(at), kMaxQuoted),
                   " does; write ", ToAbsl(form));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint16_t> ParsePort(std::string_view text, std::string_view form) {
  if (text.empty()) return Problem("the port is missing; write ", ToAbsl(form));
  uint32_t port = 0;
  for (const char c : text) {
    if (!IsDigit(c)) {
      return Problem("the port ", Quote(text, kMaxQuoted), " is not a number from 1 to 65535");
    }
    if (port <= 65535) port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port > 65535) {
    return Problem("the port ", Quote(text, kMaxQuoted), " is above 65535, the last one");
  }
  return static_cast<uint16_t>(port);
}

absl::StatusOr<HostPort> SplitBracketed(std::string_view text, std::string_view form) {
  const size_t close = text.find(']');
  if (close == std::string_view::npos) {
    return Problem("the bracket is not closed; write [address]:port");
  }
  HostPort split;
  split.host = text.substr(1, close - 1);
  split.bracketed = true;
  if (split.host.empty()) return Problem("the brackets are empty; write [address]:port");
  const std::string_view rest = text.substr(close + 1);
  if (!rest.empty() && rest.front() != ':') {
    return Problem(Quote(rest, kMaxQuoted), " follows the bracket, where only :port may");
  }
  const auto port = ParsePort(rest.empty() ? rest : rest.substr(1), form);
  if (!port.ok()) return port.status();
  split.port = *port;
  return split;
}

// `text` has several colons.
absl::Status TooManyColons(std::string_view text, std::string_view form) {
  const std::string_view before_last = text.substr(0, text.rfind(':'));
  if (Address::FromLiteral(text, 0).has_value() ||
      Address::FromLiteral(before_last, 0).has_value()) {
    return Problem("an IPv6 address must stand in brackets, as in [::1]:80");
  }
  return Problem("it has too many colons; write ", ToAbsl(form));
}

std::string LabelProblem(std::string_view host, std::string_view label) {
  const auto problem = [&](std::string_view what) {
    return absl::StrCat("the host ", Quote(host, kMaxQuoted), " ", ToAbsl(what));
  };
  if (label.empty()) return problem("has an empty label");
  for (size_t i = 0; i < label.size(); ++i) {
    if (IsNameCharacter(label[i])) continue;
    if (static_cast<unsigned char>(label[i]) >= 0x80) {
      return problem("is not in ASCII; write its xn-- form");
    }
    return problem(absl::StrCat("contains ", Quote(label.substr(i, 1)),
                                ", but only letters, digits, '-', '_' and '.' may stand there"));
  }
  if (label.size() > kMaxLabel) return problem("has a label of more than 63 characters");
  if (label.front() == '-' || label.back() == '-') {
    return problem("has a label that begins or ends with '-'");
  }
  return {};
}

// `text` with what may hold a password left out.
std::string WithoutUser(std::string_view text) {
  const size_t scheme = text.find("://");
  const size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t at = text.rfind('@');
  const bool is_path = absl::StartsWithIgnoreCase(ToAbsl(text), "unix:") || text.front() == '/';
  if (at == std::string_view::npos || at <= begin || is_path) return Quote(text);
  // Two quotations, joined where their inner quotes would be.
  const std::string before = Quote(text.substr(0, begin));
  const std::string after = Quote(text.substr(at));
  return absl::StrCat(before.substr(0, before.size() - 1), "…", after.substr(1));
}

}  // namespace

absl::StatusOr<HostPort> SplitHostPort(std::string_view text, std::string_view form) {
  if (absl::Status status = CheckCharacters(text, form); !status.ok()) return status;
  if (text.front() == '[') return SplitBracketed(text, form);
  const size_t colon = text.find(':');
  if (colon != text.rfind(':')) return TooManyColons(text, form);
  HostPort split;
  split.host = text.substr(0, colon);
  if (split.host.empty()) return Problem("the host is missing; write ", ToAbsl(form));
  const auto port = ParsePort(
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1), form);
  if (!port.ok()) return port.status();
  split.port = *port;
  return split;
}

std::string HostProblem(std::string_view host) {
  std::string_view name = host;
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  if (name.size() > kMaxName) {
    return absl::StrCat("the host ", Quote(host, kMaxQuoted), " is longer than 253 characters");
  }
  std::string_view last;
  for (std::string_view rest = name;;) {
    const size_t dot = rest.find('.');
    last = rest.substr(0, dot);
    if (std::string problem = LabelProblem(host, last); !problem.empty()) return problem;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // No name ends in a number (RFC 3696), so this is an address with a slip in it.
  const bool numeric = !Any(last, [](char c) { return !IsDigit(c); });
  if (numeric && !Address::FromLiteral(host, 0).has_value()) {
    return absl::StrCat("the host ", Quote(host, kMaxQuoted),
                        " is neither a name nor an IPv4 address of four numbers up to 255");
  }
  return {};
}

std::string LiteralProblem(std::string_view literal) {
  const auto address = Address::FromLiteral(literal, 0);
  if (address.has_value() && address->family() == Address::Family::kIpv6) return {};
  if (const size_t percent = literal.find('%'); percent != std::string_view::npos) {
    std::string problem = LiteralProblem(literal.substr(0, percent));
    if (!problem.empty()) return problem;
    return absl::StrCat("the scope ", Quote(literal.substr(percent + 1), kMaxQuoted),
                        " is not the number of a network interface, as in [fe80::1%2]");
  }
  return absl::StrCat(Quote(literal, kMaxQuoted),
                      " stands in brackets, but is not an IPv6 address");
}

std::string UnixPathProblem(std::string_view path) {
  if (path.empty()) return "the path is missing; it starts with '/', or with '@' if abstract";
  const bool abstract = path.front() == '@';
  if (!abstract && path.front() != '/') {
    return absl::StrCat("the path ", Quote(path, kMaxQuoted),
                        " is relative; it starts with '/', or with '@' if abstract");
  }
  if (path.find('\0') != std::string_view::npos) return "the path contains a NUL character";
  if (abstract && path.size() == 1) return "the name after '@' is missing";
  const size_t size = path.size() - (abstract ? 1 : 0);
  if (size > kMaxUnixPath) {
    return absl::StrCat("the path has ", size, " bytes, but the kernel takes at most ",
                        kMaxUnixPath);
  }
  if (!abstract && path.back() == '/') {
    return absl::StrCat("the path ", Quote(path, kMaxQuoted), " is that of a directory");
  }
  return {};
}

absl::Status Wrong(std::string_view kind, std::string_view text, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("bad ", ToAbsl(kind), " ",
                                                 text.empty() ? Quote(text) : WithoutUser(text),
                                                 ": ", ToAbsl(problem)));
}

}  // namespace redial::internal
