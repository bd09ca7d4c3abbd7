#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "redial/socket.h"
#include "src/core/strings.h"
#include "src/net/kernel_stream.h"
#include "src/net/sockaddr.h"

namespace redial {
namespace {

using internal::KernelStream;
using internal::SockAddr;

absl::Status Unfit(int fd, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("Adopt: descriptor ", fd, " ", internal::ToAbsl(why)));
}

absl::Status CheckConnectedStream(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    return Unfit(fd, errno == EBADF ? "is not open" : "is not a socket");
  }
  if (type != SOCK_STREAM) return Unfit(fd, "is not a stream socket");
  SockAddr peer;
  peer.size = sizeof(peer.storage);
  if (::getpeername(fd, peer.get(), &peer.size) != 0) return Unfit(fd, "is not connected");
  return absl::OkStatus();
}

// Whether short reads mean what they do of a socket of redial's own: the kernel's TLS comes back
// short between two records, and other protocols have rules of their own.
KernelStream::Made MadeLike(int fd) {
  int protocol = 0;
  socklen_t size = sizeof(protocol);
  if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP) {
    return KernelStream::Made::kElsewhere;
  }
  char layer[16] = {};
  size = sizeof(layer);
  const bool plain = ::getsockopt(fd, IPPROTO_TCP, TCP_ULP, layer, &size) != 0 || size == 0;
  return plain ? KernelStream::Made::kByRedial : KernelStream::Made::kElsewhere;
}

// Adds what every descriptor of redial's has; false with an errno.
bool Prepare(int fd) {
  const int status = ::fcntl(fd, F_GETFL);
  const int flags = ::fcntl(fd, F_GETFD);
  return status >= 0 && flags >= 0 && ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0 &&
         ::fcntl(fd, F_SETFL, status | O_NONBLOCK) == 0;
}

}  // namespace

absl::StatusOr<Socket> Socket::Adopt(int fd) {
  if (absl::Status status = CheckConnectedStream(fd); !status.ok()) return status;
  if (!Prepare(fd)) return Unfit(fd, "can't be made non-blocking");
  return Socket(std::make_unique<KernelStream>(fd, KernelStream::State::kConnected,
                                               internal::LocalAddressOf(fd),
                                               internal::PeerAddressOf(fd), MadeLike(fd)));
}

}  // namespace redial
