// The server's side of a timed socket: accepting with a deadline.
//
//   auto listener = redial::Listener::Listen(*redial::Address::Parse("127.0.0.1:0"));
//   if (!listener.ok()) return listener.status();
//   auto peer = listener->Accept(redial::Deadline::After(runtime.Now(), absl::Seconds(5)));
//
// Errors are those of `Socket`. Accepted sockets don't inherit the listener's limits. `Close` and
// `set_operation_timeout` come from any thread; several threads may accept at once. Destroying it
// while another thread accepts is not allowed.
#ifndef REDIAL_LISTENER_H_
#define REDIAL_LISTENER_H_

#include <memory>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/export.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/time.h"

namespace redial {

class REDIAL_EXPORT Listener {
 public:
  // Binds and listens; port 0 takes a free one. A Unix socket's path is removed again when the
  // listener goes. kUnavailable with EADDRINUSE, kInvalidArgument for an address that isn't this
  // machine's.
  static absl::StatusOr<Listener> Listen(const Address& address, const ListenOptions& options = {},
                                         Network& network = CurrentNetwork());
  explicit Listener(std::unique_ptr<Acceptor> acceptor);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  // The next connection. Fails at once when the deadline has passed, even where one is queued.
  absl::StatusOr<Socket> Accept(Deadline deadline = Deadline::Never(), std::stop_token stop = {});

  // Bounds each `Accept` anew, beside its deadline; as Socket's.
  absl::Status set_operation_timeout(absl::Duration timeout);
  absl::Duration operation_timeout() const;

  void Close();
  // With the port that was taken.
  Address local() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace redial

#endif  // REDIAL_LISTENER_H_
