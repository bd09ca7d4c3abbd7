#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "redial/network.h"
#include "redial/runtime.h"
#include "src/net/address_error.h"
#include "src/net/kernel_acceptor.h"
#include "src/net/kernel_datagram.h"
#include "src/net/kernel_lookup.h"
#include "src/net/kernel_stream.h"
#include "src/net/sockaddr.h"
#include "src/net/socket_options.h"
#include "src/net/syscalls.h"

namespace redial {
namespace internal {
namespace {

// Closes without the minutes in which the kernel remembers a connection: they would keep a server
// from taking its port.
void Abandon(int fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

// What connect(2) said. A signal that interrupted it changes nothing: it goes on.
std::optional<KernelStream::State> StateAfterConnect(int error, sa_family_t family) {
  if (error == 0) return KernelStream::State::kConnected;
  if (error == EINPROGRESS || error == EINTR) return KernelStream::State::kConnecting;
  if (error == EAGAIN && family == AF_UNIX) return KernelStream::State::kBacklogFull;
  return std::nullopt;
}

// Null where the connection reached itself.
absl::StatusOr<std::unique_ptr<Stream>> DialOnce(const Address& address, const SockAddr& sockaddr,
                                                 const SocketOptions& options) {
  ScopedFd fd(::socket(sockaddr.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return ConnectError(errno, address);
  if (const int error = ApplySocketOptions(fd.get(), sockaddr.family(), options)) {
    return ConnectError(error, address);
  }
  const int error = ::connect(fd.get(), sockaddr.get(), sockaddr.size) == 0 ? 0 : errno;
  const std::optional<KernelStream::State> state = StateAfterConnect(error, sockaddr.family());
  if (!state) return ConnectError(error, address);
  const Address local = LocalAddressOf(fd.get());
  if (address.is_ip() && local == address) {
    Abandon(fd.get());
    return std::unique_ptr<Stream>();
  }
  return std::make_unique<KernelStream>(fd.release(), *state, local, address);
}

class KernelNetworkImpl final : public Network {
 public:
  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions& options) override {
    if (absl::Status status = options.Validate(); !status.ok()) return status;
    const SockAddr sockaddr = ToSockAddr(address);
    if (sockaddr.family() == AF_UNSPEC) {
      return absl::InvalidArgumentError("connect: no address was given");
    }
    for (int dial = 0; dial < kMostDials; ++dial) {
      absl::StatusOr<std::unique_ptr<Stream>> stream = DialOnce(address, sockaddr, options);
      if (!stream.ok() || *stream != nullptr) return stream;
    }
    return ConnectError(ECONNREFUSED, address);
  }

  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address& address,
                                                   const ListenOptions& options) override {
    if (absl::Status status = options.Validate(); !status.ok()) return status;
    return ListenOnKernel(address, options);
  }

  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override {
    return StartKernelLookup(request, options);
  }

  absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenDatagram(
      const Address& local, const Address& peer, const DatagramOptions& options) override {
    if (absl::Status status = options.Validate(); !status.ok()) return status;
    return OpenKernelDatagram(local, peer, options);
  }
};

// Never destroyed: a socket may outlive `main`.
union Forever {
  constexpr Forever() : network() {}
  ~Forever() {}
  KernelNetworkImpl network;
};
constinit const Forever forever;

}  // namespace
}  // namespace internal

Network& KernelNetwork() {
  // Stateless, so that nobody can change what is declared const.
  return const_cast<internal::KernelNetworkImpl&>(internal::forever.network);
}

Network& CurrentNetwork() {
  Network* const network = Runtime::Current().network();
  return network != nullptr ? *network : KernelNetwork();
}

}  // namespace redial
