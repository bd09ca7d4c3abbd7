#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/strings.h"
#include "src/testing/simulation/simulation_state.h"

namespace redial::testing {

using redial::internal::ToAbsl;

SimulatedHost::SimulatedHost(internal::SimulationState& state, internal::SimHost& host)
    : state_(state), host_(host) {}

const std::string& SimulatedHost::name() const { return host_.name(); }
const std::vector<Address>& SimulatedHost::addresses() const { return host_.addresses(); }
bool SimulatedHost::up() const { return host_.up(); }
Runtime& SimulatedHost::runtime() { return host_.process().runtime; }
Network& SimulatedHost::network() { return host_.process().network; }
void SimulatedHost::SetNameServersAnswer(bool answer) { host_.set_names_answer(answer); }
void SimulatedHost::Ignore(const Address& address, bool ignore) { host_.Ignore(address, ignore); }

absl::Status SimulatedHost::AddAddress(std::string_view address) {
  const auto parsed = Address::FromLiteral(address, 0);
  if (!parsed || host_.fabric().Find(*parsed) == nullptr) {
    if (parsed && !parsed->is_loopback()) {
      host_.fabric().AddAddress(host_, *parsed);
      state_.ResolveToAddresses(host_);
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("'", ToAbsl(address),
                     "' is no address for a host; give one such as 10.0.0.7 or 2001:db8::7"));
  }
  return absl::AlreadyExistsError(absl::StrCat("host '", host_.fabric().Find(*parsed)->name(),
                                               "' has the address ", ToAbsl(address)));
}

void SimulatedHost::Run(std::string_view name, absl::AnyInvocable<void()> fn) {
  state_.Start(host_, {.name = std::string(name), .foreground = true, .fn = std::move(fn)});
}

void SimulatedHost::Serve(std::string_view name, std::function<void()> fn) {
  services_.push_back({std::string(name), fn});
  if (!host_.up()) return;
  state_.Start(host_, {.name = std::string(name), .foreground = false, .fn = std::move(fn)});
}

void SimulatedHost::Crash() {
  if (!host_.up()) return;
  state_.fabric.trace().Note(state_.scheduler.now(), absl::StrCat(name(), " crashed"));
  host_.Crash();
}

void SimulatedHost::Restart() {
  if (host_.up()) Crash();
  state_.fabric.trace().Note(state_.scheduler.now(), absl::StrCat(name(), " restarted"));
  host_.Boot(state_.options.on_failure);
  for (const Service& service : services_) {
    state_.Start(host_, {.name = service.name, .foreground = false, .fn = service.fn});
  }
}

void SimulatedHost::Pause() {
  state_.fabric.trace().Note(state_.scheduler.now(), absl::StrCat(name(), " paused"));
  host_.process().runtime.Pause();
}

void SimulatedHost::Resume() {
  state_.fabric.trace().Note(state_.scheduler.now(), absl::StrCat(name(), " resumed"));
  host_.process().runtime.Resume();
}

}  // namespace redial::testing
