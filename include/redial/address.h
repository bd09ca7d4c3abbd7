// One endpoint: an IPv4 or IPv6 address with a port, or the path of a Unix socket.
//
//   auto address = redial::Address::Parse("[::1]:6379");
//   if (!address.ok()) return address.status();
//   std::string text = address->ToString();   // "[::1]:6379"
//
// A value: const methods are safe together, a non-const one needs outside locking.
#ifndef REDIAL_ADDRESS_H_
#define REDIAL_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "redial/export.h"

namespace redial {

class REDIAL_EXPORT Address {
 public:
  enum class Family : uint8_t { kNone, kIpv4, kIpv6, kUnix };

  // No address at all: `family()` is kNone and `ToString()` is "".
  Address() = default;

  // Bytes in network order, as they stand in the packet.
  static Address Ipv4(const std::array<uint8_t, 4>& bytes, uint16_t port);
  static Address Ipv6(const std::array<uint8_t, 16>& bytes, uint16_t port, uint32_t scope_id = 0);
  // `path` starts with '/', or with '@' for Linux's abstract namespace. kInvalidArgument when it is
  // empty, relative, or longer than the kernel's 107 bytes.
  static absl::StatusOr<Address> Unix(std::string_view path);

  // A literal host ("127.0.0.1", "::1", "fe80::1%2"; no brackets) with a port; nullopt when `host`
  // is a name.
  static std::optional<Address> FromLiteral(std::string_view host, uint16_t port);
  // "127.0.0.1:80", "[::1]:80", "/run/app.sock" or "@name". kInvalidArgument with one sentence
  // otherwise.
  static absl::StatusOr<Address> Parse(std::string_view text);

  Family family() const { return family_; }
  bool is_ip() const { return family_ == Family::kIpv4 || family_ == Family::kIpv6; }
  uint16_t port() const { return port_; }
  uint32_t scope_id() const { return scope_id_; }
  // The first 4 for IPv4, all 16 for IPv6.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

  Address WithPort(uint16_t port) const;
  bool is_loopback() const;

  // "127.0.0.1:80", "[::1]:80", "/run/app.sock", "@name".
  std::string ToString() const;
  // Without the port: "127.0.0.1", "[::1]", "/run/app.sock".
  std::string HostString() const;

  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  Family family_ = Family::kNone;
  uint16_t port_ = 0;
  uint32_t scope_id_ = 0;
  std::array<uint8_t, 16> bytes_{};
  std::string path_;
};

}  // namespace redial

#endif  // REDIAL_ADDRESS_H_
