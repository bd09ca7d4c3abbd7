// Datagrams on their way between simulated hosts, and the news that one found nobody (ICMP).
#ifndef REDIAL_SRC_TESTING_SIMULATION_UDP_WIRE_H_
#define REDIAL_SRC_TESTING_SIMULATION_UDP_WIRE_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "redial/address.h"
#include "redial/time.h"
#include "src/testing/simulation/trace.h"

namespace redial::testing::internal {

class Fabric;
class SimHost;

// Used by one thread.
class UdpWire {
 public:
  explicit UdpWire(Fabric& fabric);
  UdpWire(const UdpWire&) = delete;
  UdpWire& operator=(const UdpWire&) = delete;
  ~UdpWire();

  // From a socket of `host` that is bound to `local`. An errno, or 0: then it may still be lost,
  // and is where `lose` says so.
  int Send(SimHost& host, const Address& local, const Address& to, std::string_view data,
           bool lose);

 private:
  class Flight;
  struct Way {
    SimHost* from = nullptr;
    SimHost* to = nullptr;
    Address source = {};
    Address destination = {};
    bool refuses = false;  // it is news of a datagram that went from `destination` to `source`
  };

  void Launch(const Way& way, std::string_view data, bool lose);
  void Depart(const Way& way, std::string_view data, Instant arrives);
  void Arrive(Flight& flight);
  // False where it found nobody.
  bool Deliver(const Way& way, std::string_view data);
  void Record(const Way& way, PacketFate fate, size_t bytes);

  Fabric& fabric_;
  std::vector<std::unique_ptr<Flight>> flights_;
  std::vector<Flight*> idle_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_UDP_WIRE_H_
