#include "src/net/sockaddr.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace redial::internal {
namespace {

// Copies in and out instead of casting, so that nothing is read through another type.
template <typename T>
void Store(const T& from, socklen_t size, SockAddr& to) {
  static_assert(sizeof(T) <= sizeof(to.storage));
  std::memcpy(&to.storage, &from, sizeof(from));
  to.size = size;
}

template <typename T>
T Load(const SockAddr& from) {
  T to;
  std::memcpy(&to, &from.storage, sizeof(to));
  return to;
}

SockAddr UnixSockAddr(const std::string& path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const size_t length = std::min(path.size(), sizeof(un.sun_path) - 1);
  std::memcpy(un.sun_path, path.data(), length);
  size_t size = offsetof(sockaddr_un, sun_path) + length;
  if (path.front() == '@') {
    un.sun_path[0] = '\0';  // the abstract namespace: its names end where the size says
  } else {
    ++size;  // the terminator
  }
  SockAddr result;
  Store(un, static_cast<socklen_t>(size), result);
  return result;
}

Address FromUnix(const SockAddr& sockaddr) {
  constexpr size_t kHeader = offsetof(sockaddr_un, sun_path);
  if (sockaddr.size <= kHeader) return Address();
  const auto un = Load<sockaddr_un>(sockaddr);
  const size_t length = std::min<size_t>(sockaddr.size - kHeader, sizeof(un.sun_path));
  std::string path;
  if (un.sun_path[0] == '\0') {
    path.assign(un.sun_path, length);
    path[0] = '@';
  } else {
    path.assign(un.sun_path, strnlen(un.sun_path, length));
  }
  return Address::Unix(path).value_or(Address());
}

template <typename GetName>
Address AddressOf(int fd, GetName get_name) {
  SockAddr sockaddr;
  sockaddr.size = sizeof(sockaddr.storage);
  if (get_name(fd, sockaddr.get(), &sockaddr.size) != 0) return Address();
  return FromSockAddr(sockaddr);
}

}  // namespace

SockAddr ToSockAddr(const Address& address) {
  SockAddr result;
  switch (address.family()) {
    case Address::Family::kNone:
      break;
    case Address::Family::kIpv4: {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_port = htons(address.port());
      std::memcpy(&in.sin_addr, address.bytes().data(), sizeof(in.sin_addr));
      Store(in, sizeof(in), result);
      break;
    }
    case Address::Family::kIpv6: {
      sockaddr_in6 in6{};
      in6.sin6_family = AF_INET6;
      in6.sin6_port = htons(address.port());
      in6.sin6_scope_id = address.scope_id();
      std::memcpy(&in6.sin6_addr, address.bytes().data(), sizeof(in6.sin6_addr));
      Store(in6, sizeof(in6), result);
      break;
    }
    case Address::Family::kUnix:
      result = UnixSockAddr(address.path());
      break;
  }
  return result;
}

Address FromSockAddr(const SockAddr& sockaddr) {
  if (sockaddr.family() == AF_INET && sockaddr.size >= sizeof(sockaddr_in)) {
    const auto in = Load<sockaddr_in>(sockaddr);
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return Address::Ipv4(bytes, ntohs(in.sin_port));
  }
  if (sockaddr.family() == AF_INET6 && sockaddr.size >= sizeof(sockaddr_in6)) {
    const auto in6 = Load<sockaddr_in6>(sockaddr);
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in6.sin6_addr, bytes.size());
    return Address::Ipv6(bytes, ntohs(in6.sin6_port), in6.sin6_scope_id);
  }
  if (sockaddr.family() == AF_UNIX) return FromUnix(sockaddr);
  return Address();
}

Address LocalAddressOf(int fd) { return AddressOf(fd, ::getsockname); }
Address PeerAddressOf(int fd) { return AddressOf(fd, ::getpeername); }

}  // namespace redial::internal
