#include "src/net/kernel_datagram.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "absl/status/status.h"
#include "src/net/address_error.h"
#include "src/net/sockaddr.h"
#include "src/net/socket_options.h"
#include "src/net/syscalls.h"

namespace redial::internal {
namespace {

// Null where the socket would be its own peer.
absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenOnce(const Address& local,
                                                           const Address& peer,
                                                           const DatagramOptions& options) {
  const bool binds = local.family() != Address::Family::kNone;
  const bool connects = peer.family() != Address::Family::kNone;
  const auto failed = [&](int error) {
    return connects ? ConnectError(error, peer) : ListenError(error, local);
  };
  const SockAddr own = ToSockAddr(local);
  const SockAddr other = ToSockAddr(peer);
  const sa_family_t family = binds ? own.family() : other.family();
  ScopedFd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return failed(errno);
  if (const int error = ApplyDatagramOptions(fd.get(), options)) return failed(error);
  if (binds && ::bind(fd.get(), own.get(), own.size) != 0) return ListenError(errno, local);
  const bool in_file_system =
      local.family() == Address::Family::kUnix && local.path().front() == '/';
  BoundPath path = in_file_system ? BoundPath(local.path()) : BoundPath();
  if (connects) {
    const auto connect = [&] { return ::connect(fd.get(), other.get(), other.size); };
    if (RetryOnEintr(connect) != 0) return ConnectError(errno, peer);
  }
  const Address bound = local.is_ip() || peer.is_ip() ? LocalAddressOf(fd.get()) : local;
  if (!binds && peer.is_ip() && bound == peer) return std::unique_ptr<DatagramEndpoint>();
  return std::make_unique<KernelDatagram>(fd.release(), bound, peer, std::move(path));
}

}  // namespace

DatagramIo KernelDatagram::TryReceive(absl::Span<char> buffer, Address* from) {
  const int fd = descriptor_.Enter(Descriptor::kRead);
  if (fd < 0) [[unlikely]] {
    return {.error = -fd};
  }
  SockAddr sender;
  ssize_t n;
  // MSG_TRUNC: the datagram's own length, however little of it fits.
  constexpr int kFlags = MSG_DONTWAIT | MSG_TRUNC;
  if (from == nullptr) {
    n = RetryOnEintr([&] { return ::recv(fd, buffer.data(), buffer.size(), kFlags); });
  } else {
    n = RetryOnEintr([&] {
      sender.size = sizeof(sender.storage);
      return ::recvfrom(fd, buffer.data(), buffer.size(), kFlags, sender.get(), &sender.size);
    });
  }
  const int error = errno;
  descriptor_.Leave(Descriptor::kRead);
  if (n >= 0) [[likely]] {
    if (from != nullptr) *from = FromSockAddr(sender);
    const auto size = static_cast<size_t>(n);
    return {.bytes = std::min(size, buffer.size()), .size = size};
  }
  if (WouldBlock(error)) return {.error = EAGAIN, .want = &descriptor_.readable()};
  return {.error = error};
}

DatagramIo KernelDatagram::TrySend(std::string_view data, const Address* to) {
  const int fd = descriptor_.Enter(Descriptor::kWrite);
  if (fd < 0) [[unlikely]] {
    return {.error = -fd};
  }
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  ssize_t n;
  if (to == nullptr) {
    n = RetryOnEintr([&] { return ::send(fd, data.data(), data.size(), kFlags); });
  } else {
    const SockAddr address = ToSockAddr(*to);
    n = RetryOnEintr([&] {
      return ::sendto(fd, data.data(), data.size(), kFlags, address.get(), address.size);
    });
  }
  const int error = errno;
  descriptor_.Leave(Descriptor::kWrite);
  if (n >= 0) [[likely]] {
    return {.bytes = static_cast<size_t>(n), .size = data.size()};
  }
  if (!WouldBlock(error)) return {.error = error};
  // It is the receiver's queue that is full where a Unix socket isn't connected, and nothing tells
  // when that has room: poll calls the socket writable all the time.
  const bool untold = to != nullptr && to->family() == Address::Family::kUnix;
  return {.error = EAGAIN, .want = untold ? nullptr : &descriptor_.writable()};
}

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenKernelDatagram(
    const Address& local, const Address& peer, const DatagramOptions& options) {
  if (local.family() == Address::Family::kNone && peer.family() == Address::Family::kNone) {
    return absl::InvalidArgumentError("datagram: no address was given");
  }
  for (int dial = 0; dial < kMostDials; ++dial) {
    auto endpoint = OpenOnce(local, peer, options);
    if (!endpoint.ok() || *endpoint != nullptr) return endpoint;
  }
  return ConnectError(ECONNREFUSED, peer);
}

}  // namespace redial::internal
