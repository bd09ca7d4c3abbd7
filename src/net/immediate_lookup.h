// Look-ups that need no name server: literal addresses, localhost, and a user's own function.
//
//   if (auto lookup = LookUpWithoutNetwork(request, options)) return lookup;
//
// Every `Network` asks this first, so that the three mean the same on each of them.
#ifndef REDIAL_SRC_NET_IMMEDIATE_LOOKUP_H_
#define REDIAL_SRC_NET_IMMEDIATE_LOOKUP_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/address.h"
#include "redial/network.h"
#include "redial/time.h"

namespace redial::internal {

// A look-up whose answers are known from the start. Used by one thread.
class ImmediateLookup final : public Lookup {
 public:
  // `found`, split by family. A family that is left without an address is kNotFound, or failed as
  // `found` did.
  ImmediateLookup(const ResolveRequest& request, AddressFamily family,
                  const absl::StatusOr<std::vector<Address>>& found);

  void Advance(Instant) override {}
  const Answer& ipv4() const override { return ipv4_; }
  const Answer& ipv6() const override { return ipv6_; }
  void AppendSources(std::vector<Source*>&) override {}
  Deadline next_timer() const override { return Deadline::Never(); }

 private:
  Answer ipv4_;
  Answer ipv6_;
};

// kNotFound, "no such host: 'x'".
absl::Status NoSuchHost(std::string_view host);
// kNotFound, "host 'x' has no IPv6 address".
absl::Status NoAddress(std::string_view host, Address::Family family);

// Null when somebody must be asked. A user's function runs here and now.
std::unique_ptr<Lookup> LookUpWithoutNetwork(const ResolveRequest& request,
                                             const ResolverOptions& options);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_IMMEDIATE_LOOKUP_H_
