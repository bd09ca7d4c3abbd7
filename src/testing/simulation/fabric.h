// The simulated network: its hosts, the links between them, and the connections that stand.
#ifndef REDIAL_SRC_TESTING_SIMULATION_FABRIC_H_
#define REDIAL_SRC_TESTING_SIMULATION_FABRIC_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redial/address.h"
#include "redial/network.h"
#include "redial/testing/injection.h"
#include "redial/testing/link_options.h"
#include "redial/time.h"
#include "src/testing/simulation/link.h"
#include "src/testing/simulation/name_table.h"
#include "src/testing/simulation/scheduler.h"
#include "src/testing/simulation/sim_host.h"
#include "src/testing/simulation/tcp_connection.h"
#include "src/testing/simulation/trace.h"
#include "src/testing/simulation/udp_wire.h"

namespace redial::testing::internal {

// Used by one thread.
class Fabric {
 public:
  struct Defaults {
    uint64_t seed = 1;
    LinkOptions link = {};
    LinkOptions loopback = {};
    size_t trace_limit = 0;
  };

  Fabric(Scheduler& scheduler, const Defaults& defaults);
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;
  ~Fabric();

  Instant now() const { return scheduler_.now(); }
  Scheduler& scheduler() { return scheduler_; }
  Trace& trace() { return trace_; }
  NameTable& names() { return names_; }
  uint64_t seed() const { return defaults_.seed; }
  void Record(PacketKind kind, PacketFate fate, Place from, Place to, uint64_t bytes) {
    trace_.Packet(now(), kind, fate, from, to, static_cast<uint32_t>(bytes));
  }

  SimHost& AddHost(std::string_view name);
  const std::vector<std::unique_ptr<SimHost>>& hosts() const { return hosts_; }
  void AddAddress(SimHost& host, const Address& address);
  // Who has this address; null where nobody has.
  SimHost* Find(const Address& address) const;

  // The way from one host to another; the same host's loopback.
  Link& Way(const SimHost& from, const SimHost& to);
  void SetLink(const SimHost& a, const SimHost& b, const LinkOptions& options);
  void SetDefaultLink(const LinkOptions& options);
  void SetUp(const SimHost& from, const SimHost& to, bool up);

  // Neither end is set up. The fabric keeps it until both ends are closed and nothing is on its way.
  TcpConnection& Connect();
  // Looks whether a connection is over.
  void Settle(TcpConnection& connection);
  // Looks at every connection that may have lost its peer.
  void Suspect();
  const std::list<std::unique_ptr<TcpConnection>>& connections() const { return connections_; }

  UdpWire& udp() { return udp_; }

  // The end that is open between these two; null where there is none.
  TcpEnd* FindEnd(const Address& local, const Address& remote) const;

  void set_injector(Injector* injector) { injector_ = injector; }
  Injector* injector() const { return injector_; }

 private:
  Scheduler& scheduler_;
  const Defaults defaults_;
  LinkOptions link_;
  Trace trace_;
  NameTable names_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::map<Address, SimHost*> addresses_;
  std::map<std::pair<int, int>, Link> links_;
  std::vector<TcpConnection*> over_;  // to be destroyed outside of their own events
  std::list<std::unique_ptr<TcpConnection>> connections_;
  UdpWire udp_{*this};
  uint64_t connection_numbers_ = 0;
  Injector* injector_ = nullptr;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_FABRIC_H_
