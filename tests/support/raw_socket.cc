#include "tests/support/raw_socket.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "src/net/sockaddr.h"

namespace redial::testing {
namespace {

int Must(int result, const char* what) {
  if (result < 0) {
    std::perror(what);
    std::abort();
  }
  return result;
}

}  // namespace

RawSocket RawSocket::Listener(int backlog) {
  RawSocket listener(Must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const internal::SockAddr any = internal::ToSockAddr(Address::Ipv4({127, 0, 0, 1}, 0));
  Must(::bind(listener.fd(), any.get(), any.size), "bind");
  Must(::listen(listener.fd(), backlog), "listen");
  return listener;
}

RawSocket RawSocket::Connect(const Address& address) {
  const internal::SockAddr to = internal::ToSockAddr(address);
  RawSocket socket(Must(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  Must(::connect(socket.fd(), to.get(), to.size), "connect");
  return socket;
}

RawSocket RawSocket::Accept() const {
  return RawSocket(Must(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
}

Address RawSocket::local() const { return internal::LocalAddressOf(fd_); }

bool RawSocket::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string RawSocket::Receive(size_t at_most) const {
  std::string bytes(at_most, '\0');
  for (;;) {
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    bytes.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return bytes;
  }
}

void RawSocket::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void RawSocket::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  Must(::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), "SO_LINGER");
  Close();
}

void RawSocket::DropIncoming() const {
  sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &drop_all};
  Must(::setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), "filter");
}

void RawSocket::SetReceiveBuffer(int bytes) const {
  Must(::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), "SO_RCVBUF");
}

Pair TcpPair() {
  const RawSocket listener = RawSocket::Listener();
  RawSocket near = RawSocket::Connect(listener.local());
  RawSocket far = listener.Accept();
  return {*Socket::Adopt(near.Release()), std::move(far)};
}

Pair UnixPair() {
  int ends[2];
  Must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  return {*Socket::Adopt(ends[0]), RawSocket(ends[1])};
}

}  // namespace redial::testing
