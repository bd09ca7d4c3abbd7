// What a system call's errno means for the address that it was about.
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_NET_KERNEL_ERROR_H_
#define REDIAL_SRC_NET_KERNEL_ERROR_H_

#include "absl/status/status.h"
#include "redial/address.h"

namespace redial::internal {

// A connect to a free port of this machine may be given that very port as its own, and then
// connects to itself. Each further dial is given another one.
inline constexpr int kMostDials = 3;

// "connect to 127.0.0.1:80: connection refused (ECONNREFUSED)".
absl::Status ConnectError(int error, const Address& address);
// "listen on 127.0.0.1:80: address already in use (EADDRINUSE)".
absl::Status ListenError(int error, const Address& address);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_KERNEL_ERROR_H_
