// A network of hosts in one thread and in virtual time: servers and clients in plain blocking style,
// on the sockets that ship, with everything between them under the test's control.
//
//   redial::testing::Simulation sim(/*seed=*/7);
//   redial::testing::SimulatedHost& server = sim.AddHost("server");
//   redial::testing::SimulatedHost& client = sim.AddHost("client");
//   server.Serve("echo", [] {
//     auto listener = redial::Listener::Listen(*redial::Address::Parse("0.0.0.0:7"));
//     while (true) {
//       auto peer = listener->Accept();
//       if (!peer.ok()) return;
//       if (auto line = peer->ReadUntil("\n"); line.ok()) peer->Write(*line).IgnoreError();
//     }
//   });
//   client.Run("ask", [] {
//     auto socket = redial::Dial(*redial::Target::Parse("tcp://server:7"));
//     if (!socket.ok() || !socket->Write("hello\n").ok()) return;
//     EXPECT_EQ(*socket->ReadUntil("\n"), "hello\n");
//   });
//   absl::Status ran = sim.Run();
//
// Code on a host runs in fibers, and `Runtime::Current()` and `CurrentNetwork()` are that host's. It
// spawns, sleeps, locks a `redial::Mutex`, dials and listens as anywhere. Time passes only while all
// wait, so an hour takes as long as what happens in it. Everything random comes from the seed: equal
// seeds give equal traces, byte for byte, in every process and from every compiler.
//
// Misuse (code that waits outside of fibers, a descriptor of the kernel's) is a failure of the test.
//
// Used by one thread. It outlives the sockets that came from it.
#ifndef REDIAL_TESTING_SIMULATION_H_
#define REDIAL_TESTING_SIMULATION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/testing/failure_handler.h"
#include "redial/testing/injection.h"
#include "redial/testing/link_options.h"
#include "redial/time.h"

namespace redial::testing {

namespace internal {
struct SimulationState;
class SimHost;
}  // namespace internal

struct SimulationOptions {
  // Between two hosts where `SetLink` says nothing else.
  LinkOptions link = {};
  // Within a host.
  LinkOptions loopback = {.latency = absl::Microseconds(5)};
  // The trace keeps so many lines, the last ones.
  size_t trace_lines = 16'384;
  // Of each fiber. Only what is touched costs memory.
  size_t stack_size = 256 * 1024;
  // Runs fibers that are ready at one instant in an order drawn from the seed, not in the order in
  // which they became ready: finds code that relies on it.
  bool shuffle = false;
  FailureHandler on_failure = {};

  // kInvalidArgument that names the field, its value and what is allowed.
  REDIAL_EXPORT absl::Status Validate() const;
};

// What befalls the answers about one name.
struct NameTroubles {
  bool fails = false;      // the name server says that it can't tell (SERVFAIL)
  bool lose_ipv4 = false;  // questions for IPv4 addresses are never answered
  bool lose_ipv6 = false;
  absl::Duration ipv4_delay = {};  // added to the round trip
  absl::Duration ipv6_delay = {};
};

class Simulation;

// One machine. Made by `Simulation::AddHost`, and gone with it.
class REDIAL_EXPORT SimulatedHost {
 public:
  SimulatedHost(const SimulatedHost&) = delete;
  SimulatedHost& operator=(const SimulatedHost&) = delete;

  const std::string& name() const;
  // Its addresses, with port 0: the IPv4 one first.
  const std::vector<Address>& addresses() const;
  // Another one, such as "10.0.0.7" or "2001:db8::7". kInvalidArgument for what isn't an address;
  // kAlreadyExists where a host has it.
  absl::Status AddAddress(std::string_view address);

  // Runs `fn` in a fiber. The simulation goes on until all that was started so has returned.
  void Run(std::string_view name, absl::AnyInvocable<void()> fn);
  // As Run, for servers: the simulation doesn't wait for them, and `Restart` runs them again.
  void Serve(std::string_view name, std::function<void()> fn);

  // The machine loses power. Nobody is told; what is sent to it is lost; the waits of its fibers
  // stop and their sockets are closed, so that they return.
  void Crash();
  // It comes up again, without its connections, and runs what it serves.
  void Restart();
  bool up() const;
  // Its fibers don't run, as a process that was stopped (SIGSTOP). The kernel's part goes on:
  // connections are accepted into backlogs, and bytes until the buffers are full.
  void Pause();
  void Resume();

