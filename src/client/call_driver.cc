#include "src/client/call_driver.h"

#include <algorithm>
#include <utility>

#include "redial/runtime.h"
#include "src/client/attempt_outcome.h"

namespace redial::internal {

CallDriver::CallDriver(const Parts& parts)
    : context_(parts.context),
      attempt_(parts.attempt),
      runtime_(parts.context.runtime),
      began_(parts.began),
      deadline_(parts.deadline),
      seed_(parts.seed),
      observed_(parts.notices != nullptr),
      hedging_(MayHedge(parts.context)),
      plain_(!hedging_ && !MayDisrupt(parts.context)),
      notices_(parts.notices),
      machine_(&parts.machine),
      waker_(parts.waker) {
  if (hedging_) slots_.fill(-1);
}

CallDriver::~CallDriver() {
  if (ended_) return;
  hedges_.reset();
  machine_->Abandon();
  if (!observed_) return;
  const absl::Status status = absl::UnknownError("an exception left the call");
  CallEvent event = NewEvent(CallEvent::Type::kCallEnded);
  event.attempt = running_;
  event.status = &status;
  event.outstanding = machine_->outstanding();
  TellAll(event);  // another exception is on its way already
}

CallEnd CallDriver::Run() {
  if (observed_) Tell(NewEvent(CallEvent::Type::kCallStarted));
  if (context_.options.stop.stop_requested()) {
    machine_->Cancel(began_);
  } else {
    machine_->Begin(began_);
  }
  return GoOn(Next());
}

CallEnd CallDriver::GoOnWith(const CallMachine::Started& start, const Fault& fault) {
  foreseen_ = fault;
  return GoOn({.type = CallMachine::Action::Type::kStart,
               .kind = start.kind,
               .id = start.id,
               .until = start.until()});
}

CallEnd CallDriver::GoOnAfter(const Attempt& first, const AttemptResult& result, Instant ended) {
  running_ = first.number();
  primary_ = -1;
  thrown_.Rethrow();
  Conclude(first, result, began_, ended);
  return GoOn(Next());
}

CallMachine::Action CallDriver::Next() {
  if (notices_ != nullptr && !notices_->empty()) TellNotices();
  return machine_->Next();
}

CallEnd CallDriver::GoOn(CallMachine::Action action) {
  using Type = CallMachine::Action::Type;
  for (; action.type != Type::kDone; action = Next()) {
    if (action.type == Type::kWait) {
      Wait(action);
    } else {
      Act(action);
    }
  }
  return End(*deliver_);
}

void CallDriver::Act(const CallMachine::Action& action) {
  using Type = CallMachine::Action::Type;
  switch (action.type) {
    case Type::kStart:
      Start(action);
      break;
    case Type::kAsk:
      Ask(action.id);
      break;
    case Type::kDeliver:
      deliver_ = action;
      break;
    case Type::kAbort:
      if (action.id == primary_) {
        EndPrimary();
      } else if (hedges_ != nullptr) {
        hedges_->Abort(action.id);
      }
      break;
    case Type::kWait:
    case Type::kDone:
      break;
  }
}

void CallDriver::Start(const CallMachine::Action& start) {
  running_ = std::max(running_, start.id + 1);
  if (start.kind == AttemptKind::kHedge) {
    StartHedge(start);
  } else {
    RunAttempt(start);
  }
}

void CallDriver::TellStarted(const CallMachine::Action& start) {
  CallEvent event = NewEvent(CallEvent::Type::kAttemptStarted);
  event.attempt = start.id + 1;
  event.kind = start.kind;
  event.until = start.until;
  Tell(event);
}

void CallDriver::RunAttempt(const CallMachine::Action& start) {
  Attempt attempt(start.id + 1, start.kind, start.until, context_.options.stop, runtime_);
  std::optional<AttemptNotes> notes;
  const Instant started = machine_->now();
  if (failures_ != nullptr && context_.policies.wants_distinct_endpoints()) {
    attempt.set_failed(&failures_->records);
  }
  if (observed_ || hedging_) {
    notes.emplace().listener = this;
    notes->tells_tries = hedging_;
    attempt.set_notes(&*notes);
  }
  if (observed_) TellStarted(start);
  const AttemptResult result = plain_ ? attempt_(attempt) : RunWatched(start, attempt, notes);
  Conclude(attempt, result, started, runtime_.Now());
}

void CallDriver::Conclude(const Attempt& attempt, const AttemptResult& result, Instant started,
                          Instant ended) {
  const int id = attempt.number() - 1;
  Outcome outcome = OutcomeOf(attempt, result);
  if (!result.status->ok()) {
    outcome.code = result.status->code();
    outcome.ended = ended;
    KeepFailure(attempt, attempt.notes(), *result.status, started, outcome);
  }
  const bool counts = !machine_->delivered();
  machine_->AttemptDone(ended, id, outcome);
  if (hedging_) Displace(attempt.number());
  if (hedging_ && counts && !outcome.ok()) ReleaseSlot(id);
  // Observers hear how the attempt was judged, and before they hear what follows from it.
  if (!observed_) return;
  if (result.status->ok()) {
    TellAttemptEnded(RecordOfSuccess(attempt, started), *result.status, outcome.failed_result);
  } else {
    TellAttemptEnded(failures_->records.back(), *result.status, /*failed_result=*/false);
  }
}

void CallDriver::TellAttemptEnded(const AttemptRecord& record, const absl::Status& status,
                                  bool failed_result) {
  CallEvent event = NewEvent(CallEvent::Type::kAttemptEnded);
  event.attempt = record.number;
  event.kind = record.kind;
  event.status = &status;
  event.record = &record;
  event.failed_result = failed_result;
  event.address = record.address;
  Tell(event);
}

void CallDriver::Wait(const CallMachine::Action& wait) {
  // Attempts that are still in flight are no news, nor is a wake-up that changed nothing.
  const bool tells = observed_ && wait.reason != Reason::kNone;
  if (tells && std::exchange(told_wait_, wait.until) != wait.until) {
    CallEvent event = NewEvent(CallEvent::Type::kWaiting);
    event.until = wait.until;
    event.reason = wait.reason;
    event.reasons = machine_->reasons();
    Tell(event);
  }
  const absl::Duration interval = context_.policies.tick_interval();
  for (;;) {
    const Deadline next_tick = Deadline::After(runtime_.Now(), interval);
    const bool ticks = tells && next_tick < wait.until;
    switch (WaitUntil(ticks ? next_tick : wait.until)) {
      case WaitResult::kStopped:
        machine_->Cancel(runtime_.Now());
        return;
      case WaitResult::kReady:
        if (hedges_ != nullptr) TakeInHedges();
        machine_->Wake(runtime_.Now());
        return;
      case WaitResult::kTimedOut:
        break;
    }
    if (!ticks) {
      machine_->Tick(runtime_.Now());
      return;
    }
    CallEvent event = NewEvent(CallEvent::Type::kTick);
    event.until = wait.until;
    event.reason = wait.reason;
    Tell(event);
  }
}

WaitResult CallDriver::WaitUntil(Deadline until) {
  Source* const event = waker_.event();
  if (deliver_) {
    // What is waited for has been told to end, and nothing may cut that short: no stop, and no call
    // in whose attempt this one is made.
    runtime_.WaitFor(*event);
    return WaitResult::kReady;
  }
  if (event == nullptr) return runtime_.SleepUntil(until, context_.options.stop);
  return runtime_.Wait(*event, until, context_.options.stop);
}

void CallDriver::Ask(int id) {
  CallEvent question = NewEvent(CallEvent::Type::kAsking);
  question.attempt = id;
  question.stop = context_.options.stop;
  if (failures_ != nullptr) {
    question.status = &failures_->last_status;
    question.record = &failures_->records.back();
  }
  if (observed_) Tell(question);
  const Answer answer = context_.policies.asker()->policy->Ask(question);
  if (context_.options.stop.stop_requested()) {
    machine_->Cancel(runtime_.Now());
  } else {
    machine_->Answered(runtime_.Now(), id,
                       answer == Answer::kRetry ? Answer::kRetry : Answer::kGiveUp);
  }
}

CallEnd CallDriver::End(const CallMachine::Action& deliver) {
  const bool has_value = deliver.id >= 0 || machine_->last_was_failed_result();
  absl::Status status;
  if (!has_value || deliver.reason == Reason::kCancelled) status = Error(deliver.reason);
  ended_ = true;
  if (observed_) {
    CallEvent event = NewEvent(CallEvent::Type::kCallEnded);
    event.attempt = machine_->attempts();
    event.reason = deliver.reason;
    event.reasons = machine_->reasons();
    event.status = &status;
    event.outstanding = machine_->outstanding();
    Tell(event);
  }
  int slot = 0;
  if (hedging_ && has_value) slot = deliver.id >= 0 ? SlotOf(deliver.id) : failed_slot_;
  return {std::move(status), slot};
}

void CallDriver::Connected(std::string_view address) {
  TellConnected(primary_ < 0 ? running_ : primary_ + 1, address);
}

void CallDriver::TellConnected(int number, std::string_view address) {
  if (hedging_) Place(number, address, /*stands=*/true);
  if (!observed_) return;
  CallEvent event = NewEvent(CallEvent::Type::kConnected);
  event.attempt = number;
  event.address = address;
  Tell(event);
}

void CallDriver::TellNotices() {
  for (const Notice& notice : notices_->all()) {
    CallEvent event = NewEvent(CallEvent::Type::kPolicyChanged);
    event.policy = notice.policy;
    event.label = notice.label;
    event.from = notice.from;
    event.to = notice.to;
    event.until = notice.until;
    Tell(event);
  }
  notices_->Clear();
}

CallEvent CallDriver::NewEvent(CallEvent::Type type) const {
  CallEvent event;
  event.type = type;
  event.call_id = seed_;
  event.operation = context_.options.operation;
  event.target = context_.target;
  event.began = began_;
  event.now = type == CallEvent::Type::kCallStarted ? began_ : runtime_.Now();
  event.deadline = deadline_;
  event.attempt = running_;
  return event;
}

FirstException CallDriver::TellAll(const CallEvent& event) const {
  FirstException thrown;
  for (const auto& member : context_.policies.observers()) {
    thrown.Guard([&] { member.policy->Observe(event); });
  }
  if (context_.observer != nullptr) thrown.Guard([&] { context_.observer->Observe(event); });
  return thrown;
}

}  // namespace redial::internal
