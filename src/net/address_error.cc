#include "src/net/address_error.h"

#include <cerrno>

#include "redial/failure.h"
#include "src/core/status.h"

namespace redial::internal {

absl::Status ConnectError(int error, const Address& address) {
  Failure failure;
  failure.phase = Phase::kConnect;
  failure.sent = Sent::kNo;
  failure.address = address.ToString();
  return ErrnoStatus(error, failure);
}

absl::Status ListenError(int error, const Address& address) {
  Failure failure;
  failure.phase = Phase::kListen;
  failure.sent = Sent::kNo;
  failure.error = error;
  failure.address = address.ToString();
  if (error != EADDRNOTAVAIL) return ErrnoStatus(error, failure);
  // To a client it means that its ports are used up; here it is a mistake in the address.
  return FailureStatus(absl::StatusCode::kInvalidArgument,
                       "not an address of this machine (EADDRNOTAVAIL)", failure);
}

}  // namespace redial::internal
