// A connection that keeps its deadlines: every read and write ends by itself.
//
//   // `socket` comes from Dial, Listener::Accept or Adopt.
//   if (auto set = socket.set_operation_timeout(absl::Milliseconds(500)); !set.ok()) return set;
//   if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
//   auto reply = socket.ReadUntil("\r\n", {.max_bytes = 512});
//
// Two limits, which both hold. The `deadline` is absolute and bounds everything together; the
// `operation_timeout` is Python's `settimeout` and bounds each operation anew: infinite blocks,
// zero never waits, a positive one waits that long. A stop token ends waits early. An operation
// whose limit has passed fails before any system call, even where data is ready; `TryRead` is the
// separate way to take what is there.
//
// Errors (each carries a `Failure`): kDeadlineExceeded when a limit passed; kUnavailable when the
// peer reset or closed, or, with a zero timeout, when nothing was there (errno EAGAIN, never a
// timeout); kCancelled when stopped; kFailedPrecondition once closed, or when a second thread reads,
// or writes, while a first one waits to.
//
// Nothing is lost: what had arrived when a read timed out is there for the next one; a write that
// timed out says how much went out.
//
// One thread may read while another writes. `Close`, `set_deadline` and `set_operation_timeout`
// come from any thread, and take effect on a wait in progress. Moving or destroying a socket while
// another thread uses it is not allowed.
#ifndef REDIAL_SOCKET_H_
#define REDIAL_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/export.h"
#include "redial/network.h"
#include "redial/stream.h"
#include "redial/time.h"

namespace redial {

struct ReadUntilOptions {
  // A delimiter that hasn't come within so many bytes is an error, kResourceExhausted; nothing is
  // lost.
  size_t max_bytes = 64 * 1024;
};

class REDIAL_EXPORT Socket {
 public:
  // Takes over a connected stream.
  explicit Socket(std::unique_ptr<Stream> stream, Deadline deadline = Deadline::Never(),
                  std::stop_token stop = {});
  // Takes over a connected descriptor, blocking or not; it is made non-blocking. kInvalidArgument
  // when it isn't a connected stream socket; it is then still the caller's.
  static absl::StatusOr<Socket> Adopt(int fd);

  Socket(Socket&&) noexcept;
  Socket& operator=(Socket&&) noexcept;
  ~Socket();

  // At least one byte, or 0 at the end of the stream, or into an empty buffer.
  absl::StatusOr<size_t> Read(absl::Span<char> buffer);
  // Exactly `size` bytes; kUnavailable "closed after 3 of 5 bytes" when the stream ends first
  // (those 3 stay readable).
  absl::StatusOr<std::string> ReadExactly(size_t size);
  // Up to and including `delimiter`, which may not be empty.
  absl::StatusOr<std::string> ReadUntil(std::string_view delimiter, ReadUntilOptions options = {});
  // All of `data`. After a failure, `Failure::bytes_sent` and `last_write_bytes` say how much of it
  // went out.
  absl::Status Write(std::string_view data);
  // What is there now: kUnavailable with EAGAIN when that is nothing. Heeds no limit and never
  // waits.
  absl::StatusOr<size_t> TryRead(absl::Span<char> buffer);

  // The peer reads the end of the stream; reading goes on.
  absl::Status ShutdownWrite();
  // Ends pending waits on other threads. Later operations fail with kFailedPrecondition.
  void Close();
  // What was exchanged so far (a greeting, a login) commits the peer to nothing: the counts start
  // again from zero.
  void Handshaken();

  // Infinite by default; kInvalidArgument for a negative one.
  absl::Status set_operation_timeout(absl::Duration timeout);
  absl::Duration operation_timeout() const;
  void set_deadline(Deadline deadline);
  Deadline deadline() const;
  // Not while another thread uses the socket.
  void set_stop_token(std::stop_token stop);

  // Since the beginning, or `Handshaken`: what the kernel accepted, and what was taken from it.
  uint64_t bytes_sent() const;
  uint64_t bytes_received() const;
  // How much of the last `Write`'s data the kernel accepted.
  size_t last_write_bytes() const;

  Address local() const;
  Address peer() const;
  // The kernel's descriptor, which stays this socket's; -1 where there is none.
  int fd() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace redial

#endif  // REDIAL_SOCKET_H_
