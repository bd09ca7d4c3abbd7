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
// Safe between threads as a `Stream` is: one reads, one writes, any closes.
class KernelStream final : public Stream {
 public:
  enum class State { kConnecting, kBacklogFull, kConnected };

  // Takes over `fd`, which must be non-blocking.
  KernelStream(int fd, State state, const Address& local, const Address& peer)
      : fd_(fd), descriptor_(fd), state_(state), local_(local), peer_(peer) {}

  Io FinishConnect() override;
  Io TryRead(absl::Span<char> buffer) override;
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
  Descriptor descriptor_;
  State state_;
  // The errno that ended the connection, once the kernel told it; either direction may find it.
  // Relaxed: it is the only thing handed over.
  std::atomic<int> latched_{0};
  const Address local_;  // asked for at the start, so that errors can name them after a close
  const Address peer_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_KERNEL_STREAM_H_
