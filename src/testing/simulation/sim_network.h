// What a process on a simulated host sees of the network.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SIM_NETWORK_H_
#define REDIAL_SRC_TESTING_SIMULATION_SIM_NETWORK_H_

#include <memory>

#include "absl/status/statusor.h"
#include "redial/address.h"
#include "redial/network.h"
#include "redial/stream.h"

namespace redial::testing::internal {

class HostRuntime;
class SimHost;

// Used by one thread.
class SimNetwork final : public Network {
 public:
  SimNetwork(SimHost& host, HostRuntime& runtime) : host_(host), runtime_(runtime) {}

  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions& options) override;
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address& address,
                                                   const ListenOptions& options) override;
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override;
  // kUnimplemented for Unix sockets.
  absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenDatagram(
      const Address& local, const Address& peer, const DatagramOptions& options) override;

 private:
  absl::StatusOr<std::unique_ptr<Stream>> ConnectTcp(const Address& address,
                                                     const SocketOptions& options);
  absl::StatusOr<std::unique_ptr<Stream>> ConnectUnix(const Address& address,
                                                      const SocketOptions& options);

  SimHost& host_;
  HostRuntime& runtime_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SIM_NETWORK_H_
