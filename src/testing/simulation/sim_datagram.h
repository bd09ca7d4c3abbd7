// What datagram sockets on a simulated host stand on.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SIM_DATAGRAM_H_
#define REDIAL_SRC_TESTING_SIMULATION_SIM_DATAGRAM_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/network.h"
#include "redial/stream.h"
#include "src/testing/simulation/host_runtime.h"
#include "src/testing/simulation/udp_socket.h"

namespace redial::testing::internal {

// Used by one thread.
class SimDatagram final : public DatagramEndpoint {
 public:
  SimDatagram(HostRuntime& process, SimHost& host, Address local, Address peer,
              const DatagramOptions& options)
      : process_(process), host_(host), socket_(host, std::move(local), std::move(peer), options) {}

  DatagramIo TryReceive(absl::Span<char> buffer, Address* from) override;
  DatagramIo TrySend(std::string_view data, const Address* to) override;
  void Close() override { socket_.Close(); }
  void Poke() override;
  Address local() const override { return socket_.local(); }
  Address peer() const override { return socket_.peer(); }

 private:
  bool usable() const { return !socket_.closed() && !process_.dead(); }
  // EBADF, for what is closed or whose process is dead.
  DatagramIo Unusable();
  // Whether an injector wants this one lost.
  bool Loses(std::string_view data);

  HostRuntime& process_;
  SimHost& host_;
  UdpSocket socket_;
};

// `options` are valid.
absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenSimDatagram(HostRuntime& process,
                                                                  SimHost& host,
                                                                  const Address& local,
                                                                  const Address& peer,
                                                                  const DatagramOptions& options);

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SIM_DATAGRAM_H_
