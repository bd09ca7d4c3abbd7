// Both ends of a simulated TCP connection.
#ifndef REDIAL_SRC_TESTING_SIMULATION_TCP_CONNECTION_H_
#define REDIAL_SRC_TESTING_SIMULATION_TCP_CONNECTION_H_

#include <cstdint>
#include <list>
#include <memory>

#include "src/testing/simulation/event_queue.h"
#include "src/testing/simulation/tcp_end.h"

namespace redial::testing::internal {

// Used by one thread.
class TcpConnection {
 public:
  TcpConnection(Fabric& fabric, uint64_t number)
      : number_(number), client_(fabric, *this, server_), server_(fabric, *this, client_) {}
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  uint64_t number() const { return number_; }  // from 1
  TcpEnd& client() { return client_; }
  TcpEnd& server() { return server_; }
  bool is_client(const TcpEnd& end) const { return &end == &client_; }

  // Nothing passes any more, either way.
  void Cut() { cut_ = true; }
  bool cut() const { return cut_; }
  // Somebody in between ended it for both: what either writes is answered with a reset.
  void Sever() { severed_ = true; }
  bool severed() const { return severed_; }

  // Whether nobody holds an end and nothing can happen to it any more.
  bool over() const { return client_.over() && server_.over(); }

 private:
  friend class Fabric;
  const uint64_t number_;
  bool cut_ = false;
  bool severed_ = false;
  bool listed_over_ = false;
  TcpEnd client_;
  TcpEnd server_;
  std::list<std::unique_ptr<TcpConnection>>::iterator place_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_TCP_CONNECTION_H_
