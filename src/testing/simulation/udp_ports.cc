#include "src/testing/simulation/udp_ports.h"

#include "src/testing/simulation/sim_host.h"
#include "src/testing/simulation/udp_socket.h"

namespace redial::testing::internal {

bool UdpPorts::Free(const Address& local) const {
  for (const auto& [address, socket] : sockets_) {
    if (Overlap(address, local)) return false;
  }
  return true;
}

uint16_t UdpPorts::TakePort(uint16_t not_this) {
  constexpr int kCount = kLastPort - kFirstPort + 1;
  for (int i = 0; i < kCount; ++i) {
    const auto port = static_cast<uint16_t>(kFirstPort + next_port_);
    next_port_ = static_cast<uint16_t>((next_port_ + 1) % kCount);
    if (port != not_this && Free(Wildcard(Address::Family::kIpv6, port))) return port;
  }
  return 0;
}

void UdpPorts::Add(UdpSocket& socket) { sockets_[socket.local()] = &socket; }

void UdpPorts::Remove(const UdpSocket& socket) { sockets_.erase(socket.local()); }

UdpSocket* UdpPorts::Find(const Address& local, const Address& remote) const {
  for (const Address& address : {local, Wildcard(local.family(), local.port()),
                                 Wildcard(Address::Family::kIpv6, local.port())}) {
    const auto found = sockets_.find(address);
    if (found == sockets_.end()) continue;
    UdpSocket& socket = *found->second;
    if (!socket.connected() || socket.peer() == remote) return &socket;
  }
  return nullptr;
}

void UdpPorts::CloseAll() {
  while (!sockets_.empty()) sockets_.begin()->second->Close();
}

}  // namespace redial::testing::internal
