#include "src/core/call_machine.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "absl/cleanup/cleanup.h"

namespace redial {
namespace {

// The attempts that are in flight end with the call: no result of theirs could be used.
bool EndsWhatIsInFlight(ReasonSet reasons) {
  return reasons.Has(Reason::kFailFast) || reasons.Has(Reason::kGaveUp);
}

Outcome Abandoned(Instant started, Instant now) {
  Outcome abandoned;
  abandoned.code = absl::StatusCode::kCancelled;
  abandoned.aborted = true;
  abandoned.started = started;
  abandoned.ended = now;
  return abandoned;
}

}  // namespace

[[gnu::cold, gnu::noinline]] void CallMachine::Abandon() {
  Drop();
  view_.notices = nullptr;
  for (int i = 0; i < live_count_; ++i) {
    Outcome abandoned = Abandoned(live_[i].started(), view_.now);
    Identify(live_[i], abandoned);
    SettleAll(live_[i], abandoned);
  }
  live_count_ = 0;
  if (holds_call_) SettleCall(Reason::kCancelled, nullptr);
  if (begun_ && !delivered_) ConcludeLeft();
  delivered_ = true;
}

void CallMachine::Tick(Instant now) {
  Advance(now);
  Step();
}

void CallMachine::Wake(Instant now) {
  Advance(now);
  Reconsider();
  Step();
}

void CallMachine::Cancel(Instant now) {
  if (!begun_) Enter(now);
  Advance(now);
  rejected_ = 0;
  if (!delivered_) Finish(Reason::kCancelled, -1, nullptr);
}

void CallMachine::Answered(Instant now, int id, Answer answer) {
  if (delivered_ || id != asked_ || id != view_.attempts || view_.answer != Answer::kNone) return;
  Advance(now);
  view_.answer = answer;
  Reconsider();
  Step();
}

[[gnu::flatten]] void CallMachine::AttemptDone(Instant now, int id, Outcome& outcome) {
  const int at = Find(id);
  if (at < 0) return;
  Advance(now);
  outcome.aborted |= live_[at].aborted;
  Identify(live_[at], outcome);
  outcome.ended = view_.now;
  outcome.failed_result = !outcome.aborted && IsFailure(outcome);
  SettleAll(live_[at], outcome);
  if (--live_count_ != at) live_[at] = live_[live_count_];
  if (delivered_) return;
  if (outcome.ok()) {
    Finish(Reason::kNone, id, &outcome);
    return;
  }
  if (outcome.aborted && live_count_ > 0) {  // it never ran: the others go on
    Step();
    return;
  }
  view_.last = &last_.emplace(outcome);
  AfterFailure();
  Step();
}

CallMachine::Action CallMachine::Next() {
  if (out_head_ < out_count_) {
    const Queued& next = out_[out_head_++];
    if (out_head_ == out_count_) out_head_ = out_count_ = 0;
    return {static_cast<Action::Type>(next.what & 0xff),
            static_cast<AttemptKind>(next.what >> 8 & 0xff), static_cast<Reason>(next.what >> 16),
            next.id, std::bit_cast<Deadline>(next.until)};
  }
  Action action;
  if (delivered_) {
    action.type = live_count_ == 0 ? Action::Type::kDone : Action::Type::kWait;
    return action;
  }
  action.type = Action::Type::kWait;
  action.until = view_.deadline;
  if (candidate_.active) {
    action.until = Earlier(action.until, candidate_.at);
    if (candidate_.kind != AttemptKind::kHedge) action.reason = candidate_.waits_for;
  }
  return action;
}

Fault CallMachine::Disrupt(int id, AttemptKind kind) {
  // As it was: others may have been launched since. The rest of the view is set for each question.
  const absl::Cleanup restore = [this, attempts = view_.attempts] { view_.attempts = attempts; };
  view_.attempts = id;
  view_.kind = kind;
  view_.has_ticket = false;
  view_.ticket = nullptr;
  Fault joined;
  for (const auto& member : policies_.disruptors) {
    Address(member);
    Fault fault = member.policy->Disrupt(view_);
    if (fault.none()) continue;
    fault.by = fault.delayed_by = member.policy->name();
    joined = Join(joined, fault);
  }
  return joined;
}

[[gnu::cold, gnu::noinline]] void CallMachine::AfterFailure() {
  if (live_count_ == 0) {
    Drop();
    Activate(AttemptKind::kRetry, Deadline(view_.now));
    return;
  }
  const Verdict verdict = JudgeAll(AttemptKind::kRetry);
  if (verdict.rejects() && EndsWhatIsInFlight(reasons_)) {
    FinishFailed(verdict.reason());
  } else if (hedges_ < max_hedges_) {
    Activate(AttemptKind::kHedge, Deadline(view_.now));  // a failure fires the next hedge at once
  }
}

int CallMachine::Find(int id) const {
  for (int i = 0; i < live_count_; ++i) {
    if (live_[i].id == id) return i;
  }
  return -1;
}

void CallMachine::Identify(const Live& live, Outcome& outcome) {
  outcome.started = live.started();
  outcome.kind = live.kind;
  if (live.kind == AttemptKind::kRetry) outcome.follows = live.follows;
}

bool CallMachine::IsFailure(Outcome& outcome) const {
  if (outcome.code != absl::StatusCode::kOk) return false;
  for (const auto& member : policies_.examiners) {
    outcome.config = configs_[member.config];
    if (member.policy->IsFailure(outcome)) return true;
  }
  return false;
}

void CallMachine::SettleAll(const Live& live, Outcome& outcome) {
  outcome.seed = view_.seed;
  outcome.notices = view_.notices;
  for (const auto& member : policies_.settlers) Settle(member, live.tokens[member.slot], outcome);
  outstanding_ -= live.held;
}

void CallMachine::Settle(const PolicySet::Member& member, Token token, Outcome& outcome) {
  outcome.config = configs_[member.config];
  member.policy->Settle(token, outcome);
}

void CallMachine::SettleCall(Reason reason, const Outcome* outcome) {
  holds_call_ = false;
  Outcome whole = outcome != nullptr ? *outcome : Abandoned(view_.began, view_.now);
  whole.started = view_.began;
  whole.ended = view_.now;
  whole.seed = view_.seed;
  whole.notices = view_.notices;
  if (outcome == nullptr && reason == Reason::kDeadline) {
    whole.aborted = false;
    whole.code = absl::StatusCode::kDeadlineExceeded;
  }
  for (const auto& member : policies_.call_settlers) {
    Settle(member, call_tokens_[member.slot], whole);
    --outstanding_;
  }
}

void CallMachine::Conclude(Reason reason, const Outcome* outcome) {
  Conclusion end;
  end.ok = reason == Reason::kNone;
  end.reason = reason;
  end.attempts = view_.attempts;
  end.began = view_.began;
  end.ended = view_.now;
  end.outcome = outcome;
  if (end.ok) {
    TellConcluders(end);
  } else {
    ConcludeFailed(end);
  }
}

void CallMachine::TellConcluders(Conclusion& end) {
  end.seed = view_.seed;
  end.notices = view_.notices;
  for (const auto& member : policies_.concluders) {
    end.config = configs_[member.config];
    member.policy->Conclude(end);
  }
}

// The call's result is certain.
void CallMachine::Decide(Reason reason, const Outcome* outcome) {
  delivered_ = true;
  Drop();
  if (holds_call_) SettleCall(reason, outcome);
  if (!policies_.concluders.empty()) Conclude(reason, outcome);
  if (reason == Reason::kNone) reasons_ = ReasonSet();
  reasons_.Add(reason);
}

void CallMachine::Finish(Reason reason, int winner, const Outcome* outcome) {
  Decide(reason, outcome);
  // Also at the deadline: of several attempts that ran until then, the first to be acknowledged has timed
  // out, and the others prove nothing. A call that runs out of time once must not count against the
  // peer for each hedge, least of all for one that had a moment; what had its attempt timeout has ended
  // by itself before.
  for (int i = 0; i < live_count_; ++i) {
    live_[i].aborted = true;
    Push(Action::Type::kAbort, live_[i].kind, reason, live_[i].id);
  }
  Push(Action::Type::kDeliver, AttemptKind::kFirst, reason, winner);
}

void CallMachine::NotDrained() {
  std::fputs("redial: CallMachine's actions were not drained after an event\n", stderr);
  std::abort();
}

}  // namespace redial
