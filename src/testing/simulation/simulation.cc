#include "redial/testing/simulation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/testing/virtual_runtime.h"
#include "src/core/strings.h"
#include "src/testing/simulation/simulation_state.h"

namespace redial::testing {
namespace internal {
namespace {

constexpr size_t kLeastStack = 16 * 1024;
// How many hosts 198.18.0.0/15 has room for; the trace's numbers end sooner.
constexpr size_t kMostHosts = 65'000;

// How long fibers that are being ended may go on, in virtual time.
constexpr absl::Duration kEnding = absl::Hours(24);

}  // namespace

void SimulationState::Start(SimHost& host, FiberSpec spec) {
  const std::string name = spec.name;
  if (!host.up()) {
    Misused(absl::StrCat("fiber '", name, "' was started on host '", host.name(),
                         "', which is down; Restart it first"));
    return;
  }
  const auto started = host.process().runtime.Start(std::move(spec));
  if (!started.ok()) Misused(std::string(started.status().message()));
}

void SimulationState::ResolveToAddresses(SimHost& host) {
  fabric.names().Set(host.name(), {.addresses = host.addresses(), .ttl = absl::ZeroDuration()});
}

}  // namespace internal

using redial::internal::ToAbsl;

absl::Status SimulationOptions::Validate() const {
  if (absl::Status status = link.Validate(); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("SimulationOptions.link: ", status.message()));
  }
  if (absl::Status status = loopback.Validate(); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("SimulationOptions.loopback: ", status.message()));
  }
  if (stack_size < internal::kLeastStack) {
    return absl::InvalidArgumentError(absl::StrCat("SimulationOptions.stack_size is ", stack_size,
                                                   "; it must be at least ",
                                                   internal::kLeastStack));
  }
  return absl::OkStatus();
}

Simulation::Simulation(uint64_t seed, const SimulationOptions& options, std::source_location where)
    : state_(std::make_unique<internal::SimulationState>(seed, options, where)) {
  if (absl::Status status = options.Validate(); !status.ok()) {
    state_->Misused(std::string(status.message()));
  }
}

Simulation::~Simulation() {
  state_->ending = true;
  for (const auto& host : state_->hosts) {
    if (host->up()) host->host_.Crash();
  }
  state_->scheduler.Run(Now() + internal::kEnding, /*until_done=*/false);
  if (state_->scheduler.fibers().empty()) return;
  state_->Misused(absl::StrCat("fibers were left when the simulation ended:\n", Fibers()));
}

SimulatedHost& Simulation::AddHost(std::string_view name) {
  internal::Fabric& fabric = state_->fabric;
  const size_t number = fabric.hosts().size();
  if (name.empty() || FindHost(name) != nullptr || number >= internal::kMostHosts) {
    state_->Misused(
        absl::StrCat("AddHost(\"", ToAbsl(name), "\"): a host needs a name of its own"));
  }
  internal::SimHost& host = fabric.AddHost(name);
  const auto high = static_cast<uint8_t>((number + 1) >> 8);
  const auto low = static_cast<uint8_t>(number + 1);
  fabric.AddAddress(host, Address::Ipv4({198, 18, high, low}, 0));
  host.Boot(state_->options.on_failure);
  state_->ResolveToAddresses(host);
  state_->hosts.emplace_back(new SimulatedHost(*state_, host));
  return *state_->hosts.back();
}

SimulatedHost* Simulation::FindHost(std::string_view name) {
  for (const auto& host : state_->hosts) {
    if (host->name() == name) return host.get();
  }
  return nullptr;
}

absl::Status Simulation::Run() {
  if (state_->scheduler.running()) {
    return absl::FailedPreconditionError("Simulation::Run was called inside the simulation");
  }
  using Ended = internal::Scheduler::Ended;
  if (state_->scheduler.Run(internal::kNeverDue, /*until_done=*/true) == Ended::kDone) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("deadlock at ", FormatSeconds(elapsed()),
                                                    ": nothing will happen any more\n", Fibers()));
}

absl::Status Simulation::RunFor(absl::Duration duration) {
  if (state_->scheduler.running()) {
    return absl::FailedPreconditionError("Simulation::RunFor was called inside the simulation");
  }
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("RunFor(", absl::FormatDuration(duration),
                                                   "): must be finite and not negative"));
  }
  state_->scheduler.Run(Now() + duration, /*until_done=*/false);
  return absl::OkStatus();
}

