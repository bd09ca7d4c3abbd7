// The UDP sockets of one simulated host, by the address that each is bound to.
#ifndef REDIAL_SRC_TESTING_SIMULATION_UDP_PORTS_H_
#define REDIAL_SRC_TESTING_SIMULATION_UDP_PORTS_H_

#include <cstdint>
#include <map>

#include "redial/address.h"

namespace redial::testing::internal {

class UdpSocket;

// Used by one thread.
class UdpPorts {
 public:
  // Whether a socket could be bound to `local`, which is this host's.
  bool Free(const Address& local) const;
  // One that is free at every address, other than `not_this`; 0 where none is left.
  uint16_t TakePort(uint16_t not_this);

  void Add(UdpSocket& socket);
  void Remove(const UdpSocket& socket);
  // Whom a datagram is for; null where that is nobody.
  UdpSocket* Find(const Address& local, const Address& remote) const;
  // The host crashed.
  void CloseAll();

  const std::map<Address, UdpSocket*>& sockets() const { return sockets_; }

 private:
  std::map<Address, UdpSocket*> sockets_;
  uint16_t next_port_ = 0;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_UDP_PORTS_H_
