// The world without a kernel: one simulated host, on whose loopback the bodies run.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/listener.h"
#include "redial/testing/simulation.h"
#include "tests/conformance/world.h"

namespace redial::conformance {
namespace {

using testing::SimulatedHost;
using testing::Simulation;

class SimulatedNames final : public Names {
 public:
  SimulatedNames(Simulation& simulation, SimulatedHost& host)
      : simulation_(simulation), host_(host) {}

  void Add(const std::string& name, const std::string& literal) override {
    addresses_[name].push_back(literal);
    simulation_.SetName(name, addresses_[name]);
  }
  void Replace(const std::string& name, const std::string& literal) override {
    addresses_[name].clear();
    Add(name, literal);
  }
  void Trouble(const std::string& name, const NameTroubles& troubles) override {
    simulation_.SetNameTroubles(name, {.fails = troubles.fails,
                                       .lose_ipv4 = troubles.lose_ipv4,
                                       .lose_ipv6 = troubles.lose_ipv6,
                                       .ipv4_delay = troubles.ipv4_delay,
                                       .ipv6_delay = troubles.ipv6_delay});
  }
  void FallSilent() override { host_.SetNameServersAnswer(false); }
  std::vector<std::string> queries() override { return simulation_.NameQueries(); }
  std::vector<std::string> servers() override { return {}; }

 private:
  Simulation& simulation_;
  SimulatedHost& host_;
  std::map<std::string, std::vector<std::string>> addresses_;
};

class SimulatedBlackHole final : public BlackHole {
 public:
  SimulatedBlackHole(SimulatedHost& host, Address address)
      : host_(host), address_(std::move(address)) {
    host_.Ignore(address_);
  }
  ~SimulatedBlackHole() override { host_.Ignore(address_, false); }

  Address address() const override { return address_; }
  void Open() override {
    host_.Ignore(address_, false);
    absl::StatusOr<Listener> listener = Listener::Listen(address_);
    ASSERT_EQ(listener.status(), absl::OkStatus());
    listener_.emplace(*std::move(listener));
  }

 private:
  SimulatedHost& host_;
  const Address address_;
  std::optional<Listener> listener_;
};

class SimulationWorld final : public World {
 public:
  std::string_view name() const override { return "simulation"; }
  bool exact() const override { return true; }

  void Run(absl::AnyInvocable<void()> body) override {
    host_.Run("body", [this, body = std::move(body)]() mutable {
      body();
      EXPECT_EQ(simulation_.CountOpen(), 0U) << "a socket was left open";
    });
    EXPECT_EQ(simulation_.Run(), absl::OkStatus());
  }

  std::string Host(int number) override {
    std::string address = absl::StrCat("10.0.0.", number);
    const bool is_new = hosts_.insert(number).second;
    EXPECT_TRUE(!is_new || host_.AddAddress(address).ok()) << address;
    return address;
  }
  std::unique_ptr<BlackHole> MakeBlackHole(Address::Family family, uint16_t port) override {
    const std::string host = family == Address::Family::kIpv6 ? "::1" : Host(100 + holes_++ % 100);
    return std::make_unique<SimulatedBlackHole>(
        host_, *Address::FromLiteral(host, port == 0 ? FreePort() : port));
  }
  uint16_t FreePort() override { return next_port_++; }

  void Reset(Socket& socket) override {
    simulation_.Reset(socket);
    socket.Close();
  }
  void Deafen(const Socket& socket) override { simulation_.Deafen(socket); }

  Names& names() override { return names_; }
  size_t CountOpen() override { return simulation_.CountOpen(); }

 private:
  Simulation simulation_{/*seed=*/1};
  SimulatedHost& host_ = simulation_.AddHost("here");
  SimulatedNames names_{simulation_, host_};
  std::set<int> hosts_;
  int holes_ = 0;
  uint16_t next_port_ = 1024;  // below those that connects take
};

}  // namespace

std::unique_ptr<World> MakeSimulationWorld() { return std::make_unique<SimulationWorld>(); }

}  // namespace redial::conformance
