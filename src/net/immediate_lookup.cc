#include "src/net/immediate_lookup.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

absl::Status InPhaseResolve(absl::Status status) {
  Failure failure = FailureOf(status).value_or(Failure{});
  failure.phase = Phase::kResolve;
  failure.sent = Sent::kNo;
  return WithFailure(std::move(status), failure);
}

// RFC 6761, section 6.3: such names are this machine's, and no name server is to be asked.
bool IsLocalhost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return absl::EqualsIgnoreCase(ToAbsl(host), "localhost") ||
         absl::EndsWithIgnoreCase(ToAbsl(host), ".localhost");
}

std::vector<Address> Loopback(uint16_t port) {
  std::array<uint8_t, 16> ipv6{};
  ipv6[15] = 1;
  return {Address::Ipv6(ipv6, port), Address::Ipv4({127, 0, 0, 1}, port)};
}

absl::StatusOr<std::vector<Address>> AskFunction(const ResolveRequest& request,
                                                 const ResolveFunction& function) {
  absl::StatusOr<std::vector<Address>> found = function(request);
  if (!found.ok()) return found;
  for (Address& address : *found) {
    if (!address.is_ip()) {
      return absl::InvalidArgumentError(absl::StrCat("the resolver function answered '",
                                                     address.ToString(), "' for '", request.host,
                                                     "': must be an IPv4 or IPv6 address"));
    }
    if (address.port() == 0) address = address.WithPort(request.port);
  }
  return found;
}

void Fill(Lookup::Answer& answer, const ResolveRequest& request, Address::Family family, bool asked,
          const absl::StatusOr<std::vector<Address>>& found) {
  answer.done = true;
  if (asked && !found.ok()) {
    answer.status = InPhaseResolve(found.status());
    return;
  }
  if (asked) {
    for (const Address& address : *found) {
      if (address.family() == family) answer.addresses.push_back(address);
    }
  }
  if (answer.addresses.empty()) {
    answer.status =
        asked && found->empty() ? NoSuchHost(request.host) : NoAddress(request.host, family);
  }
}

}  // namespace

absl::Status NoSuchHost(std::string_view host) {
  return InPhaseResolve(absl::NotFoundError(absl::StrCat("no such host: '", ToAbsl(host), "'")));
}

absl::Status NoAddress(std::string_view host, Address::Family family) {
  return InPhaseResolve(absl::NotFoundError(
      absl::StrCat("host '", ToAbsl(host), "' has no ",
                   family == Address::Family::kIpv6 ? "IPv6" : "IPv4", " address")));
}

ImmediateLookup::ImmediateLookup(const ResolveRequest& request, AddressFamily family,
                                 const absl::StatusOr<std::vector<Address>>& found) {
  Fill(ipv4_, request, Address::Family::kIpv4, family != AddressFamily::kIpv6Only, found);
  Fill(ipv6_, request, Address::Family::kIpv6, family != AddressFamily::kIpv4Only, found);
}

std::unique_ptr<Lookup> LookUpWithoutNetwork(const ResolveRequest& request,
                                             const ResolverOptions& options) {
  const auto immediate = [&](const absl::StatusOr<std::vector<Address>>& found) {
    return std::make_unique<ImmediateLookup>(request, options.family, found);
  };
  if (const auto literal = Address::FromLiteral(request.host, request.port)) {
    return immediate(std::vector<Address>{*literal});
  }
  if (options.function) return immediate(AskFunction(request, options.function));
  if (IsLocalhost(request.host)) return immediate(Loopback(request.port));
  return nullptr;
}

}  // namespace redial::internal