Instant Simulation::Now() const { return state_->scheduler.now(); }

void Simulation::After(absl::Duration delay, std::function<void()> fn) {
  // What the test does to the hosts that end with the simulation comes too late.
  state_->scheduler.At(Now() + delay, [&state = *state_, fn = std::move(fn)] {
    if (!state.ending) fn();
  });
}

void Simulation::SetLink(const SimulatedHost& a, const SimulatedHost& b,
                         const LinkOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) {
    state_->Misused(std::string(status.message()));
    return;
  }
  state_->fabric.SetLink(a.host_, b.host_, options);
}

void Simulation::SetDefaultLink(const LinkOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) {
    state_->Misused(std::string(status.message()));
    return;
  }
  state_->fabric.SetDefaultLink(options);
}

void Simulation::Partition(const SimulatedHost& a, const SimulatedHost& b) {
  PartitionOneWay(a, b);
  PartitionOneWay(b, a);
}

void Simulation::PartitionOneWay(const SimulatedHost& from, const SimulatedHost& to) {
  Note(absl::StrCat(from.name(), " can't reach ", to.name()));
  state_->fabric.SetUp(from.host_, to.host_, false);
}

void Simulation::Heal(const SimulatedHost& a, const SimulatedHost& b) {
  Note(absl::StrCat(a.name(), " and ", b.name(), " reach each other"));
  state_->fabric.SetUp(a.host_, b.host_, true);
  state_->fabric.SetUp(b.host_, a.host_, true);
}

void Simulation::SetName(std::string_view name, const std::vector<std::string>& addresses,
                         absl::Duration ttl) {
  internal::NameEntry entry{.addresses = {}, .ttl = ttl};
  for (const std::string& text : addresses) {
    const auto address = Address::FromLiteral(text, 0);
    if (!address) {
      state_->Misused(absl::StrCat("SetName(\"", ToAbsl(name), "\") has \"", text,
                                   "\", which is not an address like 10.0.0.1 or 2001:db8::1"));
      return;
    }
    entry.addresses.push_back(*address);
  }
  state_->fabric.names().Set(std::string(name), std::move(entry));
}

void Simulation::SetNameTroubles(std::string_view name, const NameTroubles& troubles) {
  state_->fabric.names().SetTroubles(std::string(name), troubles);
}

const std::vector<std::string>& Simulation::NameQueries() const {
  return state_->fabric.names().queries();
}

void Simulation::Reset(const Socket& socket) {
  if (internal::TcpEnd* const end = state_->fabric.FindEnd(socket.local(), socket.peer())) {
    end->BreakBoth();
  } else {
    state_->Misused("Reset: the socket isn't one of this simulation's");
  }
}

void Simulation::Deafen(const Socket& socket) {
  if (internal::TcpEnd* const end = state_->fabric.FindEnd(socket.local(), socket.peer())) {
    end->Deafen();
    state_->fabric.Suspect();
  } else {
    state_->Misused("Deafen: the socket isn't one of this simulation's");
  }
}

size_t Simulation::CountOpen() const {
  size_t open = 0;
  for (const auto& host : state_->fabric.hosts()) {
    open += host->listeners().size() + host->udp().sockets().size();
  }
  for (const auto& connection : state_->fabric.connections()) {
    open += (connection->client().open() ? 1 : 0) + (connection->server().open() ? 1 : 0);
  }
  return open;
}

void Simulation::set_injector(Injector* injector) { state_->fabric.set_injector(injector); }
std::string Simulation::Trace() const { return state_->fabric.trace().Text(); }
uint64_t Simulation::TraceHash() const { return state_->fabric.trace().hash(); }
size_t Simulation::TraceCount() const { return state_->fabric.trace().count(); }
size_t Simulation::OpenConnections() const {
  const auto& connections = state_->fabric.connections();
  return static_cast<size_t>(
      std::count_if(connections.begin(), connections.end(),
                    [](const auto& connection) { return !connection->over(); }));
}
void Simulation::Note(std::string_view text) { state_->fabric.trace().Note(Now(), text); }
std::string Simulation::Fibers() const {
  return internal::DescribeFibers(state_->scheduler, state_->fabric);
}

}  // namespace redial::testing
