// Calls, and the short ways for those that nothing befalls.
#include "redial/call.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "redial/runtime.h"
#include "src/client/attempt_outcome.h"
#include "src/client/call_driver.h"
#include "src/client/call_waker.h"
#include "src/client/hedged_first.h"
#include "src/core/call_machine.h"

namespace redial::internal {
namespace {

bool IsObserved(const CallContext& context) {
  return !context.policies.observers().empty() || context.observer != nullptr;
}

// Nearly all calls aren't hedged, nobody looks on, and their first attempt starts at once and
// succeeds. They need no driver.
CallEnd RunPlain(const CallDriver::Parts& parts, const CallMachine::Started& start) {
  CallMachine& machine = parts.machine;
  Runtime& runtime = parts.context.runtime;
  const Attempt first(1, start.kind, start.until(), parts.context.options.stop, runtime);
  const AttemptResult result = parts.attempt(first);
  const Instant ended = runtime.Now();
  if (!result.status->ok()) return CallDriver(parts).GoOnAfter(first, result, ended);
  Outcome outcome = OutcomeOf(first, result);
  machine.AttemptDone(ended, start.id, outcome);
  if (outcome.ok()) return {};
  return CallDriver(parts).GoOn(machine.Next());
}

// Of those that may be hedged, nearly all succeed before they would be. A driver is made for the
// others alone.
[[gnu::noinline]] CallEnd RunHedged(const CallDriver::Parts& parts,
                                    const CallMachine::Started& start) {
  // A hedge is due at once.
  if (parts.machine.has_actions()) return CallDriver(parts).GoOnWith(start, Fault());
  return HedgedFirst(parts, start.id, parts.machine.Next().until).Run(start);
}

[[gnu::always_inline]] inline CallEnd RunFirst(const CallDriver::Parts& parts) {
  CallMachine& machine = parts.machine;
  const CallMachine::Beginning beginning = machine.BeginAtOnce(parts.began);
  const CallMachine::Started* const start = beginning.started;
  if (start == nullptr) [[unlikely]] {
    if (!beginning.refused) return CallDriver(parts).GoOn(machine.Next());
    return {CallDriver::ErrorWithoutAttempt(parts, beginning.why)};
  }
  if (MayDisrupt(parts.context)) {
    const Fault fault = machine.Disrupt(start->id, start->kind);
    if (!fault.none()) return CallDriver(parts).GoOnWith(*start, fault);
  }
  return MayHedge(parts.context) ? RunHedged(parts, *start) : RunPlain(parts, *start);
}

CallMachine::Config ConfigOf(const CallContext& context, Deadline deadline, uint64_t seed,
                             CallWaker& waker, Notices* notices) {
  return {.deadline = deadline,
          .idempotent = context.options.idempotent,
          .seed = seed,
          .wake = &waker,
          .notices = notices,
          .priority = context.options.priority};
}

// Apart from the others for the room that news needs.
[[gnu::noinline]] CallEnd RunObserved(const CallContext& context, AttemptFunction attempt,
                                      Instant began, Deadline deadline, uint64_t seed) {
  Notices notices;
  CallWaker waker;
  CallMachine machine(context.policies, ConfigOf(context, deadline, seed, waker, &notices));
  return CallDriver({context, attempt, machine, waker, &notices, began, deadline, seed}).Run();
}

}  // namespace

CallObserver::~CallObserver() = default;

CallEnd RunCall(const CallContext& context, AttemptFunction attempt) {
  const CallOptions& options = context.options;
  if (options.timeout < absl::ZeroDuration()) {
    return {absl::InvalidArgumentError(absl::StrCat("CallOptions.timeout is ",
                                                    absl::FormatDuration(options.timeout),
                                                    "; it must not be negative"))};
  }
  const Instant began = context.runtime.Now();
  const Deadline deadline = Earlier(options.deadline, Deadline::After(began, options.timeout));
  const uint64_t seed = options.seed ? *options.seed : context.runtime.NextSeed();
  if (IsObserved(context)) return RunObserved(context, attempt, began, deadline, seed);
  CallWaker waker;
  CallMachine machine(context.policies, ConfigOf(context, deadline, seed, waker, nullptr));
  const CallDriver::Parts parts = {context, attempt, machine,  waker,
                                   nullptr, began,   deadline, seed};
  return options.stop.stop_requested() ? CallDriver(parts).Run() : RunFirst(parts);
}

}  // namespace redial::internal
