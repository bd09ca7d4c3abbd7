#include "tests/seeds/trouble.h"

#include <string>

#include "absl/time/time.h"

namespace redial::testing {
namespace {

constexpr absl::Duration kTroubled = absl::Minutes(1);

SimulatedHost& Pick(const std::vector<SimulatedHost*>& hosts, Dice& dice) {
  return *hosts[static_cast<size_t>(dice.Between(0, static_cast<int64_t>(hosts.size()) - 1))];
}

// Something happens to a server, and is over a while later.
void PlanForServer(Simulation& sim, SimulatedHost& server, Dice& dice) {
  const absl::Duration begin = dice.Time(absl::ZeroDuration(), kTroubled / 2);
  const absl::Duration length = dice.Time(absl::Milliseconds(1), kTroubled / 3);
  if (dice.OneIn(2)) {
    sim.After(begin, [&server] { server.Crash(); });
    sim.After(begin + length, [&server] { server.Restart(); });
  } else {
    sim.After(begin, [&server] { server.Pause(); });
    sim.After(begin + length, [&server] { server.Resume(); });
  }
}

void PlanForLink(Simulation& sim, SimulatedHost& client, SimulatedHost& server, Dice& dice) {
  const absl::Duration begin = dice.Time(absl::ZeroDuration(), kTroubled / 2);
  const absl::Duration length = dice.Time(absl::Milliseconds(1), kTroubled / 3);
  const bool one_way = dice.OneIn(2);
  sim.After(begin, [&, one_way] {
    if (one_way) {
      sim.PartitionOneWay(server, client);
    } else {
      sim.Partition(client, server);
    }
  });
  sim.After(begin + length, [&] { sim.Heal(client, server); });
}

}  // namespace

Injection RandomFaults::On(const Point& point) {
  if (one_in_ == 0 || !dice_.OneIn(one_in_)) return {};
  using Kind = Injection::Kind;
  Injection injection;
  if (point.operation == Operation::kConnect || point.operation == Operation::kResolve) {
    injection.kind = dice_.OneIn(2) ? Kind::kRefuse : Kind::kStall;
  } else {
    constexpr Kind kKinds[] = {Kind::kReset, Kind::kClose, Kind::kStall, Kind::kShort};
    injection.kind = kKinds[dice_.Int(0, 3)];
    injection.after = static_cast<size_t>(dice_.Between(1, static_cast<int64_t>(point.size) + 1));
    if (injection.after > point.size) injection.after = point.size;
    if (injection.after == 0 && injection.kind == Kind::kShort) return {};
  }
  ++injected_;
  return injection;
}

LinkOptions DrawLink(Dice& dice) {
  LinkOptions link = {.latency = dice.Time(absl::Microseconds(50), absl::Milliseconds(40))};
  if (dice.OneIn(2)) link.jitter = dice.Time(absl::ZeroDuration(), absl::Milliseconds(30));
  link.spread = static_cast<LatencySpread>(dice.Int(0, 2));
  if (dice.OneIn(3)) link.loss = static_cast<double>(dice.Int(1, 8)) / 100;
  if (dice.OneIn(3)) link.bandwidth = dice.Between(2'000, 1'000'000);
  return link;
}

void PlanTrouble(Simulation& sim, const Hosts& hosts, Dice& dice) {
  for (SimulatedHost* server : hosts.servers) {
    if (dice.OneIn(2)) PlanForServer(sim, *server, dice);
  }
  if (dice.OneIn(2)) {
    PlanForLink(sim, Pick(hosts.clients, dice), Pick(hosts.servers, dice), dice);
  }
  if (dice.OneIn(3)) {
    SimulatedHost& moved = Pick(hosts.servers, dice);
    const std::string address = moved.addresses().front().HostString();
    sim.After(dice.Time(absl::ZeroDuration(), kTroubled / 2),
              [&sim, address] { sim.SetName("service", {address}, absl::Seconds(1)); });
  }
  SimulatedHost& deaf = Pick(hosts.clients, dice);
  if (dice.OneIn(6)) {
    const absl::Duration begin = dice.Time(absl::ZeroDuration(), kTroubled / 2);
    sim.After(begin, [&deaf] { deaf.SetNameServersAnswer(false); });
    sim.After(begin + kTroubled / 4, [&deaf] { deaf.SetNameServersAnswer(true); });
  }
}

}  // namespace redial::testing
