// The sockets that c-ares talks to name servers through, and what became of each server.
//
// c-ares opens its sockets through these functions, for three reasons: SOCK_CLOEXEC must be set as
// a socket is made, not after; c-ares reports a server that answers SERVFAIL, one that doesn't
// answer and a process without free descriptors by one and the same code; and it names no server in
// its errors. All of it is seen here as it passes by.
//
// Used by one thread, and must outlive the channel.
#ifndef REDIAL_SRC_NET_NAME_SERVERS_H_
#define REDIAL_SRC_NET_NAME_SERVERS_H_

#include <ares.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/time.h"

namespace redial::internal {

class NameServers {
 public:
  NameServers() = default;
  NameServers(const NameServers&) = delete;
  NameServers& operator=(const NameServers&) = delete;

  // Before the channel's first query.
  void Attach(ares_channel channel);
  // The time of what comes next.
  void set_now(Instant now) { now_ = now; }

  // An errno that kept us from opening a socket at all; 0 if none did.
  int socket_error() const { return socket_error_; }
  // A datagram that nobody took is reported once, by the next call on its socket. Where that sends
  // another query, c-ares would fail that one and wait for an answer to the first until its timeout;
  // so the report is kept for the next receive. True when one is due now.
  bool late_error() const;
  // Whether any server was asked.
  bool asked() const { return !servers_.empty(); }
  // Those that were asked in vain, in the order in which they were.
  std::vector<AddressTried> Tried(Instant now) const;
  // "name server 10.0.0.2 did not answer; name server 10.0.0.3 failed (SERVFAIL)".
  std::string Describe() const;

 private:
  struct Server {
    Address address;
    Instant asked;
    Instant heard;                  // when `error` or `rcode` came
    int error = 0;                  // of the socket
    int rcode = 0;                  // of an answer that c-ares passes over
    bool awaits_tcp = false;        // something was sent over TCP and nothing came back
    std::vector<uint16_t> awaited;  // ids of queries over UDP
  };
  struct Connection {
    ares_socket_t fd;
    bool tcp;
    size_t server;
    int late_error;  // see `late_error()`
  };

  static ares_socket_t Open(int family, int type, int protocol, void* self);
  static int Close(ares_socket_t fd, void* self);
  static int Connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t length, void* self);
  static ares_ssize_t Receive(ares_socket_t fd, void* data, size_t size, int flags, sockaddr* from,
                              ares_socklen_t* from_length, void* self);
  static ares_ssize_t Send(ares_socket_t fd, const iovec* data, int count, void* self);

  static bool InVain(const Server& server);
  Connection* Find(ares_socket_t fd);
  size_t ServerAt(const Address& address);
  void Failed(ares_socket_t fd, int error);
  void SentTo(ares_socket_t fd, const iovec* data, int count);
  void ReceivedFrom(ares_socket_t fd, absl::Span<const uint8_t> data);

  Instant now_;
  int socket_error_ = 0;
  std::vector<Server> servers_;
  std::vector<Connection> connections_;
};

Address AddressFrom(const sockaddr* address, ares_socklen_t length);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_NAME_SERVERS_H_
