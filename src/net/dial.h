// Dialing for calls, which keep the story of a dial that went well too.
#ifndef REDIAL_SRC_NET_DIAL_H_
#define REDIAL_SRC_NET_DIAL_H_

#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

// As `Dial`, with options that are known to be valid. `tried` is set to every address that was
// tried in vain, with ECANCELED for those that another one beat.
absl::StatusOr<Socket> DialAndTell(const Target& target, Deadline deadline,
                                   const std::stop_token& stop, const DialOptions& options,
                                   Network& network, std::vector<AddressTried>& tried);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_DIAL_H_
