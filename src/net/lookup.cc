#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/time.h"
#include "src/core/strings.h"

namespace redial {
namespace {

absl::Status Wrong(std::string_view field, std::string_view value, std::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(internal::ToAbsl(field), " is ",
                                                 internal::ToAbsl(value), "; it must be ",
                                                 internal::ToAbsl(allowed)));
}

absl::Status Wrong(std::string_view field, absl::Duration value, std::string_view allowed) {
  const std::string text(absl::FormatDuration(value));
  return Wrong(field, text, allowed);
}

}  // namespace

Lookup::~Lookup() = default;

std::vector<AddressTried> Lookup::Tried(Instant) const { return {}; }

absl::Status ResolverOptions::Validate() const {
  if (family > AddressFamily::kIpv6Only) {
    return Wrong("ResolverOptions.family", absl::StrCat(static_cast<int>(family)),
                 "kAny, kIpv4Only or kIpv6Only");
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    const auto address = Address::Parse(servers[i]);
    if (!address.ok() || !address->is_ip() || address->port() == 0) {
      return Wrong(absl::StrCat("ResolverOptions.servers[", i, "]"),
                   absl::StrCat("\"", servers[i], "\""),
                   "an IP address with a port, such as \"127.0.0.1:53\" or \"[::1]:53\"");
    }
  }
  // Also catches what isn't a number of milliseconds for c-ares: an int.
  if (server_timeout < absl::Milliseconds(1) || server_timeout > absl::Hours(1)) {
    return Wrong("ResolverOptions.server_timeout", server_timeout, "from 1ms to 1h");
  }
  if (tries < 1 || tries > 100) {
    return Wrong("ResolverOptions.tries", absl::StrCat(tries), "from 1 to 100");
  }
  return absl::OkStatus();
}

absl::Status DialOptions::Validate() const {
  if (attempt_delay < absl::Milliseconds(10) || attempt_delay > absl::Seconds(2)) {
    return Wrong("DialOptions.attempt_delay", attempt_delay, "from 10ms to 2s");
  }
  if (resolution_delay < absl::ZeroDuration() || resolution_delay > absl::Seconds(2)) {
    return Wrong("DialOptions.resolution_delay", resolution_delay, "from 0 to 2s");
  }
  if (absl::Status status = resolver.Validate(); !status.ok()) return status;
  return socket.Validate();
}

}  // namespace redial
