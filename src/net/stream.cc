#include "redial/stream.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/address.h"
#include "redial/network.h"

// The interfaces' out-of-line members.
namespace redial {

Stream::~Stream() = default;
Acceptor::~Acceptor() = default;
DatagramEndpoint::~DatagramEndpoint() = default;
Network::~Network() = default;

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> Network::OpenDatagram(const Address&,
                                                                        const Address&,
                                                                        const DatagramOptions&) {
  return absl::UnimplementedError("this network carries no datagrams");
}

}  // namespace redial
