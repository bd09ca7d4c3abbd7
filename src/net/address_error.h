// What an errno means for the address that the system call was about.
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_NET_ADDRESS_ERROR_H_
#define REDIAL_SRC_NET_ADDRESS_ERROR_H_

#include "absl/status/status.h"
#include "redial/address.h"
#include "redial/export.h"

namespace redial::internal {

// "connect to 127.0.0.1:80: connection refused (ECONNREFUSED)".
REDIAL_EXPORT absl::Status ConnectError(int error, const Address& address);
// "listen on 127.0.0.1:80: address already in use (EADDRINUSE)".
REDIAL_EXPORT absl::Status ListenError(int error, const Address& address);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_ADDRESS_ERROR_H_
