#include "src/testing/simulation/udp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/sim_host.h"

namespace redial::testing::internal {
namespace {

// net.core.rmem_default; the kernel doubles what it is asked for, and charges for its bookkeeping.
constexpr size_t kDefaultRoom = 212'992;
constexpr size_t kBookkeeping = 768;
// A packet's length has 16 bits, and counts IPv4's header but not IPv6's.
constexpr size_t kLongestOverIpv4 = 65'507;
constexpr size_t kLongestOverIpv6 = 65'527;

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// An IPv6 socket sees those who have IPv4 addresses as ::ffff:a.b.c.d.
Address Mapped(const Address& ipv4) {
  std::array<uint8_t, 16> bytes{};
  std::copy(kMapped.begin(), kMapped.end(), bytes.begin());
  std::copy_n(ipv4.bytes().begin(), 4, bytes.begin() + kMapped.size());
  return Address::Ipv6(bytes, ipv4.port());
}

Address Unmapped(const Address& address) {
  const bool mapped = address.family() == Address::Family::kIpv6 &&
                      std::equal(kMapped.begin(), kMapped.end(), address.bytes().begin());
  if (!mapped) return address;
  std::array<uint8_t, 4> bytes;
  std::copy_n(address.bytes().begin() + kMapped.size(), 4, bytes.begin());
  return Address::Ipv4(bytes, address.port());
}

}  // namespace

UdpSocket::UdpSocket(SimHost& host, Address local, Address peer, const DatagramOptions& options)
    : host_(host),
      local_(std::move(local)),
      peer_(std::move(peer)),
      room_(options.receive_buffer > 0 ? 2 * static_cast<size_t>(options.receive_buffer)
                                       : kDefaultRoom) {
  host_.udp().Add(*this);
}

DatagramIo UdpSocket::Receive(absl::Span<char> buffer, Address* from) {
  if (const int error = TakeError()) return {.error = error};
  if (received_.empty()) return {.error = EAGAIN, .want = &readable_};
  const Received& first = received_.front();
  const size_t bytes = std::min(buffer.size(), first.data.size());
  if (bytes > 0) std::memcpy(buffer.data(), first.data.data(), bytes);
  if (from != nullptr) *from = first.from;
  const DatagramIo io{.bytes = bytes, .size = first.data.size()};
  used_ -= io.size + kBookkeeping;
  received_.pop_front();
  return io;
}

DatagramIo UdpSocket::Send(std::string_view data, const Address* to, bool lose) {
  const Address remote = Unmapped(to != nullptr ? *to : peer_);
  const bool ipv4 = remote.family() == Address::Family::kIpv4;
  if (!remote.is_ip() || (!ipv4 && local_.family() == Address::Family::kIpv4)) {
    return {.error = EAFNOSUPPORT};
  }
  if (data.size() > (ipv4 ? kLongestOverIpv4 : kLongestOverIpv6)) return {.error = EMSGSIZE};
  if (const int error = TakeError()) return {.error = error};
  if (const int error = host_.fabric().udp().Send(host_, local_, remote, data, lose)) {
    return {.error = error};
  }
  return {.bytes = data.size(), .size = data.size()};
}

void UdpSocket::Close() {
  if (closed_) return;
  closed_ = true;
  host_.udp().Remove(*this);
  received_.clear();
  readable_.Set();
  writable_.Set();
}

bool UdpSocket::Arrive(const Address& from, std::string_view data) {
  if (used_ > room_) return false;
  used_ += data.size() + kBookkeeping;
  const bool maps =
      local_.family() == Address::Family::kIpv6 && from.family() == Address::Family::kIpv4;
  received_.push_back({maps ? Mapped(from) : from, std::string(data)});
  readable_.Set();
  return true;
}

void UdpSocket::Refuse() {
  error_ = ECONNREFUSED;
  readable_.Set();
  writable_.Set();
}

}  // namespace redial::testing::internal
