#include "redial/stream.h"

#include "redial/network.h"

// The interfaces' out-of-line destructors.
namespace redial {

Stream::~Stream() = default;
Acceptor::~Acceptor() = default;
Network::~Network() = default;

}  // namespace redial
