#include "src/client/call_driver.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/runtime.h"
#include "src/core/status.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

// Of all attempts, the one that commits the peer most.
Sent Worst(Sent a, Sent b) {
  const auto weight = [](Sent s) {
    switch (s) {
      case Sent::kNo:
        return 0;
      case Sent::kRejected:
        return 1;
      case Sent::kAnswered:
        return 2;
      case Sent::kMaybe:
        return 3;
    }
    return 3;
  };
  return weight(a) < weight(b) ? b : a;
}

// One to copy, from where the compiler doesn't know what is in it: that takes a few large stores. To
// clear one of this size, g++ takes an instruction that starts slowly, a twelfth of an empty call.
const Outcome& BlankOutcome() {
  static constexpr Outcome kBlank;
  const Outcome* blank = &kBlank;
  asm("" : "+r"(blank));
  return *blank;
}

// Of an attempt that returned a value.
Outcome OutcomeOf(const Attempt& attempt, const AttemptResult& result) {
  Outcome outcome = BlankOutcome();
  outcome.status = result.status;
  outcome.result = result.result;
  outcome.sent = attempt.sent().value_or(Sent::kAnswered);
  outcome.connect_nanos = attempt.connect_nanos();
  if (attempt.retry_after() && *attempt.retry_after() >= absl::ZeroDuration()) {
    outcome.has_retry_after = true;
    outcome.retry_after_nanos = ToNanos(*attempt.retry_after());
  }
  return outcome;
}

bool IsObserved(const CallContext& context) {
  return !context.policies.observers().empty() || context.observer != nullptr;
}
bool MayHedge(const CallContext& context) {
  return context.policies.hedges() && context.options.idempotent;
}
bool MayDisrupt(const CallContext& context) { return !context.policies.disruptors().empty(); }

// Nearly all calls aren't hedged, nobody looks on, and their first attempt starts at once and
// succeeds. They need no driver.
CallEnd RunPlain(const CallDriver::Parts& parts) {
  CallMachine& machine = parts.machine;
  const CallMachine::Started* const start = machine.BeginAtOnce(parts.began);
  if (start == nullptr) return CallDriver(parts).GoOn(machine.Next());
  if (MayDisrupt(parts.context)) {
    const Fault fault = machine.Disrupt(*start);
    if (!fault.none()) return CallDriver(parts).GoOnDisrupted(*start, fault);
  }

  Runtime& runtime = parts.context.runtime;
  const Attempt first(1, start->kind, start->until, parts.context.options.stop, runtime);
  const AttemptResult result = parts.attempt(first);
  const Instant ended = runtime.Now();
  if (!result.status->ok()) return CallDriver(parts).GoOnAfter(first, result, ended);
  Outcome outcome = OutcomeOf(first, result);
  machine.AttemptDone(ended, start->id, outcome);
  if (outcome.ok()) return {};
  return CallDriver(parts).GoOn(machine.Next());
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

CallEnd CallDriver::GoOnDisrupted(const CallMachine::Started& start, const Fault& fault) {
  foreseen_ = fault;
  CallMachine::Action action;
  action.type = CallMachine::Action::Type::kStart;
  action.kind = start.kind;
  action.id = start.id;
  action.until = start.until;
  return GoOn(action);
}

CallEnd CallDriver::GoOnAfter(const Attempt& first, const AttemptResult& result, Instant ended) {
  running_ = first.number();
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

void CallDriver::KeepFailure(const Attempt& attempt, const AttemptNotes* notes,
                             const absl::Status& status, Instant started, Outcome& outcome) {
  std::optional<Failure> attached = FailureOf(status);
  Failure failure = attached ? *std::move(attached) : Failure();
  // What a function says of somebody else's failure proves nothing about what it did itself; what
  // it declares, does.
  if (attempt.sent()) {
    failure.sent = *attempt.sent();
  } else if (!context_.knows_sent && !failure.declared) {
    failure.sent = Sent::kMaybe;
  }
  outcome.phase = failure.phase;
  outcome.error = failure.error;
  outcome.sent = failure.sent;
  if (failure.retry_after) {
    outcome.has_retry_after = true;
    outcome.retry_after_nanos = ToNanos(*failure.retry_after);
  }

  AttemptRecord record = NewRecord(attempt.number(), attempt.kind(), status, started);
  record.phase = failure.phase;
  record.error = failure.error;
  record.sent = failure.sent;
  record.bytes_sent = failure.bytes_sent;
  record.bytes_received = failure.bytes_received;
  record.elapsed = outcome.ended - started;
  record.attempt_timeout = status.code() == absl::StatusCode::kDeadlineExceeded &&
                           attempt.deadline() < deadline_ &&
                           attempt.deadline().expired(outcome.ended);
  record.address = failure.address.empty() && notes != nullptr ? notes->address : failure.address;
  if (disruptions_ != nullptr) {
    record.detail += (*disruptions_)[static_cast<size_t>(attempt.slot())].Remark();
  }
  record.tried = failure.tried;
  const bool is_first = failures_ == nullptr;
  if (is_first) failures_ = std::make_unique<Failures>();
  failures_->records.push_back(std::move(record));
  // How those end that the call gave up isn't what it failed of.
  if (machine_->delivered() && !is_first) return;
  failures_->last = std::move(failure);
  failures_->last_status = status;
}

AttemptRecord CallDriver::NewRecord(int number, AttemptKind kind, const absl::Status& status,
                                    Instant started) const {
  AttemptRecord record;
  record.number = number;
  record.kind = kind;
  record.code = status.code();
  record.started = started - began_;
  record.detail = std::string(ToStd(status.message()));
  return record;
}

AttemptRecord CallDriver::RecordOfSuccess(const Attempt& attempt, Instant started) const {
  const AttemptNotes& notes = *attempt.notes();
  AttemptRecord record = NewRecord(attempt.number(), attempt.kind(), absl::OkStatus(), started);
  record.sent = Sent::kAnswered;
  record.bytes_sent = notes.bytes_sent;
  record.bytes_received = notes.bytes_received;
  record.address = notes.address;
  record.elapsed = runtime_.Now() - started;
  return record;
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

absl::Status CallDriver::Error(Reason why) {
  const Instant now = machine_->now();
  Failure failure;
  failure.sent = Sent::kNo;  // until an attempt shows otherwise
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  if (failures_ != nullptr) {
    code = failures_->last_status.code();
    failure = std::move(failures_->last);
    failure.attempts = std::move(failures_->records);
  }
  for (const AttemptRecord& record : failure.attempts) {
    failure.sent = Worst(failure.sent, record.sent);
  }
  if (why == Reason::kCancelled) {
    code = absl::StatusCode::kCancelled;
  } else if (deadline_.expired(now)) {
    code = absl::StatusCode::kDeadlineExceeded;
  }
  failure.declared = false;
  failure.elapsed = now - began_;
  failure.reasons = machine_->reasons();
  failure.why = why;
  if (auto next = machine_->next_admission()) failure.retry_at = *next - now;

  const std::string_view operation = context_.options.operation;
  if (failures_ == nullptr) return RefusalStatus(code, operation, context_.target, failure);
  failure.operation = std::string(operation);
  failure.target = std::string(context_.target);
  return WithFailure(
      absl::Status(
          code, absl::StrCat(ToAbsl(operation), context_.target.empty() ? "" : " ",
                             ToAbsl(context_.target), ": ", failures_->last_status.message(), "; ",
                             ToAbsl(ReasonText(why)))),
      failure);
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
  if (MayHedge(context) || options.stop.stop_requested()) return CallDriver(parts).Run();
  return RunPlain(parts);
}

}  // namespace redial::internal
