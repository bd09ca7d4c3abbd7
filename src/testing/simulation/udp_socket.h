// A simulated UDP socket, as system calls see it.
//
// What it answers, and in which order, is the kernel's (net/ipv4/udp.c): an error that an earlier
// datagram met is told before what is queued, once, and only to a connected socket; what finds no
// room in the receive buffer is lost.
#ifndef REDIAL_SRC_TESTING_SIMULATION_UDP_SOCKET_H_
#define REDIAL_SRC_TESTING_SIMULATION_UDP_SOCKET_H_

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/network.h"
#include "redial/source.h"
#include "redial/stream.h"

namespace redial::testing::internal {

class SimHost;

// Used by one thread.
class UdpSocket {
 public:
  // `peer` is no address where it isn't connected. It is known to the host until it is closed.
  UdpSocket(SimHost& host, Address local, Address peer, const DatagramOptions& options);
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;
  ~UdpSocket() { Close(); }

  // The system calls.
  DatagramIo Receive(absl::Span<char> buffer, Address* from);
  // Nobody ever receives it where `lose` says so.
  DatagramIo Send(std::string_view data, const Address* to, bool lose);
  void Close();

  const Address& local() const { return local_; }
  const Address& peer() const { return peer_; }
  bool connected() const { return peer_.family() != Address::Family::kNone; }
  bool closed() const { return closed_; }
  Event& readable() { return readable_; }
  Event& writable() { return writable_; }

  // From the network. False where there is no room.
  bool Arrive(const Address& from, std::string_view data);
  // A datagram of its own found nobody.
  void Refuse();

 private:
  struct Received {
    Address from;
    std::string data;
  };

  int TakeError() { return std::exchange(error_, 0); }

  SimHost& host_;
  const Address local_;
  const Address peer_;
  const size_t room_;
  size_t used_ = 0;
  std::deque<Received> received_;
  Event readable_;
  Event writable_;
  bool closed_ = false;
  int error_ = 0;  // told once
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_UDP_SOCKET_H_
