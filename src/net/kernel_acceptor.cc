#include "src/net/kernel_acceptor.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/net/address_error.h"
#include "src/net/kernel_stream.h"
#include "src/net/sockaddr.h"
#include "src/net/socket_options.h"
#include "src/net/syscalls.h"

namespace redial::internal {
namespace {

// Errors of the connection that was next, not of the listener (accept(2), "Error handling").
bool MeansNext(int error) {
  switch (error) {
    case ECONNABORTED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EPERM:  // a firewall's rule
    case EPROTO:
      return true;
    default:
      return false;
  }
}

bool SetReuse(int fd) {
  const int on = 1;
  return ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
}

}  // namespace

BoundPath::BoundPath(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return;
  path_ = path;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

BoundPath::BoundPath(BoundPath&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

BoundPath::~BoundPath() {
  struct stat status{};
  if (path_.empty() || ::stat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
}

Acceptor::Result KernelAcceptor::TryAccept() {
  SockAddr peer;
  int accepted = -1;
  int error = 0;
  {
    const StdMutexLock lock(turn_);
    const int fd = descriptor_.Enter(Descriptor::kRead);
    if (fd < 0) return {.stream = nullptr, .error = -fd};
    do {
      peer.size = sizeof(peer.storage);
      accepted = ::accept4(fd, peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      error = accepted < 0 ? errno : 0;
    } while (MeansNext(error));
    descriptor_.Leave(Descriptor::kRead);
  }
  if (WouldBlock(error)) {
    return {.stream = nullptr, .error = EAGAIN, .want = &descriptor_.readable()};
  }
  if (error != 0) return {.stream = nullptr, .error = error};
  return {.stream = std::make_unique<KernelStream>(accepted, KernelStream::State::kConnected,
                                                   LocalAddressOf(accepted), FromSockAddr(peer))};
}

absl::StatusOr<std::unique_ptr<Acceptor>> ListenOnKernel(const Address& address,
                                                         const ListenOptions& options) {
  const SockAddr sockaddr = ToSockAddr(address);
  if (sockaddr.family() == AF_UNSPEC) {
    return absl::InvalidArgumentError("listen: no address was given");
  }
  ScopedFd fd(::socket(sockaddr.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return ListenError(errno, address);
  // Before listening: a buffer's size decides what window is offered to those who connect.
  if (const int error = ApplySocketOptions(fd.get(), sockaddr.family(), options.socket)) {
    return ListenError(error, address);
  }
  if (options.reuse_address && address.is_ip() && !SetReuse(fd.get())) {
    return ListenError(errno, address);
  }
  if (::bind(fd.get(), sockaddr.get(), sockaddr.size) != 0) return ListenError(errno, address);
  const bool in_file_system =
      address.family() == Address::Family::kUnix && address.path().front() == '/';
  BoundPath path = in_file_system ? BoundPath(address.path()) : BoundPath();
  if (::listen(fd.get(), options.backlog) != 0) return ListenError(errno, address);
  const Address local = address.is_ip() ? LocalAddressOf(fd.get()) : address;
  return std::make_unique<KernelAcceptor>(fd.release(), local, std::move(path));
}

}  // namespace redial::internal
