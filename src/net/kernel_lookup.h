// Looking names up as the machine is configured to: /etc/hosts, then the name servers and search
// domains of /etc/resolv.conf, through c-ares.
//
//   auto lookup = StartKernelLookup({.host = "cache", .port = 6379}, options);
//
// The two families are asked side by side and answered one by one, so that dialing can begin with
// the first. Nothing waits and no thread is made: c-ares's sockets are sources, and its timers are
// `next_timer`.
#ifndef REDIAL_SRC_NET_KERNEL_LOOKUP_H_
#define REDIAL_SRC_NET_KERNEL_LOOKUP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "redial/network.h"

namespace redial::internal {

// Where the machine's configuration is; tests have their own.
struct NameConfiguration {
  std::string resolv_conf;              // empty for /etc/resolv.conf
  bool hosts_from_environment = false;  // the file that the variable CARES_HOSTS names
};

// kInvalidArgument for wrong options, kResourceExhausted when out of memory; any other failure is
// in the answers.
absl::StatusOr<std::unique_ptr<Lookup>> StartKernelLookup(const ResolveRequest& request,
                                                          const ResolverOptions& options,
                                                          const NameConfiguration& configuration);
absl::StatusOr<std::unique_ptr<Lookup>> StartKernelLookup(const ResolveRequest& request,
                                                          const ResolverOptions& options);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_KERNEL_LOOKUP_H_