  // Whether name servers answer its look-ups.
  void SetNameServersAnswer(bool answer);
  // Connects to `address`, with its port, are neither taken nor refused, until that is taken back.
  void Ignore(const Address& address, bool ignore = true);

  // For code outside of fibers that wants the host's clock or network: it can't wait.
  Runtime& runtime();
  Network& network();

 private:
  friend class Simulation;
  SimulatedHost(internal::SimulationState& state, internal::SimHost& host);

  struct Service {
    std::string name;
    std::function<void()> fn;
  };

  internal::SimulationState& state_;
  internal::SimHost& host_;
  std::vector<Service> services_;
};

class REDIAL_EXPORT Simulation {
 public:
  explicit Simulation(uint64_t seed, const SimulationOptions& options = {},
                      std::source_location where = std::source_location::current());
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;
  // Ends the fibers that are left, as a crash does. One that goes on all the same is a failure of
  // the test.
  ~Simulation();

  // A new host, which is also a name that resolves to its addresses. It gets an IPv4 address in
  // 198.18.0.0/15.
  SimulatedHost& AddHost(std::string_view name);
  // The host of that name; null where there is none.
  SimulatedHost* FindHost(std::string_view name);

  // Until everything that hosts `Run` has returned. kFailedPrecondition where that can't be, since
  // nothing will happen any more: the message names what each fiber waits for, and since when.
  absl::Status Run();
  // For so long, and no longer; however many fibers are left.
  absl::Status RunFor(absl::Duration duration);

  Instant Now() const;
  absl::Duration elapsed() const { return Now() - Instant::VirtualOrigin(); }
  // Calls `fn` after `delay`, outside of fibers: it may do to hosts and links what a test may, and
  // may not wait. It never comes where the simulation ends before.
  void After(absl::Duration delay, std::function<void()> fn);

  // Both ways. What is on its way already arrives as it was to. Options that can't be are a failure
  // of the test.
  void SetLink(const SimulatedHost& a, const SimulatedHost& b, const LinkOptions& options);
  // For pairs of hosts that have exchanged nothing yet.
  void SetDefaultLink(const LinkOptions& options);
  // Nothing that is sent between them arrives, until they are healed.
  void Partition(const SimulatedHost& a, const SimulatedHost& b);
  // Only what `from` sends is lost.
  void PartitionOneWay(const SimulatedHost& from, const SimulatedHost& to);
  void Heal(const SimulatedHost& a, const SimulatedHost& b);

  // What name servers say from now on; hosts remember an answer for its `ttl`. No address: no such
  // name.
  void SetName(std::string_view name, const std::vector<std::string>& addresses,
               absl::Duration ttl = absl::ZeroDuration());

  void SetNameTroubles(std::string_view name, const NameTroubles& troubles);
  // "AAAA cache.internal" and so on: what name servers were asked.
  const std::vector<std::string>& NameQueries() const;

  // For a socket of this simulation. A reset reaches both ends; the deaf end's host is dead to its
  // peer: it takes nothing from it and acknowledges nothing.
  void Reset(const Socket& socket);
  void Deafen(const Socket& socket);
  // How many sockets and listeners are open, on all hosts.
  size_t CountOpen() const;

  // Asked before each operation on the network. Null for none; outlives the simulation, or is taken
  // back.
  void set_injector(Injector* injector);

  // "0.001s client:32768 > server:7 SYN\n" and so on.
  std::string Trace() const;
  // Of all lines since the beginning, in a number.
  uint64_t TraceHash() const;
  // How many lines there were.
  size_t TraceCount() const;
  // TCP connections that somebody holds an end of, or for which something is still on its way: 0
  // once every socket was closed and time has passed.
  size_t OpenConnections() const;
  // Adds a line of the test's own.
  void Note(std::string_view text);
  // What each fiber that hasn't returned waits for, a line each.
  std::string Fibers() const;

 private:
  const std::unique_ptr<internal::SimulationState> state_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTING_SIMULATION_H_
