#include "redial/testing/fake_network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/core/strings.h"
#include "src/net/dial.h"
#include "src/testing/fake_connection.h"
#include "src/testing/fake_state.h"
#include "src/testing/silent_lookup.h"

namespace redial::testing {
namespace {

using internal::FakeConnection;
using internal::FakeNetworkState;
using internal::HostScript;
using internal::PeerScript;
using internal::ScriptedConnection;
using redial::internal::ToAbsl;

// From 198.18.0.0/15, which RFC 2544 sets aside for tests.
Address InventAddress(size_t number) {
  return Address::Ipv4(
      {198, 18, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number & 0xff)}, 0);
}

bool StandsFor(const FakeNetworkState& state, const PeerScript& script, const Address& address) {
  const Target& target = script.target;
  if (target.address()) return *target.address() == address;
  if (target.port() != address.port()) return false;
  const auto& addresses = state.hosts.at(target.host()).addresses;
  return std::find(addresses.begin(), addresses.end(), address.WithPort(0)) != addresses.end();
}

// A literal target before a name that resolves to the same address.
PeerScript* FindPeer(FakeNetworkState& state, const Address& address) {
  PeerScript* found = nullptr;
  for (PeerScript& script : state.peers) {
    if (!StandsFor(state, script, address)) continue;
    if (script.target.address()) return &script;
    if (found == nullptr) found = &script;
  }
  return found;
}

void AppendUnused(FakeNetworkState& state) {
  for (const PeerScript& script : state.peers) {
    if (!script.valid) continue;
    for (size_t i = script.used; i < script.connections.size(); ++i) {
      const ScriptedConnection& connection = script.connections[i];
      state.FailLater(
          absl::StrCat(script.target.text(), ", connection ", i + 1, ": ", ToAbsl(connection.how),
                       "() was scripted, but the client never connected that often"),
          connection.where);
    }
  }
}

void AppendLeaks(FakeNetworkState& state) {
  for (const std::string& operation : state.recorder.running()) {
    state.FailLater(absl::StrCat("the call \"", operation, "\" hasn't ended"), state.where);
  }
  const int outstanding = state.recorder.outstanding();
  if (outstanding == 0) return;
  state.FailLater(absl::StrCat("calls left ", outstanding, " reservation",
                               outstanding == 1 ? "" : "s", " behind, neither voided nor settled"),
                  state.where);
}

}  // namespace

FakeNetwork::FakeNetwork(const FakeNetworkOptions& options, std::source_location where)
    : state_(std::make_unique<FakeNetworkState>(options, where)) {}

FakeNetwork::~FakeNetwork() {
  AppendUnused(*state_);
  for (const auto& connection : state_->connections) connection->AppendUnmet();
  AppendLeaks(*state_);
  for (const TestFailure& failure : state_->failures) Fail(state_->on_failure, failure);
}

FakePeer& FakeNetwork::Script(std::string_view target, std::source_location where) {
  for (PeerScript& script : state_->peers) {
    if (script.target.text() == target) return *script.peer;
  }
  absl::StatusOr<Target> parsed = Target::Parse(target);
  if (parsed.ok()) {
    if (absl::Status fit = redial::internal::CheckStreamTarget(*parsed); !fit.ok()) parsed = fit;
  }
  const bool valid = parsed.ok();
  if (!valid) {
    state_->FailNow(std::string(parsed.status().message()), where);
    // Something to chain to; nobody can connect to it.
    parsed = Target::Parse("unix://@nowhere");
  }
  if (!parsed->address()) {
    HostScript& host = state_->hosts[parsed->host()];
    if (host.addresses.empty() && host.kind == HostScript::Kind::kInvented) {
      host.addresses.push_back(InventAddress(state_->hosts.size()));
    }
  }
  PeerScript& script =
      state_->peers.emplace_back(PeerScript{.target = *std::move(parsed), .valid = valid});
  script.peer.reset(new FakePeer(*state_, script));
  return *script.peer;
}

std::string FakeNetwork::Trace() const { return state_->recorder.Trace(); }

VirtualRuntime& FakeNetwork::runtime() { return state_->runtime; }

void FakeNetwork::Observe(const CallEvent& event) { state_->recorder.On(event); }

absl::StatusOr<std::unique_ptr<Stream>> FakeNetwork::StartConnect(const Address& address,
                                                                  const SocketOptions&) {
  const std::string when = FormatSeconds(state_->runtime.elapsed());
  PeerScript* const script = FindPeer(*state_, address);
  std::string name;
  ScriptedConnection* scripted = &state_->refusal;
  if (script == nullptr) {
    name = address.ToString();
    state_->FailLater(
        absl::StrCat("the client connected to ", name, " at ", when, ", which no script names"),
        state_->where);
  } else if (script->used == script->connections.size()) {
    name = script->target.text();
    state_->FailLater(
        absl::StrCat(name, ": the client connected once more at ", when, ", after the ",
                     script->used, " connection", script->used == 1 ? "" : "s", " of the script"),
        state_->where);
  } else {
    scripted = &script->connections[script->used++];
    name = absl::StrCat(script->target.text(), ", connection ", script->used);
  }
  auto connection = std::make_shared<FakeConnection>(*state_, *scripted, std::move(name), address);
  scripted->live = connection;
  state_->connections.push_back(connection);
  connection->Begin();
  return std::make_unique<internal::FakeStream>(std::move(connection));
}

absl::StatusOr<std::unique_ptr<Acceptor>> FakeNetwork::Listen(const Address&,
                                                              const ListenOptions&) {
  return absl::UnimplementedError("a FakeNetwork has peers, no listeners; script one");
}

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> FakeNetwork::OpenDatagram(
    const Address&, const Address&, const DatagramOptions&) {
  return absl::UnimplementedError(
      "a FakeNetwork scripts connections, no datagrams; a Simulation carries them");
}

std::vector<Address> FakeNetwork::Answer(const ResolveRequest& request) {
  const auto host = state_->hosts.find(request.host);
  if (host == state_->hosts.end()) {
    state_->FailLater(
        absl::StrCat("the client looked up \"", request.host, "\" at ",
                     FormatSeconds(state_->runtime.elapsed()), ", which no script names"),
        state_->where);
    return {};
  }
  return host->second.addresses;
}

absl::StatusOr<std::unique_ptr<Lookup>> FakeNetwork::StartLookup(const ResolveRequest& request,
                                                                 const ResolverOptions& options) {
  ResolverOptions scripted = options;
  if (!options.function) {
    const auto host = state_->hosts.find(request.host);
    if (host != state_->hosts.end() && host->second.kind == HostScript::Kind::kSilent) {
      return std::make_unique<internal::SilentLookup>(state_->runtime.Now(), request.host, options);
    }
    scripted.function = [this](const ResolveRequest& asked) { return Answer(asked); };
  }
  // With a function it asks nobody else, and does the rest as in production.
  return KernelNetwork().StartLookup(request, scripted);
}

}  // namespace redial::testing
