#include "src/core/call_machine.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace redial {
namespace {

// The attempts that are in flight end with the call: no result of theirs could be used.
bool EndsWhatIsInFlight(ReasonSet reasons) {
  return reasons.Has(Reason::kFailFast) || reasons.Has(Reason::kGaveUp);
}

bool MayHaveRun(Sent sent) { return sent == Sent::kMaybe || sent == Sent::kAnswered; }

bool Reserves(const PolicySet::Member& member) {
  return (member.policy->traits().capabilities & Policy::kReserves) != 0;
}

}  // namespace

CallMachine::CallMachine(const PolicySet& policies, const Config& config)
    : policies_(policies), wake_(config.wake) {
  view_.idempotent = config.idempotent;
  view_.deadline = config.deadline;
  view_.seed = config.seed;
}

CallMachine::~CallMachine() {
  Drop(main_);
  Drop(hedge_);
  for (int i = 0; i < live_count_; ++i) {
    Outcome abandoned;
    abandoned.code = absl::StatusCode::kCancelled;
    abandoned.aborted = true;
    abandoned.started = live_[i].started;
    abandoned.ended = view_.now;
    SettleAll(live_[i], abandoned);
  }
}

void CallMachine::Begin(Instant now) {
  view_.began = view_.now = now;
  Activate(main_, Deadline(now));
  Step();
}

void CallMachine::Tick(Instant now) {
  Advance(now);
  Step();
}

void CallMachine::Wake(Instant now) {
  Advance(now);
  if (main_.active) main_.at = Deadline(view_.now);
  // A hedge whose time hasn't come isn't in any queue yet.
  if (hedge_.active && hedge_.entered != 0) hedge_.at = Deadline(view_.now);
  Step();
}

void CallMachine::Cancel(Instant now) {
  Advance(now);
  if (!delivered_) Finish(Reason::kCancelled, -1);
}

void CallMachine::Answered(Instant now, int id, Answer answer) {
  Advance(now);
  if (delivered_ || id != asked_ || id != view_.attempts || view_.answer != Answer::kNone) return;
  view_.answer = answer;
  if (main_.active) main_.at = Deadline(view_.now);
  Step();
}

void CallMachine::AttemptDone(Instant now, int id, const Outcome& outcome) {
  Advance(now);
  int at = 0;
  while (at < live_count_ && live_[at].id != id) ++at;
  if (at == live_count_) return;
  const Live done = live_[at];
  live_[at] = live_[--live_count_];

  Outcome o = outcome;
  o.aborted |= done.aborted;
  o.started = done.started;
  o.ended = view_.now;
  o.failed_result = !o.aborted && IsFailure(o);
  SettleAll(done, o);
  if (delivered_) return;
  if (o.ok()) {
    Finish(Reason::kNone, id);
    return;
  }
  last_ = o;
  has_last_ = true;
  view_.last = &last_;
  AfterFailure();
  Step();
}

CallMachine::Action CallMachine::Next() {
  if (out_head_ < out_count_) {
    const Action action = out_[out_head_++];
    if (out_head_ == out_count_) out_head_ = out_count_ = 0;
    return action;
  }
  Action action;
  if (delivered_) {
    action.type = live_count_ == 0 ? Action::Type::kDone : Action::Type::kWait;
    return action;
  }
  action.type = Action::Type::kWait;
  action.until = view_.deadline;
  if (main_.active) {
    action.until = Earlier(action.until, main_.at);
    action.reason = main_.waits_for;
  }
  if (hedge_.active) action.until = Earlier(action.until, hedge_.at);
  return action;
}

void CallMachine::Advance(Instant now) { view_.now = std::max(view_.now, now); }

void CallMachine::Step() {
  if (delivered_) return;
  if (view_.deadline.expired(view_.now)) {
    Finish(Reason::kDeadline, -1);
    return;
  }
  if (main_.active && main_.at.expired(view_.now)) {
    Consider(main_, view_.attempts == 0 ? AttemptKind::kFirst : AttemptKind::kRetry);
  }
  if (!delivered_ && hedge_.active && hedge_.at.expired(view_.now)) {
    Consider(hedge_, AttemptKind::kHedge);
  }
}

void CallMachine::Consider(Candidate& candidate, AttemptKind kind) {
  Verdict verdict = JudgeAll(kind);
  if (!verdict.admits(view_.now)) {
    ParkTickets(candidate);
    Refuse(candidate, kind, verdict);
    return;
  }
  if (live_count_ == kMaxLive) {
    Drop(candidate);
    return;
  }
  Live& live = live_[live_count_];
  verdict = ReserveAll(candidate, live);
  if (verdict.admits(view_.now)) {
    Launch(candidate, kind, live);
  } else {
    Refuse(candidate, kind, verdict);
  }
}

