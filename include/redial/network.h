// Where connections and names come from: the kernel, or a test's fake.
//
//   redial::Network& network = redial::CurrentNetwork();
//   auto client = redial::Client::Create("tcp://cache:6379", policies, {.network = &network});
//
// Nothing here waits: connects and look-ups are started, and whoever started them waits on the
// sources they name. Safe between threads.
#ifndef REDIAL_NETWORK_H_
#define REDIAL_NETWORK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/call_event.h"
#include "redial/export.h"
#include "redial/failure.h"
#include "redial/stream.h"
#include "redial/time.h"

namespace redial {

// How connections are set up. The defaults find a dead peer in half a minute; the kernel's own take
// 15 minutes and more.
struct SocketOptions {
  // Sends small writes at once (TCP_NODELAY).
  bool no_delay = true;
  // The peer is probed after so long without traffic, then so often, and given up after so many
  // unanswered probes. At least one second each, whole seconds; an infinite `keepalive_idle` turns
  // probing off.
  absl::Duration keepalive_idle = absl::Seconds(15);
  absl::Duration keepalive_interval = absl::Seconds(5);
  int keepalive_probes = 3;
  // How long what was sent may stay unacknowledged (TCP_USER_TIMEOUT). At least 1 ms; infinite for
  // the kernel's own.
  absl::Duration user_timeout = absl::Seconds(30);
  // Bytes; 0 leaves the kernel's own sizing alone.
  int send_buffer = 0;
  int receive_buffer = 0;

  // kInvalidArgument that names the field, its value and what is allowed.
  REDIAL_EXPORT absl::Status Validate() const;
};

struct ListenOptions {
  int backlog = 4096;         // at least 0; the kernel caps it at net.core.somaxconn
  bool reuse_address = true;  // bind to a port whose old connections linger (SO_REUSEADDR)
  SocketOptions socket = {};  // of accepted connections

  REDIAL_EXPORT absl::Status Validate() const;
};

struct DatagramOptions {
  // Bytes; 0 leaves the kernel's own sizing alone. What arrives beyond the receive buffer is lost.
  int send_buffer = 0;
  int receive_buffer = 0;

  REDIAL_EXPORT absl::Status Validate() const;
};

// What a user's own resolver is asked.
struct ResolveRequest {
  std::string host;
  uint16_t port = 0;
  Deadline deadline;
  std::stop_token stop;
};
// Answers with IP addresses, best first, or kNotFound when there is no such host; an address whose
// port is 0 gets the target's. It runs on the caller's thread and must heed the deadline itself.
using ResolveFunction = std::function<absl::StatusOr<std::vector<Address>>(const ResolveRequest&)>;

// Which families to ask for and to dial.
enum class AddressFamily : uint8_t { kAny, kIpv4Only, kIpv6Only };

struct ResolverOptions {
  AddressFamily family = AddressFamily::kAny;
  // Instead of names servers and /etc/hosts.
  ResolveFunction function = {};
  // "127.0.0.1:5300" or "[::1]:53" each, instead of those in /etc/resolv.conf.
  std::vector<std::string> servers = {};
  // How long one name server is given (1 ms to 1 h; later rounds give more), and how many rounds
  // are made over all of them (1 to 100). The call's deadline bounds the whole.
  absl::Duration server_timeout = absl::Seconds(2);
  int tries = 3;

  REDIAL_EXPORT absl::Status Validate() const;
};

// A look-up in progress. Used by one thread.
class REDIAL_EXPORT Lookup {
 public:
  virtual ~Lookup();

  // The answer for one family; `done` once it is known. A failure is kNotFound when there is no
  // such address, kUnavailable when no name server answered.
  struct Answer {
    bool done = false;
    absl::Status status;
    std::vector<Address> addresses;
  };

  // Does what can be done without waiting.
  virtual void Advance(Instant now) = 0;
  virtual const Answer& ipv4() const = 0;
  virtual const Answer& ipv6() const = 0;
  bool done() const { return ipv4().done && ipv6().done; }
  // What to wait for, and until when at most, before the next `Advance`. Appends; the sources live
  // until then.
  virtual void AppendSources(std::vector<Source*>& sources) = 0;
  virtual Deadline next_timer() const = 0;
  // The name servers that were asked in vain until now, for the story of a dial that fails; one
  // that hasn't answered yet has ETIMEDOUT.
  virtual std::vector<AddressTried> Tried(Instant now) const;
};

class REDIAL_EXPORT Network {
 public:
  virtual ~Network();

  // Begins to connect. An error is an errno with the phase "connect" (see Failure).
  virtual absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                               const SocketOptions& options) = 0;
  virtual absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address& address,
                                                           const ListenOptions& options) = 0;
  virtual absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                              const ResolverOptions& options) = 0;
  // Binds to `local` and connects to `peer`, each unless it is no address; one of them is one.
  // Connected, it receives from `peer` alone. The phase of an error is "listen" or "connect".
  // kUnimplemented, unless overridden.
  virtual absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenDatagram(
      const Address& local, const Address& peer, const DatagramOptions& options);

  // Fakes write a trace of the calls that use them.
  virtual bool observes() const { return false; }
  virtual void Observe(const CallEvent&) {}
};

// The machine's own network. Stateless.
REDIAL_EXPORT Network& KernelNetwork();

// What code uses that names no network: the simulated host's inside a simulation, else the
// kernel's.
REDIAL_EXPORT Network& CurrentNetwork();

}  // namespace redial

#endif  // REDIAL_NETWORK_H_
