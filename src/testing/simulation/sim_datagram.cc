#include "src/testing/simulation/sim_datagram.h"

#include <cerrno>
#include <utility>

#include "redial/testing/injection.h"
#include "src/net/address_error.h"
#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/sim_host.h"

namespace redial::testing::internal {
namespace {

using redial::internal::ConnectError;
using redial::internal::ListenError;

constexpr Address::Family kNone = Address::Family::kNone;

// An errno, or 0 where a socket bound to `local` could send to `peer`.
int CheckWay(const SimHost& host, const Address& local, const Address& peer) {
  if (local.family() != kNone && local.family() != peer.family()) return EAFNOSUPPORT;
  if (host.Owns(peer)) return 0;
  if (local.is_loopback()) return EINVAL;
  const bool reachable = host.fabric().Find(peer) != nullptr;
  return reachable && host.SourceFor(peer).family() != kNone ? 0 : ENETUNREACH;
}

// Where a socket is bound; with an errno where it can't be.
struct Bound {
  Address local = {};
  int error = 0;
};

Bound Bind(SimHost& host, const Address& local, const Address& peer) {
  const bool any = local.family() == kNone;
  Address address = any ? host.SourceFor(peer) : local;
  if (!any && !host.Owns(local)) return {.error = EADDRNOTAVAIL};
  // Never its own peer.
  if (address.port() == 0) address = address.WithPort(host.udp().TakePort(peer.port()));
  if (address.port() == 0) return {.error = EADDRINUSE};
  return {.local = address, .error = host.udp().Free(address) ? 0 : EADDRINUSE};
}

}  // namespace

DatagramIo SimDatagram::Unusable() {
  if (process_.dead()) process_.CountAfterDeath();
  return {.error = EBADF};
}

DatagramIo SimDatagram::TryReceive(absl::Span<char> buffer, Address* from) {
  if (!usable()) return Unusable();
  const DatagramIo io = socket_.Receive(buffer, from);
  if (io.error == EAGAIN) process_.CountFutile();
  return io;
}

DatagramIo SimDatagram::TrySend(std::string_view data, const Address* to) {
  if (!usable()) return Unusable();
  return socket_.Send(data, to, Loses(data));
}

bool SimDatagram::Loses(std::string_view data) {
  Injector* const injector = host_.fabric().injector();
  if (injector == nullptr) return false;
  const Injection injection = injector->On({.operation = Operation::kWrite,
                                            .host = process_.host(),
                                            .at = process_.Now(),
                                            .size = data.size()});
  return injection.kind != Injection::Kind::kNone && injection.kind != Injection::Kind::kShort;
}

void SimDatagram::Poke() {
  socket_.readable().Set();
  socket_.writable().Set();
}

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenSimDatagram(HostRuntime& process,
                                                                  SimHost& host,
                                                                  const Address& local,
                                                                  const Address& peer,
                                                                  const DatagramOptions& options) {
  const bool connects = peer.family() != kNone;
  if (!connects && local.family() == kNone) {
    return absl::InvalidArgumentError("datagram: no address was given");
  }
  if (local.family() == Address::Family::kUnix || peer.family() == Address::Family::kUnix) {
    return absl::UnimplementedError("a Simulation carries datagrams of IP addresses alone");
  }
  if (process.dead()) {
    process.CountAfterDeath();
    return connects ? ConnectError(ENETDOWN, peer) : ListenError(ENETDOWN, local);
  }
  if (connects) {
    if (const int error = CheckWay(host, local, peer)) return ConnectError(error, peer);
  }
  const Bound bound = Bind(host, local, peer);
  if (bound.error != 0) {
    return local.family() == kNone ? ConnectError(bound.error, peer)
                                   : ListenError(bound.error, local);
  }
  // Connecting to the wildcard address means this machine.
  const Address remote = IsWildcard(peer) ? host.SourceFor(peer).WithPort(peer.port()) : peer;
  return std::make_unique<SimDatagram>(process, host, bound.local, remote, options);
}

}  // namespace redial::testing::internal
