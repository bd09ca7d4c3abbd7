#include "src/testing/simulation/sim_network.h"

#include <cerrno>
#include <utility>

#include "redial/failure.h"
#include "src/core/status.h"
#include "src/net/address_error.h"
#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/sim_datagram.h"
#include "src/testing/simulation/sim_lookup.h"
#include "src/testing/simulation/sim_stream.h"

namespace redial::testing::internal {
namespace {

using redial::internal::ErrnoStatus;
using redial::internal::ListenError;

Failure In(Phase phase, const Address& address) {
  return {.phase = phase, .sent = Sent::kNo, .address = address.ToString()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Stream>> SimNetwork::StartConnect(const Address& address,
                                                                 const SocketOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (address.family() == Address::Family::kNone) {
    return absl::InvalidArgumentError("connect: no address was given");
  }
  if (runtime_.dead()) {
    runtime_.CountAfterDeath();
    return ErrnoStatus(ENETDOWN, In(Phase::kConnect, address));
  }
  return address.is_ip() ? ConnectTcp(address, options) : ConnectUnix(address, options);
}

absl::StatusOr<std::unique_ptr<Stream>> SimNetwork::ConnectTcp(const Address& address,
                                                               const SocketOptions& options) {
  Fabric& fabric = host_.fabric();
  const Address source = host_.SourceFor(address);
  SimHost* const target = host_.Owns(address) ? &host_ : fabric.Find(address);
  if (target == nullptr || source.family() == Address::Family::kNone) {
    return ErrnoStatus(ENETUNREACH, In(Phase::kConnect, address));
  }
  const uint16_t port = host_.TakePort();
  if (port == 0) return ErrnoStatus(EADDRNOTAVAIL, In(Phase::kConnect, address));
  // Connecting to the wildcard address means this machine.
  const bool literal =
      !host_.Owns(address) || address.is_loopback() || source.WithPort(0) == address.WithPort(0);
  const Address remote = literal ? address : source.WithPort(address.port());
  TcpConnection& connection = fabric.Connect();
  connection.client().Prepare({.host = &host_,
                               .out = &fabric.Way(host_, *target),
                               .local = source.WithPort(port),
                               .remote = remote,
                               .options = options});
  connection.server().Prepare({.host = target,
                               .out = &fabric.Way(*target, host_),
                               .local = remote,
                               .remote = source.WithPort(port)});
  connection.client().set_held(true);
  if (Injector* const injector = fabric.injector()) {
    const Injection injection = injector->On({.operation = Operation::kConnect,
                                              .host = host_.name(),
                                              .at = fabric.now(),
                                              .connection = connection.number()});
    if (injection.kind == Injection::Kind::kRefuse) connection.client().Break(ECONNREFUSED);
    if (injection.kind == Injection::Kind::kReset) connection.client().Break(ECONNRESET);
    if (injection.kind == Injection::Kind::kStall) connection.Cut();
  }
  if (connection.client().state() == TcpEnd::State::kIdle) connection.client().Connect();
  return std::make_unique<SimStream>(runtime_, connection.client());
}

absl::StatusOr<std::unique_ptr<Stream>> SimNetwork::ConnectUnix(const Address& address,
                                                                const SocketOptions& options) {
  Fabric& fabric = host_.fabric();
  Link& loopback = fabric.Way(host_, host_);
  TcpConnection& connection = fabric.Connect();
  connection.client().Prepare(
      {.host = &host_, .out = &loopback, .remote = address, .options = options});
  connection.server().Prepare({.host = &host_, .out = &loopback, .local = address});
  const int error = connection.client().ConnectLocally();
  if (error != 0 && error != EAGAIN) {
    connection.client().Close();
    return ErrnoStatus(error, In(Phase::kConnect, address));
  }
  connection.client().set_held(true);
  return std::make_unique<SimStream>(runtime_, connection.client());
}

absl::StatusOr<std::unique_ptr<Acceptor>> SimNetwork::Listen(const Address& address,
                                                             const ListenOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (address.family() == Address::Family::kNone) {
    return absl::InvalidArgumentError("listen: no address was given");
  }
  if (runtime_.dead()) {
    runtime_.CountAfterDeath();
    return ListenError(ENETDOWN, address);
  }
  Address local = address;
  if (address.is_ip()) {
    if (const int error = host_.CheckBind(address, options.reuse_address)) {
      return ListenError(error, address);
    }
    if (address.port() == 0) local = address.WithPort(host_.TakePort());
    if (local.port() == 0) return ListenError(EADDRINUSE, address);
  } else {
    const bool in_file_system = address.path().front() == '/';
    const bool taken =
        in_file_system ? host_.HasPath(address.path()) : host_.FindListener(address) != nullptr;
    if (taken) return ListenError(EADDRINUSE, address);
    if (in_file_system) host_.AddPath(address.path());
  }
  auto listener = std::make_unique<TcpListener>(host_, local, options);
  host_.Listen(*listener);
  if (address.port() != local.port()) host_.ReleasePort(local.port());  // the listener keeps it
  return std::make_unique<SimAcceptor>(runtime_, std::move(listener));
}

absl::StatusOr<std::unique_ptr<Lookup>> SimNetwork::StartLookup(const ResolveRequest& request,
                                                                const ResolverOptions& options) {
  if (runtime_.dead()) {
    runtime_.CountAfterDeath();
    return ErrnoStatus(ENETDOWN, {.phase = Phase::kResolve, .sent = Sent::kNo});
  }
  return StartSimLookup(host_, request, options);
}

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> SimNetwork::OpenDatagram(
    const Address& local, const Address& peer, const DatagramOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return OpenSimDatagram(runtime_, host_, local, peer, options);
}

}  // namespace redial::testing::internal
