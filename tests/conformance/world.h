// Where a body of the conformance suite runs: a runtime, a network, and what may go wrong with
// them. One body, every implementation: threads and fibers on the kernel, and the simulation.
//
// A body uses redial's public interface, which finds the world's runtime and network by itself
// (`Runtime::Current()`, `CurrentNetwork()`), and asks the world for what no client can do alone: a
// peer that resets, an address that swallows whatever is sent to it, a name and its troubles.
#ifndef REDIAL_TESTS_CONFORMANCE_WORLD_H_
#define REDIAL_TESTS_CONFORMANCE_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/runtime.h"
#include "redial/socket.h"

namespace redial::conformance {

// What an answer about one name suffers.
struct NameTroubles {
  bool fails = false;      // SERVFAIL
  bool lose_ipv4 = false;  // the question is never answered
  bool lose_ipv6 = false;
  absl::Duration ipv4_delay = {};
  absl::Duration ipv6_delay = {};
};

// The names of a world. A name that it knows nothing of doesn't exist. Safe between threads.
class Names {
 public:
  virtual ~Names() = default;
  virtual void Add(const std::string& name, const std::string& literal) = 0;
  // What `name` stood for until now is forgotten.
  virtual void Replace(const std::string& name, const std::string& literal) = 0;
  virtual void Trouble(const std::string& name, const NameTroubles& troubles) = 0;
  // No question is answered any more.
  virtual void FallSilent() = 0;
  // "A cache.test", in the order in which they were asked.
  virtual std::vector<std::string> queries() = 0;
  // For `ResolverOptions::servers`; empty where the network knows them by itself.
  virtual std::vector<std::string> servers() = 0;
};

// An address that takes no connection and says nothing, until it goes.
class BlackHole {
 public:
  virtual ~BlackHole() = default;
  virtual Address address() const = 0;
  // From now on the connections that it ignored are taken.
  virtual void Open() = 0;
};

// A body sees one world, all of whose tasks may call it.
class World {
 public:
  virtual ~World() = default;

  virtual std::string_view name() const = 0;
  // Time is virtual: what ends by a limit ends at that very instant.
  virtual bool exact() const { return false; }

  // Runs `body` inside, and returns when it has.
  virtual void Run(absl::AnyInvocable<void()> body) = 0;
  // Runs `fn` beside the caller, on another worker where the world has several.
  virtual absl::StatusOr<Task> SpawnElsewhere(absl::AnyInvocable<void()> fn);

  // The text of an IPv4 address of this machine, a different one for each of 1 to 99, where any
  // port that nobody listens on refuses.
  virtual std::string Host(int number) = 0;
  // At `port`, or a free one for 0.
  virtual std::unique_ptr<BlackHole> MakeBlackHole(Address::Family family, uint16_t port) = 0;
  // A port that nobody listens on, at any host.
  virtual uint16_t FreePort() = 0;

  // Closes with a reset, whatever is still unsent or unread.
  virtual void Reset(Socket& socket) = 0;
  // From now on nothing that its peer sends arrives here, nor is it acknowledged: a dead host.
  virtual void Deafen(const Socket& socket) = 0;

  virtual Names& names() = 0;
  // How many sockets are open: every one counts once, and other things may count too.
  virtual size_t CountOpen() = 0;
};

// Threads on the kernel.
std::unique_ptr<World> MakeThreadWorld();
// Fibers on two workers, on the kernel.
std::unique_ptr<World> MakeFiberWorld();
// Fibers in virtual time, on a simulated network.
std::unique_ptr<World> MakeSimulationWorld();

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_WORLD_H_
