#include "src/net/kernel_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "src/net/sockaddr.h"
#include "src/net/syscalls.h"

namespace redial::internal {
namespace {

bool EndsConnection(int error) {
  return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ECONNABORTED ||
         error == EHOSTUNREACH || error == ENETUNREACH;
}

// Whether the kernel still works on connecting. A connection that has failed, and whose errno
// somebody else has fetched, would otherwise look as if it were still on its way.
bool StillConnecting(int fd) {
  uint8_t state = 0;  // the first member of tcp_info; the kernel copies as much as there is room
  socklen_t size = sizeof(state);
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) != 0) return false;
  return state == TCP_SYN_SENT || state == TCP_SYN_RECV;
}

}  // namespace

Io KernelStream::FinishConnect() {
  if (state_ == State::kConnected) return {};
  const int fd = descriptor_.Enter(Descriptor::kWrite);
  if (fd < 0) return {.error = -fd};
  const Io io = state_ == State::kBacklogFull ? ConnectAgain(fd) : FinishTcpConnect(fd);
  descriptor_.Leave(Descriptor::kWrite);
  if (io.error == 0) state_ = State::kConnected;
  return io;
}

Io KernelStream::FinishTcpConnect(int fd) {
  SockAddr peer;
  peer.size = sizeof(peer.storage);
  if (::getpeername(fd, peer.get(), &peer.size) == 0) return {};
  // Not connected: either not yet, or no more.
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return {.error = error};
  if (StillConnecting(fd)) return {.error = EAGAIN, .want = &descriptor_.writable()};
  // It may have come about since the first question.
  if (::getpeername(fd, peer.get(), &peer.size) == 0) return {};
  return {.error = ECONNABORTED};
}

Io KernelStream::ConnectAgain(int fd) {
  const SockAddr address = ToSockAddr(peer_);
  if (RetryOnEintr([&] { return ::connect(fd, address.get(), address.size); }) == 0) return {};
  return {.error = errno};  // EAGAIN while the backlog stays full, with nothing to wait for
}

Io KernelStream::TryRead(absl::Span<char> buffer) {
  const int fd = descriptor_.Enter(Descriptor::kRead);
  if (fd < 0) [[unlikely]] {
    return {.error = -fd};
  }
  // Asked before the read: what a loop that begins to watch after it is told first is what was
  // there then, not what comes next.
  const bool watched = descriptor_.readable().tells_arrivals();
  const ssize_t n =
      RetryOnEintr([&] { return ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT); });
  const bool drained = watched && n > 0 && static_cast<size_t>(n) < buffer.size();
  drained_.store(drained, std::memory_order_relaxed);
  descriptor_.Leave(Descriptor::kRead);
  if (n > 0) [[likely]] {
    descriptor_.readable().Found();
    return {.bytes = static_cast<size_t>(n)};
  }
  const int error = errno;
  if (n == 0 && buffer.empty()) return {};
  return EndOfReads(n, error);
}

Source* KernelStream::Drained() {
  if (!spares_tries_ || !drained_.load(std::memory_order_relaxed)) return nullptr;
  Source& readable = descriptor_.readable();
  return readable.tells_arrivals() ? &readable : nullptr;
}

Io KernelStream::EndOfReads(ssize_t n, int error) {
  if (n == 0) return {.error = latched_.load(std::memory_order_relaxed)};
  if (WouldBlock(error)) return {.error = EAGAIN, .want = &descriptor_.readable()};
  if (EndsConnection(error)) latched_.store(error, std::memory_order_relaxed);
  return {.error = error};
}

Io KernelStream::TryWrite(std::string_view data) {
  const int fd = descriptor_.Enter(Descriptor::kWrite);
  if (fd < 0) [[unlikely]] {
    return {.error = -fd};
  }
  const ssize_t n = RetryOnEintr(
      [&] { return ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
  descriptor_.Leave(Descriptor::kWrite);
  if (n >= 0) [[likely]] {
    return {.bytes = static_cast<size_t>(n)};
  }
  const int error = errno;
  if (WouldBlock(error)) return {.error = EAGAIN, .want = &descriptor_.writable()};
  // EPIPE alone isn't kept: a peer that has merely closed may still have sent a reply and a proper
  // end, which reads go on to give.
  if (EndsConnection(error) && error != EPIPE) latched_.store(error, std::memory_order_relaxed);
  return {.error = error};
}

bool KernelStream::HasInput() {
  // Asked by the writer, so it enters as one; peeking disturbs no reader.
  const int fd = descriptor_.Enter(Descriptor::kWrite);
  if (fd < 0) return false;
  char byte = 0;
  const ssize_t n = RetryOnEintr([&] { return ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK); });
  const int error = errno;
  descriptor_.Leave(Descriptor::kWrite);
  if (n < 0 && EndsConnection(error)) latched_.store(error, std::memory_order_relaxed);
  return n > 0;
}

int KernelStream::ShutdownWrite() {
  const int fd = descriptor_.Enter(Descriptor::kWrite);
  if (fd < 0) return -fd;
  const int error = ::shutdown(fd, SHUT_WR) == 0 ? 0 : errno;
  descriptor_.Leave(Descriptor::kWrite);
  return error;
}

}  // namespace redial::internal
