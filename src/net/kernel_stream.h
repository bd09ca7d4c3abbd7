// A `Stream` over a kernel socket.
#ifndef REDIAL_SRC_NET_KERNEL_STREAM_H_
#define REDIAL_SRC_NET_KERNEL_STREAM_H_

#include <atomic>
#include <memory>
#include <string_view>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/descriptor.h"
#include "redial/stream.h"

namespace redial::internal {

// How it connects. TCP connects go on in the kernel, and `FinishConnect` asks how far they came: it
// never connects again, since after a signal that fails with EALREADY. A Unix socket whose peer has
// a full backlog is the opposite: the kernel started nothing and there is nothing to wait for
// (poll calls it writable, and SO_ERROR is 0), so `FinishConnect` connects again.
//
// How it ends. A reset is reported by one system call alone, whichever comes first; after it reads
// return 0 like a proper end. So it is kept, and every later read says it again.
//
// How it spares a try. A read of TCP that comes back short has emptied the socket: what arrives
// after it is an edge of its own to an epoll loop that watched the socket before the read began and
// has seen nothing but bytes. After urgent data, an error or the end, which come without a further
// edge, nothing is spared; nor on a Unix socket, where a read also stops short of a message that
// carries descriptors.
//
// Safe between threads as a `Stream` is: one reads, one writes, any closes.
class KernelStream final : public Stream {
 public:
  enum class State { kConnecting, kBacklogFull, kConnected };

  // Takes over `fd`, which must be non-blocking. What somebody else has `made` may be more than a
  // plain socket: the kernel's TLS, for one, also comes back short between two records.
  enum class Made { kByRedial, kElsewhere };
  KernelStream(int fd, State state, const Address& local, const Address& peer,
               Made made = Made::kByRedial)
      : fd_(fd),
        spares_tries_(made == Made::kByRedial && peer.is_ip()),
        descriptor_(fd),
        state_(state),
        local_(local),
        peer_(peer) {}

  Io FinishConnect() override;
  Io TryRead(absl::Span<char> buffer) override;
  Source* Drained() override;
  Io TryWrite(std::string_view data) override;
  bool HasInput() override;
  int ShutdownWrite() override;
  void Close() override { descriptor_.Close(); }
  void Poke() override { descriptor_.Poke(); }

  Address local() const override { return local_; }
  Address peer() const override { return peer_; }
  int fd() const override { return descriptor_.closed() ? -1 : fd_; }

 private:
  Io FinishTcpConnect(int fd);
  Io ConnectAgain(int fd);
  Io EndOfReads(ssize_t n, int error);

  const int fd_;
  const bool spares_tries_;
  Descriptor descriptor_;
  State state_;
  // The errno that ended the connection, once the kernel told it; either direction may find it.
  // Relaxed: it is the only thing handed over.
  std::atomic<int> latched_{0};
  // The reader's alone; atomic for a second one who is about to be told that it is one too many.
  std::atomic<bool> drained_{false};
  const Address local_;  // asked for at the start, so that errors can name them after a close
  const Address peer_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_KERNEL_STREAM_H_
