#include "src/client/hedged_first.h"

#include "src/client/attempt_outcome.h"
#include "src/client/first_exception.h"

namespace redial::internal {

CallDriver& HedgedFirst::Driver() noexcept {
  if (!driver_) driver_.emplace(parts_).TakeOver(id_, due_);
  return *driver_;
}

CallEnd HedgedFirst::Run(const CallMachine::Started& start) {
  CallMachine& machine = parts_.machine;
  Runtime& runtime = parts_.context.runtime;
  Attempt first(1, start.kind, start.until(), parts_.context.options.stop, runtime);
  first.set_stop(this);
  first.set_notes(&notes_);
  FirstException left;
  const AttemptResult result = RunServed(first, left);
  const Instant ended = runtime.Now();
  if (driver_ || result.status == nullptr || !result.status->ok()) {
    return GoOn(first, result, ended, left);
  }
  Outcome outcome = OutcomeOf(first, result);
  machine.AttemptDone(ended, id_, outcome);
  if (outcome.ok()) return {};
  return Driver().GoOnAfterFailedValue();
}

AttemptResult HedgedFirst::RunServed(const Attempt& first, FirstException& left) {
  const ScopedGuest scope(this);
  return left.Guard([&] { return parts_.attempt(first); }, AttemptResult());
}

CallEnd HedgedFirst::GoOn(const Attempt& first, const AttemptResult& result, Instant ended,
                          const FirstException& left) {
  if (result.status != nullptr) return Driver().GoOnAfter(first, result, ended);
  if (!driver_ || !driver_->over()) left.Rethrow();
  return driver_->GoOnAfterException(first, ended);
}

}  // namespace redial::internal