Verdict CallMachine::JudgeAll(AttemptKind kind) {
  view_.kind = kind;
  reasons_ = ReasonSet();
  latest_delay_ = view_.now;
  Verdict joined = EnginesOwn(kind);
  const bool first = kind == AttemptKind::kFirst;
  for (const auto& member : first ? policies_.judges_first() : policies_.judges_again()) {
    view_.identity = member.identity;
    const Verdict verdict = member.policy->Judge(view_);
    Note(verdict);
    joined = Join(joined, verdict);
  }
  return Restrict(joined);
}

// What no policy can lift: somebody has to want a retry, and nothing is replayed that may have run.
Verdict CallMachine::EnginesOwn(AttemptKind kind) {
  if (kind == AttemptKind::kFirst) return Verdict::Admit();
  Verdict verdict;
  if (kind == AttemptKind::kRetry && !policies_.retries()) {
    verdict = Verdict::Reject(Reason::kNotRetried);
    Note(verdict);
  }
  const bool may_have_run = kind == AttemptKind::kHedge || (has_last_ && MayHaveRun(last_.sent));
  if (!view_.idempotent && may_have_run) {
    const Verdict unsafe = Verdict::Reject(Reason::kUnsafe);
    Note(unsafe);
    verdict = Join(verdict, unsafe);
  }
  return verdict;
}

// Ends now what could only end later: a wait that somebody forbids, or one that would pass the
// deadline.
Verdict CallMachine::Restrict(Verdict verdict) {
  if (verdict.rejects() || verdict.admits(view_.now)) return verdict;
  if (policies_.never_waits()) {
    verdict = Verdict::Reject(Reason::kFailFast);
  } else if (view_.deadline.expired(latest_delay_)) {
    verdict = Verdict::RejectUntil(latest_delay_, Reason::kDeadline);
  }
  if (verdict.rejects()) Note(verdict);
  return verdict;
}

Verdict CallMachine::ReserveAll(Candidate& candidate, Live& live) {
  const auto reservers = policies_.reservers();
  if (policies_.queues() > 0 && !candidate.tickets) {
    candidate.tickets.emplace();
    for (Ticket& ticket : *candidate.tickets) ticket.set_wake_source(wake_);
  }
  for (const auto& member : policies_.settlers()) live.tokens[member.slot] = 0;

  // Everybody is asked, also after the first who objects: the verdict of a set must not depend on
  // who comes first in it.
  Verdict joined;
  uint32_t granted = 0;
  for (size_t i = 0; i < reservers.size(); ++i) {
    const auto& member = reservers[i];
    view_.identity = member.identity;
    Ticket* ticket = nullptr;
    if (member.queue >= 0) {
      ticket = &(*candidate.tickets)[member.queue];
      candidate.entered |= 1u << member.queue;
    }
    const Verdict verdict = member.policy->Reserve(view_, live.tokens[member.slot], ticket);
    Note(verdict);
    joined = Join(joined, verdict);
    if (verdict.admits(view_.now)) {
      granted |= 1u << i;
      ++outstanding_;
    }
  }
  joined = Restrict(joined);
  if (joined.admits(view_.now)) return joined;
  for (size_t i = reservers.size(); i-- > 0;) {
    if ((granted >> i & 1) == 0) continue;
    const auto& member = reservers[i];
    member.policy->Void(live.tokens[member.slot],
                        member.queue >= 0 ? &(*candidate.tickets)[member.queue] : nullptr);
    --outstanding_;
  }
  return joined;
}

void CallMachine::Launch(Candidate& candidate, AttemptKind kind, Live& live) {
  Proposal joined;
  for (const auto& member : policies_.proposers()) {
    view_.identity = member.identity;
    const Proposal p = member.policy->Propose(view_);
    joined.attempt_timeout_nanos = std::min(joined.attempt_timeout_nanos, p.attempt_timeout_nanos);
    joined.hedge_after_nanos = std::min(joined.hedge_after_nanos, p.hedge_after_nanos);
    joined.max_hedges = std::min(joined.max_hedges, p.max_hedges);
  }
  Drop(candidate);
  live.id = next_id_++;
  live.kind = kind;
  live.aborted = false;
  live.started = view_.now;
  ++live_count_;
  ++view_.attempts;
  view_.answer = Answer::kNone;
  if (kind == AttemptKind::kHedge) ++hedges_;

  Action start;
  start.type = Action::Type::kStart;
  start.kind = kind;
  start.id = live.id;
  start.until = view_.deadline;
  if (joined.attempt_timeout_nanos != Proposal::kNone) {
    start.until =
        Earlier(start.until, Deadline::AfterNanos(view_.now, joined.attempt_timeout_nanos));
  }
  Push(start);

  max_hedges_ = joined.hedge_after_nanos == Proposal::kNone ? 0 : joined.max_hedges;
  if (hedges_ < max_hedges_ && view_.idempotent) {
    Activate(hedge_, Deadline::AfterNanos(view_.now, joined.hedge_after_nanos));
  }
}

