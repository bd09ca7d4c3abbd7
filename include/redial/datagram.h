// A datagram socket (UDP, or a Unix socket of that kind) that keeps its deadlines, for clients of
// services such as DNS and StatsD. Each datagram goes and comes whole, or not at all.
//
//   auto service = redial::Target::Parse("udp://statsd.internal:8125");
//   auto socket = redial::Datagram::Connect(*service, deadline, stop);
//   if (!socket.ok()) return socket.status();
//   if (auto sent = socket->Send("page.views:1|c"); !sent.ok()) return sent;
//
// Limits are those of `Socket`: an absolute `deadline`, an `operation_timeout` for each operation
// (infinite blocks, zero never waits), a stop token. An operation whose limit has passed fails
// before any system call, even where a datagram waits to be read.
//
// What datagrams don't promise: one that was handed over may be lost, arrive twice, or late. So a
// sent one counts as `Sent::kMaybe`, and a reply that doesn't come is a timeout. That nobody
// listens is told, where the peer's machine tells, by an error (ECONNREFUSED) of the connected
// socket's next operation, whichever it is; once, and then the socket goes on.
//
// Errors (each carries a `Failure`): as Socket's, and kInvalidArgument with EMSGSIZE for a datagram
// that is too long to be sent, kResourceExhausted with EMSGSIZE for one that is longer than the
// buffer it was received into.
//
// One thread may receive while another sends. `Close`, `set_deadline` and `set_operation_timeout`
// come from any thread, and take effect on a wait in progress. Moving or destroying a socket while
// another thread uses it is not allowed.
#ifndef REDIAL_DATAGRAM_H_
#define REDIAL_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/export.h"
#include "redial/network.h"
#include "redial/stream.h"
#include "redial/target.h"
#include "redial/time.h"

namespace redial {

struct DatagramConnectOptions {
  ResolverOptions resolver = {};
  // Where replies are to come to; a free port of the machine's choice by default. A Unix socket
  // that awaits replies needs one.
  Address local = {};
  DatagramOptions socket = {};

  REDIAL_EXPORT absl::Status Validate() const;
};

// What `Datagram::ReceiveFrom` received.
struct DatagramReceived {
  size_t size = 0;
  Address from = {};  // no address for a Unix socket without a path
};

class REDIAL_EXPORT Datagram {
 public:
  // Receives from anybody who sends to `local`; port 0 takes a free one. A Unix socket's path is
  // removed again when the socket goes. kUnavailable with EADDRINUSE, kInvalidArgument for an
  // address that isn't this machine's.
  static absl::StatusOr<Datagram> Bind(const Address& local, const DatagramOptions& options = {},
                                       Network& network = CurrentNetwork());
  // Exchanges datagrams with one peer alone: `udp://` or `unix://`. A name is looked up within the
  // deadline, and stands for the first of its addresses, IPv6 before IPv4, that this machine has a
  // way to; nothing is sent. The socket keeps `deadline` and `stop`. Errors are those of `Dial`.
  static absl::StatusOr<Datagram> Connect(const Target& target,
                                          Deadline deadline = Deadline::Never(),
                                          std::stop_token stop = {},
                                          const DatagramConnectOptions& options = {},
                                          Network& network = CurrentNetwork());
  static absl::StatusOr<Datagram> Connect(const Address& peer,
                                          Deadline deadline = Deadline::Never(),
                                          std::stop_token stop = {},
                                          const DatagramConnectOptions& options = {},
                                          Network& network = CurrentNetwork());
  explicit Datagram(std::unique_ptr<DatagramEndpoint> endpoint,
                    Deadline deadline = Deadline::Never(), std::stop_token stop = {});

  Datagram(Datagram&&) noexcept;
  Datagram& operator=(Datagram&&) noexcept;
  ~Datagram();

  // One datagram with all of `data`, which may be empty, to the peer. Waits while there is no room
  // for it. kFailedPrecondition where the socket isn't connected.
  absl::Status Send(std::string_view data);
  // The same to anybody. kFailedPrecondition where the socket is connected: it would drop the
  // answers.
  absl::Status SendTo(std::string_view data, const Address& to);

  // The next datagram, and its size; 0 is one without data. Of one that is longer than `buffer` the
  // beginning is in it and the rest is lost: kResourceExhausted, which says how long it was.
  absl::StatusOr<size_t> Receive(absl::Span<char> buffer);
  absl::StatusOr<DatagramReceived> ReceiveFrom(absl::Span<char> buffer);
  // What is there now: kUnavailable with EAGAIN when that is nothing. Heeds no limit and never
  // waits.
  absl::StatusOr<DatagramReceived> TryReceive(absl::Span<char> buffer);

  // Ends pending waits on other threads. Later operations fail with kFailedPrecondition.
  void Close();
  // What was exchanged so far commits the peer to nothing: the counts start again from zero, as
  // before each query of a client that sends many over one socket.
  void Handshaken();

  // Infinite by default; kInvalidArgument for a negative one.
  absl::Status set_operation_timeout(absl::Duration timeout);
  absl::Duration operation_timeout() const;
  void set_deadline(Deadline deadline);
  Deadline deadline() const;
  // Not while another thread uses the socket.
  void set_stop_token(std::stop_token stop);

  // Since the beginning, or `Handshaken`.
  uint64_t datagrams_sent() const;
  uint64_t datagrams_received() const;
  uint64_t bytes_sent() const;
  uint64_t bytes_received() const;

  // With the port that was taken.
  Address local() const;
  // No address where it isn't connected.
  Address peer() const;
  // The kernel's descriptor, which stays this socket's; -1 where there is none.
  int fd() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace redial

#endif  // REDIAL_DATAGRAM_H_
