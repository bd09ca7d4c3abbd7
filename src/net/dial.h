// Dialing for calls, which keep the story of a dial that went well too.
#ifndef REDIAL_SRC_NET_DIAL_H_
#define REDIAL_SRC_NET_DIAL_H_

#include <stop_token>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/export.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/target.h"
#include "redial/time.h"

namespace redial::internal {

// kInvalidArgument for a target that names datagrams.
REDIAL_EXPORT absl::Status CheckStreamTarget(const Target& target);

// What a dial tells beside its result.
struct DialStory {
  // If set: called with each address when it is tried.
  absl::AnyInvocable<void(const Address&)> trying;
  // Every address that was tried in vain, with ECANCELED for those that another one beat.
  std::vector<AddressTried> tried;
  // How long the address that won took to connect.
  absl::Duration connect_time = absl::ZeroDuration();
};

// As `Dial`, with options that are known to be valid. Addresses in `avoid` are tried when no other one
// is left.
absl::StatusOr<Socket> DialAndTell(const Target& target, Deadline deadline,
                                   const std::stop_token& stop, const DialOptions& options,
                                   Network& network, absl::Span<const Address> avoid,
                                   DialStory& story);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_DIAL_H_
