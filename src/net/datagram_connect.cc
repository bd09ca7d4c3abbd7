// Connecting a datagram socket: the one dial there is, over a network whose connections are
// datagram endpoints. Nothing answers a datagram's connect, so the first address that this machine
// has a way to wins at once; the order of families, the delay that an IPv4 answer waits for an IPv6
// one, the limits and the story of a failure are a stream's.
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/datagram.h"
#include "redial/dial.h"
#include "redial/runtime.h"
#include "src/core/status.h"
#include "src/net/dialer.h"

namespace redial {
namespace {

// Carries an endpoint through the dialer, which only asks whether it is connected.
class Carrier final : public Stream {
 public:
  explicit Carrier(std::unique_ptr<DatagramEndpoint> endpoint) : endpoint_(std::move(endpoint)) {}

  std::unique_ptr<DatagramEndpoint> Unload() { return std::move(endpoint_); }

  Io FinishConnect() override { return {}; }
  Io TryRead(absl::Span<char>) override { return {.error = EOPNOTSUPP}; }
  Io TryWrite(std::string_view) override { return {.error = EOPNOTSUPP}; }
  int ShutdownWrite() override { return EOPNOTSUPP; }
  void Close() override { endpoint_->Close(); }
  void Poke() override { endpoint_->Poke(); }
  Address local() const override { return endpoint_->local(); }
  Address peer() const override { return endpoint_->peer(); }

 private:
  std::unique_ptr<DatagramEndpoint> endpoint_;
};

class DatagramsAsStreams final : public Network {
 public:
  DatagramsAsStreams(Network& network, const DatagramConnectOptions& options)
      : network_(network), options_(options) {}

  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions&) override {
    auto endpoint = network_.OpenDatagram(options_.local, address, options_.socket);
    if (!endpoint.ok()) return endpoint.status();
    return std::make_unique<Carrier>(*std::move(endpoint));
  }
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address&, const ListenOptions&) override {
    return absl::UnimplementedError("datagrams have no listeners");
  }
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override {
    return network_.StartLookup(request, options);
  }

 private:
  Network& network_;
  const DatagramConnectOptions& options_;
};

// What has passed before anything was begun.
absl::Status CheckLimits(const Address& peer, Deadline deadline, const std::stop_token& stop) {
  Failure failure;
  failure.phase = Phase::kConnect;
  failure.sent = Sent::kNo;
  failure.address = peer.ToString();
  if (!deadline.is_never() && deadline.expired(Runtime::Current().Now())) {
    failure.error = ETIMEDOUT;
    return internal::TimeoutStatus(failure);
  }
  if (!stop.stop_requested()) return absl::OkStatus();
  failure.error = ECANCELED;
  return internal::StoppedStatus(failure);
}

}  // namespace

absl::Status DatagramConnectOptions::Validate() const {
  if (absl::Status status = resolver.Validate(); !status.ok()) return status;
  return socket.Validate();
}

absl::StatusOr<Datagram> Datagram::Connect(const Target& target, Deadline deadline,
                                           std::stop_token stop,
                                           const DatagramConnectOptions& options,
                                           Network& network) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (target.transport() == Target::Transport::kTcp) {
    return absl::InvalidArgumentError(
        absl::StrCat("connect to ", target.text(),
                     ": it names a stream, which Dial connects to; a datagram's is udp://"));
  }
  DatagramsAsStreams datagrams(network, options);
  const DialOptions dial{.resolver = options.resolver};
  internal::Dialer dialer(target, deadline, stop, dial, datagrams);
  absl::StatusOr<std::unique_ptr<Stream>> stream = dialer.Run();
  if (!stream.ok()) return stream.status();
  // All of this network's streams are carriers.
  return Datagram(static_cast<Carrier&>(**stream).Unload(), deadline, std::move(stop));
}

absl::StatusOr<Datagram> Datagram::Connect(const Address& peer, Deadline deadline,
                                           std::stop_token stop,
                                           const DatagramConnectOptions& options,
                                           Network& network) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (peer.family() == Address::Family::kNone || (peer.is_ip() && peer.port() == 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("connect: \"", peer.ToString(), "\" is no address that can be sent to"));
  }
  if (absl::Status status = CheckLimits(peer, deadline, stop); !status.ok()) return status;
  auto endpoint = network.OpenDatagram(options.local, peer, options.socket);
  if (!endpoint.ok()) return endpoint.status();
  return Datagram(*std::move(endpoint), deadline, std::move(stop));
}

}  // namespace redial
