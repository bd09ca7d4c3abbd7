// The other end of a connection, for tests of redial's: plain blocking system calls, and the fakes
// of a bad network that need no privileges.
#ifndef REDIAL_TESTS_SUPPORT_RAW_SOCKET_H_
#define REDIAL_TESTS_SUPPORT_RAW_SOCKET_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "redial/address.h"
#include "redial/socket.h"

namespace redial::testing {

// Owns a descriptor. Used by one thread, but for `fd()`.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawSocket& operator=(RawSocket&& other) noexcept {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~RawSocket() { Close(); }

  // Bound to a free port of 127.0.0.1 and listening.
  static RawSocket Listener(int backlog = 16);
  // Blocks.
  static RawSocket Connect(const Address& address);
  RawSocket Accept() const;

  int fd() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  Address local() const;

  // All of it; false when the other end is gone.
  bool Send(std::string_view bytes) const;
  // Up to so many bytes; empty at the end, or when it was reset.
  std::string Receive(size_t at_most) const;
  void Close();
  // Closes with a reset.
  void Reset();
  // From now on nothing that the other end sends arrives: a listener becomes a black hole, a
  // connection's end a dead peer.
  void DropIncoming() const;
  void SetReceiveBuffer(int bytes) const;

 private:
  int fd_ = -1;
};

// A connection whose one end is redial's.
struct Pair {
  Socket ours;
  RawSocket theirs;
};
Pair TcpPair();
Pair UnixPair();

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_RAW_SOCKET_H_
