#include "src/testing/simulation/udp_wire.h"

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>

#include "src/testing/simulation/event_queue.h"
#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/sim_host.h"
#include "src/testing/simulation/trace.h"
#include "src/testing/simulation/udp_socket.h"

namespace redial::testing::internal {
namespace {

// Of IPv4 and UDP, and of an ICMP message, which quotes them.
constexpr size_t kHeaders = 28;
constexpr size_t kUnreachable = 56;

}  // namespace

// Used again for another once it has arrived.
class UdpWire::Flight final : public Timer {
 public:
  Flight(EventQueue& queue, UdpWire& wire) : Timer(queue), wire_(wire) {}

  void Depart(const Way& way, std::string_view data, Instant arrives) {
    way_ = way;
    data_ = data;
    Set(arrives);
  }
  const Way& way() const { return way_; }
  std::string_view data() const { return data_; }

 private:
  void Fire() override { wire_.Arrive(*this); }

  UdpWire& wire_;
  Way way_;
  std::string data_;
};

UdpWire::UdpWire(Fabric& fabric) : fabric_(fabric) {}
UdpWire::~UdpWire() = default;

int UdpWire::Send(SimHost& host, const Address& local, const Address& to, std::string_view data,
                  bool lose) {
  const Address source = host.SourceFor(to);
  SimHost* const target = host.Owns(to) ? &host : fabric_.Find(to);
  if (target == nullptr || source.family() == Address::Family::kNone) return ENETUNREACH;
  if (local.is_loopback() && target != &host) return EINVAL;
  // Sending to the wildcard address means this machine.
  const Address destination = IsWildcard(to) ? source.WithPort(to.port()) : to;
  const Address sender = IsWildcard(local) ? source.WithPort(local.port()) : local;
  Launch({.from = &host, .to = target, .source = sender, .destination = destination}, data, lose);
  return 0;
}

void UdpWire::Launch(const Way& way, std::string_view data, bool lose) {
  Link& link = fabric_.Way(*way.from, *way.to);
  const size_t bytes = way.refuses ? kUnreachable : data.size() + kHeaders;
  const std::optional<Instant> arrives = lose ? std::nullopt : link.Carry(fabric_.now(), bytes);
  Record(way, arrives ? PacketFate::kSent : PacketFate::kLost, data.size());
  if (arrives) Depart(way, data, *arrives);
  if (!arrives || !link.Duplicates()) return;
  if (const std::optional<Instant> again = link.Carry(fabric_.now(), bytes)) {
    Record(way, PacketFate::kAgain, data.size());
    Depart(way, data, *again);
  }
}

void UdpWire::Depart(const Way& way, std::string_view data, Instant arrives) {
  if (idle_.empty()) {
    flights_.push_back(std::make_unique<Flight>(fabric_.scheduler().events(), *this));
    idle_.push_back(flights_.back().get());
  }
  Flight& flight = *idle_.back();
  idle_.pop_back();
  flight.Depart(way, data, arrives);
}

void UdpWire::Arrive(Flight& flight) {
  const Way way = flight.way();
  if (!way.to->up() || way.to->ignores(way.destination)) {
    Record(way, PacketFate::kDropped, flight.data().size());
  } else if (!Deliver(way, flight.data()) && !way.refuses) {
    Launch({.from = way.to,
            .to = way.from,
            .source = way.destination,
            .destination = way.source,
            .refuses = true},
           {}, /*lose=*/false);
  }
  idle_.push_back(&flight);
}

bool UdpWire::Deliver(const Way& way, std::string_view data) {
  UdpSocket* const socket = way.to->udp().Find(way.destination, way.source);
  if (socket == nullptr) return false;
  if (way.refuses) {
    // Who isn't connected couldn't tell which of its peers is meant.
    if (socket->connected()) socket->Refuse();
  } else if (!socket->Arrive(way.source, data)) {
    Record(way, PacketFate::kDropped, data.size());
  }
  return true;
}

void UdpWire::Record(const Way& way, PacketFate fate, size_t bytes) {
  fabric_.Record(way.refuses ? PacketKind::kUnreachable : PacketKind::kDatagram, fate,
                 {way.from->number(), way.source.port()},
                 {way.to->number(), way.destination.port()}, bytes);
}

}  // namespace redial::testing::internal
