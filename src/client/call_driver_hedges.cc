// The part of the driver that only a call comes to which may hedge, or whose attempts are to go wrong.
#include <cstddef>
#include <string>
#include <utility>

#include "src/client/call_driver.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

// What an attempt that was given up throws changes nothing, as what it returns: the call has its
// result.
absl::Status LeftByException() {
  return absl::CancelledError("was told to end, and threw an exception");
}

}  // namespace

AttemptResult CallDriver::RunWatched(const CallMachine::Action& start, Attempt& attempt,
                                     std::optional<AttemptNotes>& notes) {
  if (hedging_) attempt.set_slot(TakeSlot(start.id));
  Disruption* const disruption = DisruptionOf(start, attempt.slot());
  if (disruption != nullptr && disruption->needs_notes() && !notes) {
    notes.emplace().listener = this;
    attempt.set_notes(&*notes);
  }
  if (!hedging_) return RunDisrupted(disruption, attempt, attempt_);
  primary_ = start.id;
  primary_over_ = false;
  primary_stop_.reset();
  attempt.set_stop(this);
  const AttemptResult result = RunServing(attempt, disruption);
  primary_ = -1;
  thrown_.Rethrow();
  return result;
}

void CallDriver::TakeOver(int id, Deadline due) noexcept {
  running_ = id + 1;
  TakeSlot(id);  // the first
  primary_ = id;
  serve_at_ = due;
}

CallEnd CallDriver::GoOnAfterException(const Attempt& first, Instant ended) {
  left_ = LeftByException();
  return GoOnAfter(first, {&left_, {}}, ended);
}

CallEnd CallDriver::GoOnAfterFailedValue() {
  ReleaseSlot(std::exchange(primary_, -1));
  return GoOn(Next());
}

AttemptResult CallDriver::RunServing(const Attempt& attempt, Disruption* disruption) {
  Pump();
  const ScopedGuest scope(this);
  FirstException left;
  const AttemptResult result =
      left.Guard([&] { return RunDisrupted(disruption, attempt, attempt_); }, AttemptResult());
  if (!left.any()) return result;
  if (!primary_over_) left.Rethrow();
  left_ = LeftByException();
  return {&left_, {}};
}

// Here, and not where the attempt runs: a hedge runs beside this thread, and the machine is this
// thread's alone.
Disruption* CallDriver::DisruptionOf(const CallMachine::Action& start, int slot) {
  if (context_.policies.disruptors().empty()) return nullptr;
  const Fault fault =
      foreseen_ ? *std::exchange(foreseen_, std::nullopt) : machine_->Disrupt(start.id, start.kind);
  if (disruptions_ == nullptr) {
    if (fault.none()) return nullptr;
    disruptions_ = std::make_unique<Disruptions>();
  }
  Disruption& disruption = (*disruptions_)[static_cast<size_t>(slot)];
  disruption.Plan(fault);
  return &disruption;
}

void CallDriver::Pump() {
  using Type = CallMachine::Action::Type;
  for (;;) {
    const CallMachine::Action action = machine_->Next();
    if (action.type == Type::kWait || action.type == Type::kDone) {
      serve_at_ = action.until;
      break;
    }
    Act(action);
  }
  if (notices_ != nullptr && !notices_->empty()) TellNotices();
}

// Within the operation, whose catch blocks and noexcept functions are none of ours. The attempt is to
// end, and then the exception goes its way.
void CallDriver::Serve(Instant now) noexcept {
  const bool returned = thrown_.Guard([&] {
    if (hedges_ != nullptr) TakeInHedges();
    machine_->Wake(now);
    Pump();
  });
  if (!returned) EndPrimary();
}

void CallDriver::EndPrimary() {
  primary_over_ = true;
  if (primary_stop_) primary_stop_->Stop();
}

Source* CallDriver::source() { return waker_.event(); }

const std::stop_token& CallDriver::token() {
  if (!primary_stop_) primary_stop_.emplace(context_.options.stop);
  if (primary_over_) primary_stop_->Stop();
  return primary_stop_->token();
}

void CallDriver::StartHedge(const CallMachine::Action& start) {
  if (hedges_ == nullptr) {
    hedges_ =
        std::make_unique<Hedges>(runtime_, attempt_, context_.options.stop, waker_.wake_target());
  }
  TellConnections();  // where the others are by now
  const Instant now = machine_->now();
  if (observed_) TellStarted(start);
  const int slot = TakeSlot(start.id);
  Hedges::Plan plan = {.id = start.id,
                       .slot = slot,
                       .now = now,
                       .deadline = start.until,
                       .disruption = DisruptionOf(start, slot)};
  if (failures_ != nullptr) plan.failed = failures_->records;
  for (const AttemptPlace& place : places_) plan.beside.push_back(place.address);
  const absl::Status status = hedges_->Start(std::move(plan));
  if (status.ok()) return;
  // There is no task to be had: it never ran, and the attempts in flight go on.
  slots_[static_cast<size_t>(slot)] = -1;
  Outcome never;
  never.status = &status;
  never.code = status.code();
  never.sent = Sent::kNo;
  never.aborted = true;
  machine_->AttemptDone(now, start.id, never);
  if (!observed_) return;
  AttemptRecord record = NewRecord(start.id + 1, start.kind, status, now);
  record.sent = never.sent;
  TellAttemptEnded(record, status, /*failed_result=*/false);
}

void CallDriver::TakeInHedges() {
  TellConnections();
  while (const auto hedge = hedges_->TakeEnded()) {
    TellConnections();  // its own, if it ended since
    ConcludeHedge(*hedge);
  }
}

void CallDriver::TellConnections() {
  while (const auto connection = hedges_->TakeConnection()) {
    if (connection->stands) {
      TellConnected(connection->number, connection->address);
    } else {
      Place(connection->number, connection->address, /*stands=*/false);
    }
  }
}

void CallDriver::Connecting(std::string_view address) {
  Place(primary_ + 1, address, /*stands=*/false);
}

void CallDriver::Place(int number, std::string_view address, bool stands) {
  if (stands) Displace(number);
  places_.push_back({number, std::string(address)});
}

void CallDriver::Displace(int number) {
  std::erase_if(places_, [=](const AttemptPlace& place) { return place.number == number; });
}

void CallDriver::ConcludeHedge(Hedges::Hedge& hedge) {
  if (!hedge.thrown.any()) {
    Conclude(hedge.attempt, hedge.result, hedge.started, hedge.ended);
    return;
  }
  if (!machine_->delivered()) hedge.thrown.Rethrow();
  const absl::Status left = LeftByException();
  Conclude(hedge.attempt, {&left, {}}, hedge.started, hedge.ended);
}

int CallDriver::TakeSlot(int id) {
  for (int i = 0; i < kAttemptSlots; ++i) {
    int& held = slots_[static_cast<size_t>(i)];
    if (held >= 0 || i == failed_slot_) continue;
    held = id;
    return i;
  }
  return 0;  // never: there is one more than attempts in flight
}

int CallDriver::SlotOf(int id) const {
  for (int i = 0; i < kAttemptSlots; ++i) {
    if (slots_[static_cast<size_t>(i)] == id) return i;
  }
  return 0;
}

void CallDriver::ReleaseSlot(int id) {
  failed_slot_ = SlotOf(id);
  slots_[static_cast<size_t>(failed_slot_)] = -1;
}

}  // namespace redial::internal
