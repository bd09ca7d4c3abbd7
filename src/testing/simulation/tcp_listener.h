// A listening endpoint and its backlog.
#ifndef REDIAL_SRC_TESTING_SIMULATION_TCP_LISTENER_H_
#define REDIAL_SRC_TESTING_SIMULATION_TCP_LISTENER_H_

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "redial/address.h"
#include "redial/network.h"
#include "redial/source.h"
#include "src/testing/simulation/tcp_end.h"

namespace redial::testing::internal {

// Used by one thread.
class TcpListener {
 public:
  TcpListener(SimHost& host, Address local, const ListenOptions& options)
      : host_(host), local_(std::move(local)), options_(options) {}
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener() { Close(); }

  const Address& local() const { return local_; }
  const ListenOptions& options() const { return options_; }
  Event& readable() { return readable_; }
  SimHost& host() const { return host_; }
  bool closed() const { return closed_; }

  // As the kernel counts: one more than the backlog says.
  bool full() const;
  // A place in the backlog, for a handshake in progress.
  void Reserve(TcpEnd& end) { handshakes_.push_back(&end); }
  void Complete(TcpEnd& end);
  void Drop(TcpEnd& end);
  // The next connection, or null.
  TcpEnd* Accept();
  // Whoever waits to be accepted is reset.
  void Close();
  // The host crashed: nobody is told.
  void Forget();

 private:
  SimHost& host_;
  const Address local_;
  const ListenOptions options_;
  Event readable_;
  bool closed_ = false;
  std::vector<TcpEnd*> handshakes_;
  std::deque<TcpEnd*> accepted_;  // to be
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_TCP_LISTENER_H_
