// The text "host:port" or "[address]:port", with one sentence for each way to get it wrong.
//
//   auto split = SplitHostPort("[::1]:80", "tcp://host:port");
//   if (!split.ok()) return Wrong("target", text, split.status().message());
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_CORE_HOST_PORT_H_
#define REDIAL_SRC_CORE_HOST_PORT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace redial::internal {

struct HostPort {
  std::string_view host;  // without brackets; not empty
  bool bracketed = false;
  uint16_t port = 0;
};

// Takes `text` apart. What the host may consist of is `HostProblem`'s. `form` is what the sentence
// tells a user to write; the sentence doesn't quote the whole text, which the caller does.
absl::StatusOr<HostPort> SplitHostPort(std::string_view text, std::string_view form);

// What keeps `host`, which isn't in brackets, from being a name or an IPv4 address; "" when nothing
// does. A name's labels have letters, digits, '-' and '_'.
std::string HostProblem(std::string_view host);
// What keeps `literal` from being an IPv6 address with an optional numeric scope; "" when nothing
// does.
std::string LiteralProblem(std::string_view literal);
// What keeps `path` from being a Unix socket's; "" when nothing does.
std::string UnixPathProblem(std::string_view path);

// kInvalidArgument: `bad target "tcp://x": <problem>`. What stands before an '@' in an authority is
// left out of the quotation, since passwords stand there.
absl::Status Wrong(std::string_view kind, std::string_view text, std::string_view problem);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_HOST_PORT_H_
