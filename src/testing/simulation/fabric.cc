#include "src/testing/simulation/fabric.h"

#include <tuple>

#include "src/core/mix.h"

namespace redial::testing::internal {

Fabric::Fabric(Scheduler& scheduler, const Defaults& defaults)
    : scheduler_(scheduler),
      defaults_(defaults),
      link_(defaults.link),
      trace_(defaults.trace_limit) {}

Fabric::~Fabric() = default;

SimHost& Fabric::AddHost(std::string_view name) {
  hosts_.push_back(std::make_unique<SimHost>(*this, trace_.AddHost(name), name));
  return *hosts_.back();
}

void Fabric::AddAddress(SimHost& host, const Address& address) {
  host.AddAddress(address.WithPort(0));
  addresses_[address.WithPort(0)] = &host;
}

SimHost* Fabric::Find(const Address& address) const {
  const auto found = addresses_.find(address.WithPort(0));
  return found != addresses_.end() ? found->second : nullptr;
}

Link& Fabric::Way(const SimHost& from, const SimHost& to) {
  const auto key = std::pair<int, int>(from.number(), to.number());
  const auto found = links_.find(key);
  if (found != links_.end()) return found->second;
  const LinkOptions& options = &from == &to ? defaults_.loopback : link_;
  const uint64_t which = uint64_t{from.number()} << 32 | to.number();
  return links_
      .emplace(std::piecewise_construct, std::forward_as_tuple(key),
               std::forward_as_tuple(options, SeedFor(defaults_.seed, which, /*which=*/2)))
      .first->second;
}

void Fabric::SetLink(const SimHost& a, const SimHost& b, const LinkOptions& options) {
  Way(a, b).Configure(options);
  if (&a != &b) Way(b, a).Configure(options);
}

void Fabric::SetDefaultLink(const LinkOptions& options) { link_ = options; }

void Fabric::SetUp(const SimHost& from, const SimHost& to, bool up) {
  Way(from, to).set_up(up);
  Suspect();
}

TcpConnection& Fabric::Connect() {
  for (TcpConnection* connection : over_) {
    connection->listed_over_ = false;
    if (!connection->over()) continue;
    const TcpEnd& client = connection->client();
    if (client.local().is_ip()) client.host().ReleasePort(client.local().port());
    connections_.erase(connection->place_);
  }
  over_.clear();
  connections_.push_back(std::make_unique<TcpConnection>(*this, ++connection_numbers_));
  connections_.back()->place_ = std::prev(connections_.end());
  return *connections_.back();
}

void Fabric::Settle(TcpConnection& connection) {
  if (connection.listed_over_ || !connection.over()) return;
  connection.listed_over_ = true;
  over_.push_back(&connection);
}

TcpEnd* Fabric::FindEnd(const Address& local, const Address& remote) const {
  const Fiber* const fiber = scheduler_.current();
  TcpEnd* found = nullptr;
  for (const auto& connection : connections_) {
    for (TcpEnd* end : {&connection->client(), &connection->server()}) {
      if (!end->open() || end->local() != local || end->remote() != remote) continue;
      // Each host has a loopback of its own: the caller's means its own.
      if (fiber == nullptr || end->host().name() == fiber->host().host()) return end;
      if (found == nullptr) found = end;
    }
  }
  return found;
}

void Fabric::Suspect() {
  for (const auto& connection : connections_) {
    for (TcpEnd* end : {&connection->client(), &connection->server()}) {
      if (end->known()) end->sender().Suspect();
    }
  }
}

}  // namespace redial::testing::internal
