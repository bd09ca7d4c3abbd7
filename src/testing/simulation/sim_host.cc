#include "src/testing/simulation/sim_host.h"

#include <cerrno>

#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/tcp_listener.h"

namespace redial::testing::internal {
namespace {

constexpr absl::Duration kLinger = absl::Seconds(60);

}  // namespace

bool IsWildcard(const Address& address) {
  return address.is_ip() && address.bytes() == std::array<uint8_t, 16>{};
}

Address Wildcard(Address::Family family, uint16_t port) {
  return family == Address::Family::kIpv4 ? Address::Ipv4({}, port) : Address::Ipv6({}, port);
}

bool Overlap(const Address& a, const Address& b) {
  if (a.port() != b.port()) return false;
  if (a == b) return true;
  if (a.family() == b.family()) return IsWildcard(a) || IsWildcard(b);
  // [::] takes IPv4's as well.
  return (a.family() == Address::Family::kIpv6 && IsWildcard(a)) ||
         (b.family() == Address::Family::kIpv6 && IsWildcard(b));
}

Process::Process(Scheduler& scheduler, SimHost& host, uint64_t seed,
                 const FailureHandler& on_failure)
    : runtime(scheduler, host.name(), seed, on_failure), network(host, runtime) {
  runtime.set_network(&network);
}

bool SimHost::Owns(const Address& address) const {
  if (address.is_loopback() || IsWildcard(address)) return true;
  for (const Address& own : addresses_) {
    if (own == address.WithPort(0)) return true;
  }
  return false;
}

Address SimHost::SourceFor(const Address& remote) const {
  if (Owns(remote)) {
    if (!remote.is_loopback() && !IsWildcard(remote)) return remote.WithPort(0);
    return *Address::FromLiteral(remote.family() == Address::Family::kIpv4 ? "127.0.0.1" : "::1",
                                 0);
  }
  for (const Address& own : addresses_) {
    if (own.family() == remote.family()) return own;
  }
  return Address();
}

void SimHost::Boot(const FailureHandler& on_failure) {
  up_ = true;
  const uint64_t seed =
      SeedFor(fabric_.seed(), uint64_t{number_} << 32 | processes_.size(), /*which=*/1);
  processes_.push_back(std::make_unique<Process>(fabric_.scheduler(), *this, seed, on_failure));
}

void SimHost::Crash() {
  up_ = false;
  while (!listeners_.empty()) listeners_.begin()->second->Forget();
  udp_.CloseAll();
  for (const auto& connection : fabric_.connections()) {
    for (TcpEnd* end : {&connection->client(), &connection->server()}) {
      if (&end->host() == this) end->Forget();
    }
  }
  names_.answers.clear();
  lingering_.clear();
  process().runtime.Die();
  fabric_.Suspect();
}

uint16_t SimHost::TakePort() {
  constexpr int kCount = kLastPort - kFirstPort + 1;
  for (int i = 0; i < kCount; ++i) {
    const auto port = static_cast<uint16_t>(kFirstPort + next_port_);
    next_port_ = static_cast<uint16_t>((next_port_ + 1) % kCount);
    if (ports_.contains(port)) continue;
    if (CheckBind(Address::Ipv4({}, port), true) != 0) continue;
    ports_.insert(port);
    return port;
  }
  return 0;
}

int SimHost::CheckBind(const Address& local, bool reuse) const {
  if (!Owns(local)) return EADDRNOTAVAIL;
  for (const auto& [address, listener] : listeners_) {
    if (Overlap(address, local)) return EADDRINUSE;
  }
  const auto lingering = lingering_.find(local.port());
  if (!reuse && lingering != lingering_.end() && lingering->second > fabric_.now()) {
    return EADDRINUSE;
  }
  return 0;
}

void SimHost::Listen(TcpListener& listener) { listeners_[listener.local()] = &listener; }

void SimHost::Unlisten(TcpListener& listener) {
  const auto found = listeners_.find(listener.local());
  if (found != listeners_.end() && found->second == &listener) listeners_.erase(found);
}

TcpListener* SimHost::FindListener(const Address& local) const {
  for (const Address& address :
       {local, Wildcard(local.family(), local.port()), Address::Ipv6({}, local.port())}) {
    const auto found = listeners_.find(address);
    if (found != listeners_.end()) return found->second;
    if (!local.is_ip()) break;
  }
  return nullptr;
}

void SimHost::Ignore(const Address& local, bool ignore) {
  if (ignore) {
    ignored_.insert(local);
  } else {
    ignored_.erase(local);
  }
}

void SimHost::Linger(uint16_t port) { lingering_[port] = fabric_.now() + kLinger; }

}  // namespace redial::testing::internal
