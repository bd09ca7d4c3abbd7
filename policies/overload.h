// Who has run out of something: the peer, which then needs to be spared, or this host, which says
// nothing about the peer.
#ifndef REDIAL_POLICIES_OVERLOAD_H_
#define REDIAL_POLICIES_OVERLOAD_H_

#include "redial/view.h"

namespace redial::internal {

// This host is out of descriptors, ports or memory.
bool IsOfThisHost(int error);

// The peer's word that it has enough: kResourceExhausted, as operation code reports it. What redial
// itself reports under that code (no descriptors, a line that is too long) is a limit of this side and
// names its phase or errno, which the peer's word doesn't.
bool IsPeersOverload(const Outcome& outcome);

// The same, or that it asked for a pause (RetryAfter).
bool AsksToBeSpared(const Outcome& outcome);

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_OVERLOAD_H_
