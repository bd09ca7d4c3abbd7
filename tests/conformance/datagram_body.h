// What bodies about datagrams have in common.
#ifndef REDIAL_TESTS_CONFORMANCE_DATAGRAM_BODY_H_
#define REDIAL_TESTS_CONFORMANCE_DATAGRAM_BODY_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "redial/datagram.h"
#include "tests/conformance/body.h"

namespace redial::conformance {

class DatagramBody : public Body {
 protected:
  // On a free port of `Host(1)`.
  static Datagram Bind(const DatagramOptions& options = {}) {
    return BindTo(world().Host(1), 0, options);
  }
  static Datagram BindTo(const std::string& host, uint16_t port = 0,
                         const DatagramOptions& options = {}) {
    auto socket = Datagram::Bind(*Address::FromLiteral(host, port), options);
    EXPECT_EQ(socket.status(), absl::OkStatus());
    return *std::move(socket);
  }
  static Datagram ConnectTo(const Address& peer) {
    auto socket = Datagram::Connect(peer, Guard());
    EXPECT_EQ(socket.status(), absl::OkStatus());
    return *std::move(socket);
  }
  static Address Nobody() { return *Address::FromLiteral(world().Host(1), world().FreePort()); }

  // Within `kHang`, unless the socket's own limits are closer.
  static absl::StatusOr<std::string> Receive(Datagram& socket, size_t room = 512) {
    if (socket.deadline().is_never()) socket.set_deadline(Guard());
    std::string bytes(room, '\0');
    const absl::StatusOr<size_t> n = socket.Receive(absl::MakeSpan(bytes.data(), room));
    if (!n.ok()) return n.status();
    bytes.resize(*n);
    return bytes;
  }
  static std::string Received(Datagram& socket) {
    absl::StatusOr<std::string> bytes = Receive(socket);
    EXPECT_EQ(bytes.status(), absl::OkStatus());
    return bytes.ok() ? *std::move(bytes) : "";
  }
  static DatagramReceived From(Datagram& socket) {
    if (socket.deadline().is_never()) socket.set_deadline(Guard());
    char buffer[512];
    auto received = socket.ReceiveFrom(absl::MakeSpan(buffer));
    EXPECT_EQ(received.status(), absl::OkStatus());
    return received.ok() ? *std::move(received) : DatagramReceived();
  }
  // That nothing waits to be read, nor an error to be told.
  static void ExpectNothing(Datagram& socket) {
    char byte;
    EXPECT_EQ(ErrnoOf(socket.TryReceive(absl::MakeSpan(&byte, 1)).status()), EAGAIN);
  }
  static std::string Message(const absl::Status& status) { return std::string(status.message()); }
};

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_DATAGRAM_BODY_H_
