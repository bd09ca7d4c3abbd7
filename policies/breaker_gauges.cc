#include "policies/breaker_gauges.h"

#include <string_view>

namespace redial {
namespace {

using State = CircuitBreakerPolicy::State;
using Override = CircuitBreakerPolicy::Override;

std::string_view OverrideName(Override forced) {
  switch (forced) {
    case Override::kNone:
      break;
    case Override::kForcedOpen:
      return "forced_open";
    case Override::kForcedClosed:
      return "forced_closed";
    case Override::kDisabled:
      return "disabled";
  }
  return "none";
}

}  // namespace

std::string_view BreakerStateName(State state) {
  switch (state) {
    case State::kClosed:
      return "closed";
    case State::kOpen:
      return "open";
    case State::kHalfOpen:
      return "half_open";
  }
  return "closed";
}

namespace internal {

std::string_view BreakerShownName(State state, Override forced) {
  return forced == Override::kNone ? BreakerStateName(state) : OverrideName(forced);
}

void VisitBreakerGauges(const CircuitBreakerPolicy::Snapshot& s,
                        absl::FunctionRef<void(const Gauge&)> visit) {
  for (const State state : {State::kClosed, State::kOpen, State::kHalfOpen}) {
    visit(
        {.name = "state", .value = s.state == state ? 1.0 : 0.0, .state = BreakerStateName(state)});
  }
  for (const Override forced :
       {Override::kNone, Override::kForcedOpen, Override::kForcedClosed, Override::kDisabled}) {
    visit({.name = "override",
           .value = s.forced == forced ? 1.0 : 0.0,
           .state = OverrideName(forced)});
  }
  visit({.name = "window_results", .value = static_cast<double>(s.results)});
  visit({.name = "window_failures", .value = static_cast<double>(s.failures)});
  visit({.name = "window_slow_results", .value = static_cast<double>(s.slow)});
  visit({.name = "failure_ratio", .value = s.failure_ratio});
  visit({.name = "consecutive_failures", .value = static_cast<double>(s.consecutive_failures)});
  visit({.name = "probes_out", .value = static_cast<double>(s.probes_out)});
  visit({.name = "opened", .value = static_cast<double>(s.opened), .counts_up = true});
}

}  // namespace internal
}  // namespace redial
