// One end of a simulated TCP connection, as system calls see it.
//
// Both ends live in one `TcpConnection`, and each direction's bytes stand in its sender, so that a
// byte is copied once in and once out. What an end answers after the connection has ended, and in
// which order, is the kernel's (net/ipv4/tcp.c; docs/simulation.md has the records).
#ifndef REDIAL_SRC_TESTING_SIMULATION_TCP_END_H_
#define REDIAL_SRC_TESTING_SIMULATION_TCP_END_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/network.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/time.h"
#include "src/testing/simulation/tcp_sender.h"
#include "src/testing/simulation/trace.h"

namespace redial::testing::internal {

class Fabric;
class Link;
class SimHost;
class TcpConnection;
class TcpListener;

// Used by one thread.
class TcpEnd {
 public:
  enum class State : uint8_t { kIdle, kSynSent, kSynReceived, kEstablished, kClosed };

  TcpEnd(Fabric& fabric, TcpConnection& connection, TcpEnd& peer);

  struct Setup {
    SimHost* host = nullptr;
    Link* out = nullptr;
    Address local = {};
    Address remote = {};
    SocketOptions options = {};
  };
  void Prepare(const Setup& setup);

  // The system calls. Errors are errnos.
  void Connect();
  // For Unix sockets, which connect at once or, with EAGAIN, not yet.
  int ConnectLocally();
  // 0 once connected, EAGAIN while that goes on.
  int ConnectResult();
  Io Receive(absl::Span<char> buffer);
  Io Send(std::string_view data);
  // What waits to be read.
  size_t readable_bytes() const { return peer_.sender_.readable(); }
  bool can_send() const { return state_ == State::kEstablished && !send_shut_ && error_ == 0; }
  bool at_end() const { return peer_.sender_.end_arrived(); }
  bool HasInput() const { return readable_bytes() > 0; }
  int ShutdownWrite();
  void Close();
  bool closed() const { return user_closed_; }
  // Nobody holds it, and it has nothing to send.
  bool over() const { return (user_closed_ || !held_) && sender_.quiet(); }
  bool open() const { return held_ && !user_closed_; }
  // Whether a stream, or a listener's queue, refers to it.
  void set_held(bool held) { held_ = held; }

  Event& readable() { return readable_; }
  Event& writable() { return writable_; }
  const Address& local() const { return local_; }
  const Address& remote() const { return remote_; }
  State state() const { return state_; }
  TcpEnd& peer() const { return peer_; }
  SimHost& host() const { return *host_; }
  const SocketOptions& options() const { return options_; }
  int64_t user_timeout() const { return user_timeout_; }  // in ns; the largest for none
  TcpConnection& connection() const { return connection_; }
  TcpSender& sender() { return sender_; }
  Place place() const { return place_; }

  // The ways to and from the peer.
  Link& out() const { return *out_; }
  Link& back() const { return *peer_.out_; }
  Fabric& fabric() const { return fabric_; }

  // From the network.
  void Arrive(const Segment& segment);
  // The connection ends here with `error`, which the next call is told.
  void Break(int error);
  // Without a word to anybody: the host crashed.
  void Forget();
  // Nothing that the peer sends arrives any more.
  void Deafen() { deaf_ = true; }
  bool deaf() const { return deaf_; }
  // Injected: the connection breaks, or ends, for both, behind what has been sent.
  void BreakBoth();
  void EndBoth();
  void set_listener(TcpListener* listener) { listener_ = listener; }
  // Whether this end, at its host, is still known.
  bool known() const { return known_; }

 private:
  void ArriveSyn(const Segment& segment);
  void ArriveAtClient(const Segment& segment);
  void ArriveData(const Segment& segment);
  void ArriveReset();
  void Establish();
  void JoinBacklog(TcpListener& listener);
  int TakeError();
  void SetOptions(const SocketOptions& options);

  Fabric& fabric_;
  TcpConnection& connection_;
  TcpEnd& peer_;
  TcpSender sender_;
  Event readable_;
  Event writable_;
  SimHost* host_ = nullptr;
  Link* out_ = nullptr;
  TcpListener* listener_ = nullptr;  // until accepted
  Place place_;
  Address local_;
  Address remote_;
  SocketOptions options_;
  int64_t user_timeout_ = 0;
  State state_ = State::kIdle;
  bool known_ = false;
  bool held_ = false;
  bool deaf_ = false;
  bool user_closed_ = false;
  bool receive_shut_ = false;  // reads end
  bool send_shut_ = false;     // writes fail
  int error_ = 0;              // told once
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_TCP_END_H_
