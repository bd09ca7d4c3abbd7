// Puts `SocketOptions` and `DatagramOptions` into effect.
#ifndef REDIAL_SRC_NET_SOCKET_OPTIONS_H_
#define REDIAL_SRC_NET_SOCKET_OPTIONS_H_

#include <sys/socket.h>

#include "redial/network.h"

namespace redial::internal {

// 0, or the errno of the option that the kernel refused. Options of TCP are left out for other
// families. A listener's are inherited by what it accepts.
int ApplySocketOptions(int fd, sa_family_t family, const SocketOptions& options);
int ApplyDatagramOptions(int fd, const DatagramOptions& options);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_SOCKET_OPTIONS_H_
