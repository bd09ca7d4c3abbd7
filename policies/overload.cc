#include "policies/overload.h"

#include <cerrno>

namespace redial::internal {

bool IsOfThisHost(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
      return true;
    default:
      return false;
  }
}

bool IsPeersOverload(const Outcome& outcome) {
  return outcome.code == absl::StatusCode::kResourceExhausted && outcome.error == 0 &&
         outcome.phase == Phase::kNone;
}

bool AsksToBeSpared(const Outcome& outcome) {
  return outcome.has_retry_after || IsPeersOverload(outcome);
}

}  // namespace redial::internal
