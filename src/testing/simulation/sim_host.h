// A simulated machine: its addresses and ports, and the process that runs on it.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SIM_HOST_H_
#define REDIAL_SRC_TESTING_SIMULATION_SIM_HOST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redial/address.h"
#include "redial/testing/failure_handler.h"
#include "src/testing/simulation/host_runtime.h"
#include "src/testing/simulation/name_table.h"
#include "src/testing/simulation/sim_network.h"
#include "src/testing/simulation/udp_ports.h"

namespace redial::testing::internal {

class Fabric;
class TcpListener;

// net.ipv4.ip_local_port_range
inline constexpr uint16_t kFirstPort = 32'768;
inline constexpr uint16_t kLastPort = 60'999;

bool IsWildcard(const Address& address);
Address Wildcard(Address::Family family, uint16_t port);
// Whether one address takes what is sent to the other.
bool Overlap(const Address& a, const Address& b);

// What runs between a host's start and its crash. Used by one thread.
struct Process {
  Process(Scheduler& scheduler, SimHost& host, uint64_t seed, const FailureHandler& on_failure);

  HostRuntime runtime;
  SimNetwork network;
};

// Used by one thread.
class SimHost {
 public:
  SimHost(Fabric& fabric, uint16_t number, std::string_view name)
      : fabric_(fabric), number_(number), name_(name) {}

  Fabric& fabric() const { return fabric_; }
  uint16_t number() const { return number_; }
  const std::string& name() const { return name_; }

  const std::vector<Address>& addresses() const { return addresses_; }
  void AddAddress(const Address& address) { addresses_.push_back(address); }
  // Whether `address` is this machine's own: one of its addresses, or a loopback or wildcard one.
  bool Owns(const Address& address) const;
  // What connects to `remote` come from; kNone where no address of its family is here.
  Address SourceFor(const Address& remote) const;

  bool up() const { return up_; }
  Process& process() { return *processes_.back(); }
  // Starts a new process; the old one must be dead.
  void Boot(const FailureHandler& on_failure);
  void Crash();

  // 0 where none is left.
  uint16_t TakePort();
  void ReleasePort(uint16_t port) { ports_.erase(port); }

  // An errno, or 0.
  int CheckBind(const Address& local, bool reuse) const;
  void Listen(TcpListener& listener);
  void Unlisten(TcpListener& listener);
  TcpListener* FindListener(const Address& local) const;
  // Whether connects to `local` fall into a black hole.
  bool ignores(const Address& local) const { return ignored_.contains(local); }
  void Ignore(const Address& local, bool ignore);
  const std::map<Address, TcpListener*>& listeners() const { return listeners_; }
  // Socket files, which outlive a crash.
  bool HasPath(const std::string& path) const { return paths_.contains(path); }
  void AddPath(const std::string& path) { paths_.insert(path); }
  void RemovePath(const std::string& path) { paths_.erase(path); }
  // That a connection of this port was closed here first: the kernel remembers it for a minute.
  void Linger(uint16_t port);

  UdpPorts& udp() { return udp_; }
  const UdpPorts& udp() const { return udp_; }

  NameCache& names() { return names_; }
  bool names_answer() const { return names_answer_; }
  void set_names_answer(bool answer) { names_answer_ = answer; }

 private:
  Fabric& fabric_;
  const uint16_t number_;
  const std::string name_;
  std::vector<Address> addresses_;
  bool up_ = true;
  // Those before the last are dead, and may still have fibers that return.
  std::vector<std::unique_ptr<Process>> processes_;
  std::map<Address, TcpListener*> listeners_;
  std::set<Address> ignored_;
  std::set<std::string> paths_;
  std::set<uint16_t> ports_;
  std::map<uint16_t, Instant> lingering_;
  uint16_t next_port_ = 0;
  UdpPorts udp_;
  NameCache names_;
  bool names_answer_ = true;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SIM_HOST_H_
