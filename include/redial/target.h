// What a user names: a service to dial, which may stand for several addresses.
//
//   auto target = redial::Target::Parse("tcp://cache.internal:6379");
//   if (!target.ok()) { std::cerr << target.status().message() << '\n'; return 2; }
//
// Forms: `tcp://host:port`, `tcp://127.0.0.1:port`, `tcp://[::1]:port`, `unix:///absolute/path`,
// `unix://@abstract`, and `udp://host:port` for `Datagram`. `tls://host:port` is recognised, and refused by `Parse` as not built in. Each
// way to get one wrong has a message of its own that quotes the text and says what is allowed.
//
// A value: const methods are safe together, a non-const one needs outside locking.
#ifndef REDIAL_TARGET_H_
#define REDIAL_TARGET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "redial/address.h"
#include "redial/export.h"

namespace redial {

class REDIAL_EXPORT Target {
 public:
  // kInvalidArgument with one precise sentence for each mistake.
  static absl::StatusOr<Target> Parse(std::string_view text);

  enum class Transport : uint8_t { kTcp, kUdp, kUnix };
  Transport transport() const { return transport_; }

  // As it was given: "tcp://cache.internal:6379".
  const std::string& text() const { return text_; }
  // For messages: "cache.internal:6379", "[::1]:80", "/run/app.sock".
  std::string ToString() const;

  // The name or literal without brackets; empty for a Unix socket.
  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }
  // Set where no look-up is needed: a literal address or a Unix path.
  const std::optional<Address>& address() const { return address_; }

  friend bool operator==(const Target&, const Target&) = default;

 private:
  Target() = default;
  Transport transport_ = Transport::kTcp;
  std::string text_;
  std::string host_;
  uint16_t port_ = 0;
  std::optional<Address> address_;
};

}  // namespace redial

#endif  // REDIAL_TARGET_H_