void CallMachine::Refuse(Candidate& candidate, AttemptKind kind, const Verdict& verdict) {
  if (verdict.rejects()) {
    Drop(candidate);
    if (kind == AttemptKind::kHedge || live_count_ > 0) return;
    if (verdict.has_next()) next_admission_ = verdict.at();
    Finish(verdict.reason(), -1);
    return;
  }
  candidate.at =
      verdict.kind() == Verdict::Kind::kNotBefore ? Deadline(verdict.at()) : Deadline::Never();
  candidate.waits_for = verdict.reason();
  if (reasons_.Has(Reason::kUndecided) && asked_ != view_.attempts) {
    asked_ = view_.attempts;
    Action ask;
    ask.type = Action::Type::kAsk;
    ask.id = asked_;
    Push(ask);
  }
}

void CallMachine::AfterFailure() {
  if (live_count_ == 0) {
    Drop(hedge_);
    Activate(main_, Deadline(view_.now));
    return;
  }
  const Verdict verdict = JudgeAll(AttemptKind::kRetry);
  if (verdict.rejects() && EndsWhatIsInFlight(reasons_)) {
    Finish(verdict.reason(), -1);
  } else if (hedges_ < max_hedges_ && view_.idempotent) {
    Activate(hedge_, Deadline(view_.now));  // a failure fires the next hedge at once
  }
}

void CallMachine::Activate(Candidate& candidate, Deadline at) {
  candidate.active = true;
  candidate.at = at;
  candidate.waits_for = Reason::kNone;
}

// Leaves every queue that saw the candidate's ticket.
void CallMachine::Drop(Candidate& candidate) {
  candidate.active = false;
  if (candidate.entered == 0) return;
  for (const auto& member : policies_.reservers()) {
    if (member.queue >= 0 && (candidate.entered >> member.queue & 1) != 0) {
      member.policy->Leave((*candidate.tickets)[member.queue]);
    }
  }
  candidate.entered = 0;
}

void CallMachine::ParkTickets(Candidate& candidate) {
  if (candidate.entered == 0) return;
  for (const auto& member : policies_.reservers()) {
    if (member.queue >= 0 && (candidate.entered >> member.queue & 1) != 0) {
      member.policy->Park((*candidate.tickets)[member.queue]);
    }
  }
}

bool CallMachine::IsFailure(const Outcome& outcome) const {
  if (outcome.code != absl::StatusCode::kOk) return false;
  for (const auto& member : policies_.examiners()) {
    if (member.policy->IsFailure(outcome)) return true;
  }
  return false;
}

void CallMachine::SettleAll(const Live& live, const Outcome& outcome) {
  for (const auto& member : policies_.settlers()) {
    member.policy->Settle(live.tokens[member.slot], outcome);
    if (Reserves(member)) --outstanding_;
  }
}

void CallMachine::Note(const Verdict& verdict) {
  if (verdict.admits(view_.now)) return;
  reasons_.Add(verdict.reason());
  if (verdict.kind() == Verdict::Kind::kNotBefore) {
    latest_delay_ = std::max(latest_delay_, verdict.at());
  }
}

void CallMachine::Finish(Reason reason, int winner) {
  delivered_ = true;
  Drop(main_);
  Drop(hedge_);
  if (reason == Reason::kNone) reasons_ = ReasonSet();
  reasons_.Add(reason);
  for (int i = 0; i < live_count_; ++i) {
    live_[i].aborted = true;
    Action abort;
    abort.type = Action::Type::kAbort;
    abort.kind = live_[i].kind;
    abort.reason = reason;
    abort.id = live_[i].id;
    Push(abort);
  }
  Action deliver;
  deliver.type = Action::Type::kDeliver;
  deliver.reason = reason;
  deliver.id = winner;
  Push(deliver);
}

void CallMachine::Push(const Action& action) {
  if (out_count_ == static_cast<int>(out_.size())) {
    std::fputs("redial: CallMachine's actions were not drained after an event\n", stderr);
    std::abort();
  }
  out_[out_count_++] = action;
}

}  // namespace redial
