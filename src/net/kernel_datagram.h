// A `DatagramEndpoint` over a kernel socket: UDP, and Unix sockets of that kind.
#ifndef REDIAL_SRC_NET_KERNEL_DATAGRAM_H_
#define REDIAL_SRC_NET_KERNEL_DATAGRAM_H_

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/descriptor.h"
#include "redial/network.h"
#include "redial/stream.h"
#include "src/net/kernel_acceptor.h"

namespace redial::internal {

// A connect to a free port of this machine may be given that very port as its own, and then
// connects to itself. Each further dial is given another one.
inline constexpr int kMostDials = 3;

// Safe between threads as a `DatagramEndpoint` is: one receives, one sends, any closes.
class KernelDatagram final : public DatagramEndpoint {
 public:
  // Takes over `fd`, which must be non-blocking.
  KernelDatagram(int fd, const Address& local, const Address& peer, BoundPath path)
      : path_(std::move(path)), fd_(fd), descriptor_(fd), local_(local), peer_(peer) {}

  DatagramIo TryReceive(absl::Span<char> buffer, Address* from) override;
  DatagramIo TrySend(std::string_view data, const Address* to) override;
  void Close() override { descriptor_.Close(); }
  void Poke() override { descriptor_.Poke(); }

  Address local() const override { return local_; }
  Address peer() const override { return peer_; }
  int fd() const override { return descriptor_.closed() ? -1 : fd_; }

 private:
  BoundPath path_;  // goes after the descriptor: nobody finds a path that nobody reads from
  const int fd_;
  Descriptor descriptor_;
  const Address local_;  // asked for at the start, so that errors can name them after a close
  const Address peer_;
};

// `options` are valid.
absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenKernelDatagram(
    const Address& local, const Address& peer, const DatagramOptions& options);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_KERNEL_DATAGRAM_H_
