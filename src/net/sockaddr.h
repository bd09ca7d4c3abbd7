// Between redial's addresses and the kernel's.
#ifndef REDIAL_SRC_NET_SOCKADDR_H_
#define REDIAL_SRC_NET_SOCKADDR_H_

#include <sys/socket.h>

#include "redial/address.h"

namespace redial::internal {

// A kernel address of any family. A value.
struct SockAddr {
  sockaddr_storage storage{};
  socklen_t size = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sa_family_t family() const { return storage.ss_family; }
};

// AF_UNSPEC for no address.
SockAddr ToSockAddr(const Address& address);
// No address for families that redial doesn't know, and for Unix sockets without a path that an
// `Address` can hold (unnamed, or relative).
Address FromSockAddr(const SockAddr& sockaddr);

// No address where the kernel knows none.
Address LocalAddressOf(int fd);
Address PeerAddressOf(int fd);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_SOCKADDR_H_
