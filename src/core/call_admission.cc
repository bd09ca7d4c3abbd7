// How attempts come to start: policies judge and reserve, and a candidate is launched, waits or is
// dropped. See src/core/call_machine.h.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "src/core/call_machine.h"

namespace redial {
namespace {

// Of a candidate that would not have started anyway: nobody refused it.
constexpr ReasonSet kUnwanted = [] {
  ReasonSet set;
  for (const Reason reason :
       {Reason::kNotRetried, Reason::kNotRetriable, Reason::kExhausted, Reason::kUnsafe,
        Reason::kFailFast, Reason::kGaveUp, Reason::kDeadline}) {
    set.Add(reason);
  }
  return set;
}();
bool NobodyWantedIt(ReasonSet reasons) { return (reasons.bits() & kUnwanted.bits()) != 0; }

bool MayHaveRun(Sent sent) { return sent == Sent::kMaybe || sent == Sent::kAnswered; }

}  // namespace

void CallMachine::Enter(Instant now) {
  begun_ = true;
  view_.began = view_.now = now;
  configs_[PolicySet::kNoConfig] = nullptr;
  const void** config = configs_.data();
  for (const ConfigWord* const word : policies_.config_words) {
    *config++ = word->load(std::memory_order_acquire);
  }
  for (const auto& member : policies_.undisclosed) {
    configs_[member.config] = member.policy->CurrentConfig();
  }
}

void CallMachine::Begin(Instant now) {
  Enter(now);
  Activate(AttemptKind::kFirst, Deadline(now));
  Step();
}

// Nearly every call comes through here and through AttemptDone: what they call is inlined, which saves
// a tenth of a call that succeeds.
[[gnu::flatten]] CallMachine::Beginning CallMachine::BeginAtOnce(Instant now) {
  Enter(now);
  if (view_.deadline.expired(now)) [[unlikely]] {
    Step();
    return {};
  }
  Verdict verdict;
  if (!policies_.takes || !TakeAndLaunch()) {
    verdict = Restrict(JudgeAll(AttemptKind::kFirst));
    if (verdict.admits(now)) [[likely]] {
      verdict = TryToLaunch();
    }
  }
  if (verdict.rejects()) [[unlikely]] {
    return {.refused = true, .why = RefuseFirst(verdict)};
  }
  if (!verdict.admits(now)) [[unlikely]] {
    candidate_.active = candidate_.considered = true;
    Refuse(verdict);
    return {};
  }
  if (candidate_.active) Step();  // a hedge that is due at once
  return {.started = &live_[0]};
}

void CallMachine::Step() {
  if (delivered_) return;
  if (view_.deadline.expired(view_.now)) {
    rejected_ = 0;  // by time, whatever was rejected before
    FinishFailed(Reason::kDeadline);
    return;
  }
  // A launch may make the next hedge due at once.
  while (candidate_.active && candidate_.at.expired(view_.now)) Consider();
}

void CallMachine::Consider() {
  candidate_.considered = true;
  Verdict verdict = Restrict(JudgeAll(candidate_.kind));
  if (!verdict.admits(view_.now)) {
    if (candidate_.entered != 0) ParkTickets();
    Refuse(verdict);
    return;
  }
  if (live_count_ == kMaxLive) {
    Drop();
    return;
  }
  verdict = TryToLaunch();
  if (!verdict.admits(view_.now)) {
    Refuse(verdict);
    return;
  }
  const Live& live = live_[live_count_ - 1];
  Push(Action::Type::kStart, live.kind, Reason::kNone, live.id, live.until());
}

// What was reserved for a candidate; voids it unless the candidate is launched, also when a policy
// throws.
class CallMachine::Reservation {
 public:
  Reservation(CallMachine& machine, Live& live, PolicySet::Members reservers)
      : machine_(machine), live_(live), reservers_(reservers) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() {
    if (granted_ != 0) VoidAll();
  }

  // Asks everybody, also after the first who objects: the verdict of a set must not depend on who
  // comes first in it.
  Verdict ReserveAll() {
    View& view = machine_.view_;
    Verdict joined;
    uint32_t bit = 1;
    for (const auto& member : reservers_) {
      machine_.Address(member);
      machine_.ShowTicket(member);
      if (member.queue >= 0) machine_.candidate_.entered |= 1u << member.queue;
      const Verdict verdict = member.policy->Reserve(view, TokenOf(member), TicketOf(member));
      const bool admits = verdict.kind() == Verdict::Kind::kAdmit;
      if (!admits) [[unlikely]] {
        machine_.Note(verdict, member);
        joined = Join(joined, verdict);
      }
      if (admits || verdict.admits(view.now)) granted_ |= bit;
      bit <<= 1;
    }
    return joined;
  }

  void Keep() {
    const auto of_call = machine_.policies_.call_settlers.size();
    const bool first = machine_.candidate_.kind == AttemptKind::kFirst;
    machine_.holds_call_ = of_call != 0;
    machine_.outstanding_ += static_cast<int>(reservers_.size());
    live_.held = static_cast<uint8_t>(reservers_.size() - (first ? of_call : 0));
    granted_ = 0;
  }

 private:
  [[gnu::cold, gnu::noinline]] void VoidAll() {
    for (size_t i = reservers_.size(); i-- > 0;) {
      if ((granted_ >> i & 1) == 0) continue;
      const auto& member = reservers_[i];
      member.policy->Void(TokenOf(member), TicketOf(member));
    }
  }
  Ticket* TicketOf(const PolicySet::Member& member) const {
    return member.queue < 0 ? nullptr : &machine_.candidate_.tickets[member.queue];
  }
  Token& TokenOf(const PolicySet::Member& member) const {
    return member.counts_calls ? machine_.call_tokens_[member.slot] : live_.tokens[member.slot];
  }

  CallMachine& machine_;
  Live& live_;
  const PolicySet::Members reservers_;
  uint32_t granted_ = 0;  // a bit for each of them
};

// Of a first attempt that nothing speaks against. False, with nothing done, if that isn't certain.
bool CallMachine::TakeAndLaunch() {
  for (const auto& member : policies_.judges_only) {
    Address(member);
    if (member.policy->Judge(view_).kind() != Verdict::Kind::kAdmit) return false;
  }
  const Proposal proposal = ProposeAll();
  Live& live = live_[0];
  ClearTokens(live);
  for (const auto& member : policies_.takers) {
    Address(member);
    if (member.policy->Take(view_, live.tokens[member.slot])) [[likely]] {
      continue;
    }
    for (const auto* taken = policies_.takers.begin(); taken != &member; ++taken) {
      taken->policy->Void(live.tokens[taken->slot], nullptr);
    }
    return false;
  }
  live.held = static_cast<uint8_t>(policies_.takers.size());
  outstanding_ += live.held;
  Launch(live, proposal);
  return true;
}

void CallMachine::ClearTokens(Live& live) const {
  static_assert(PolicySet::kMaxPolicies == 16);
  // In halves, whose size the compiler knows.
  std::fill_n(live.tokens.begin(), 8, 0);
  if (policies_.slots > 8) std::fill_n(live.tokens.begin() + 8, 8, 0);
}

Verdict CallMachine::TryToLaunch() {
  Live& live = live_[live_count_];
  ClearTokens(live);
  const bool first = candidate_.kind == AttemptKind::kFirst;
  const auto reservers = first ? policies_.reservers_first : policies_.reservers_again;
  if (!reservers.empty()) return ReserveAndLaunch(live, reservers);
  live.held = 0;
  Launch(live, ProposeAll());
  return Verdict::Admit();
}

Verdict CallMachine::ReserveAndLaunch(Live& live, PolicySet::Members reservers) {
  candidate_.tickets.Make(policies_.queues, wake_);
  if (!holds_call_ && !policies_.call_settlers.empty()) call_tokens_.fill(0);
  Reservation reservation(*this, live, reservers);
  const Verdict verdict = Restrict(reservation.ReserveAll());
  if (verdict.admits(view_.now)) {
    const Proposal proposal = ProposeAll();
    reservation.Keep();
    Launch(live, proposal);
  }
  return verdict;
}

Verdict CallMachine::JudgeAll(AttemptKind kind) {
  view_.kind = kind;
  reasons_ = ReasonSet();
  rejected_ = 0;
  latest_delay_ = view_.now;
  first_end_ = Deadline::Never();
  view_.has_ticket = false;
  view_.ticket = nullptr;
  const bool shows_tickets = candidate_.kind == kind && candidate_.entered != 0;
  Verdict joined = EnginesOwn(kind);
  const bool first = kind == AttemptKind::kFirst;
  for (const auto& member : first ? policies_.judges_first : policies_.judges_again) {
    Address(member);
    if (shows_tickets) ShowTicket(member);
    const Verdict verdict = member.policy->Judge(view_);
    if (verdict.kind() == Verdict::Kind::kAdmit) [[likely]] {
      continue;
    }
    Note(verdict, member);
    joined = Join(joined, verdict);
  }
  return joined;
}

// What no policy can lift: somebody has to want a retry, and nothing is replayed that may have run.
Verdict CallMachine::EnginesOwn(AttemptKind kind) {
  if (kind == AttemptKind::kFirst) return Verdict::Admit();
  Verdict verdict;
  if (kind == AttemptKind::kRetry && !policies_.retries) {
    verdict = Verdict::Reject(Reason::kNotRetried);
    Note(verdict);
  }
  const bool may_have_run = kind == AttemptKind::kHedge || (last_ && MayHaveRun(last_->sent));
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
  if (policies_.never_waits) {
    verdict = Verdict::Reject(Reason::kFailFast);
  } else if (view_.deadline.expired(latest_delay_)) {
    verdict = Verdict::RejectUntil(latest_delay_, Reason::kDeadline);
  }
  if (verdict.rejects()) Note(verdict);
  return verdict;
}

Proposal CallMachine::ProposeAll() {
  Proposal joined;
  for (const auto& member : policies_.proposers) {
    Address(member);
    const Proposal p = member.policy->Propose(view_);
    joined.attempt_timeout_nanos = std::min(joined.attempt_timeout_nanos, p.attempt_timeout_nanos);
    joined.hedge_after_nanos = std::min(joined.hedge_after_nanos, p.hedge_after_nanos);
    joined.max_hedges = std::min(joined.max_hedges, p.max_hedges);
  }
  return joined;
}

void CallMachine::Launch(Live& live, const Proposal& proposal) {
  const AttemptKind kind = candidate_.kind;
  Drop();
  live.id = next_id_++;
  live.kind = kind;
  live.aborted = false;
  live.started_nanos = view_.now.nanos();
  if (kind == AttemptKind::kRetry) live.follows = last_->code;
  Deadline until = view_.deadline;
  if (proposal.attempt_timeout_nanos != Proposal::kNone) {
    until = Earlier(until, Deadline::AfterNanos(view_.now, proposal.attempt_timeout_nanos));
  }
  live.set_until(until);
  ++live_count_;
  ++view_.attempts;
  view_.answer = Answer::kNone;
  if (kind == AttemptKind::kHedge) ++hedges_;

  max_hedges_ =
      policies_.hedges && view_.idempotent && proposal.hedge_after_nanos != Proposal::kNone
          ? proposal.max_hedges
          : 0;
  if (hedges_ < max_hedges_) {
    Activate(AttemptKind::kHedge, Deadline::AfterNanos(view_.now, proposal.hedge_after_nanos));
  }
}

Reason CallMachine::RefuseFirst(const Verdict& verdict) {
  Drop();
  TellRefusers();
  if (verdict.has_next()) next_admission_ = verdict.at();
  Decide(verdict.reason(), nullptr);
  return verdict.reason();
}

[[gnu::noinline]] void CallMachine::Refuse(const Verdict& verdict) {
  if (verdict.rejects()) {
    Drop();
    TellRefusers();
    if (candidate_.kind == AttemptKind::kHedge) return;  // the attempts in flight go on
    if (verdict.has_next()) next_admission_ = verdict.at();
    FinishFailed(verdict.reason());
    return;
  }
  candidate_.at = verdict.kind() == Verdict::Kind::kNotBefore ? Deadline(verdict.at()) : first_end_;
  candidate_.waits_for = verdict.reason();
  // Not about a hedge: asking would hold up the attempt beside it, and the retry that may follow is
  // asked about under the same id.
  const bool may_ask = candidate_.kind != AttemptKind::kHedge && asked_ != view_.attempts;
  if (may_ask && reasons_.Has(Reason::kUndecided)) {
    asked_ = view_.attempts;
    Push(Action::Type::kAsk, candidate_.kind, Reason::kNone, asked_);
  }
}

void CallMachine::TellRefusers() {
  if (rejected_ == 0 || NobodyWantedIt(reasons_)) return;
  view_.has_ticket = false;
  for (const auto& member : policies_.refusal_counters) {
    if ((rejected_ >> member.place & 1) == 0) continue;
    Address(member);
    member.policy->Refused(view_);
  }
}

void CallMachine::Activate(AttemptKind kind, Deadline at) {
  candidate_.active = true;
  candidate_.considered = false;
  candidate_.kind = kind;
  candidate_.at = at;
  candidate_.waits_for = Reason::kNone;
}

void CallMachine::Reconsider() {
  if (candidate_.active && candidate_.considered) candidate_.at = Deadline(view_.now);
}

// Leaves every queue that saw the candidate's ticket.
void CallMachine::LeaveQueues() {
  for (const auto& member : policies_.queuers) {
    if (!HasTicket(member)) continue;
    Ticket& ticket = candidate_.tickets[member.queue];
    if (member.leaves_lines_only && ticket.note() == 0) continue;
    member.policy->Leave(ticket);
    ticket.set_note(0);
  }
  candidate_.entered = 0;
}

void CallMachine::ParkTickets() {
  for (const auto& member : policies_.queuers) {
    if (HasTicket(member)) member.policy->Park(candidate_.tickets[member.queue]);
  }
}

bool CallMachine::HasTicket(const PolicySet::Member& member) const {
  return (candidate_.entered >> member.queue & 1) != 0;
}

void CallMachine::ShowTicket(const PolicySet::Member& member) {
  view_.has_ticket = member.queue >= 0 && HasTicket(member);
  view_.ticket = view_.has_ticket ? &candidate_.tickets[member.queue] : nullptr;
}

void CallMachine::Note(const Verdict& verdict) {
  if (verdict.admits(view_.now)) return;
  reasons_.Add(verdict.reason());
  if (verdict.kind() == Verdict::Kind::kNotBefore) {
    latest_delay_ = std::max(latest_delay_, verdict.at());
  } else if (verdict.has_end() && verdict.at() > view_.now) {
    first_end_ = Earlier(first_end_, Deadline(verdict.at()));
  }
}

void CallMachine::Note(const Verdict& verdict, const PolicySet::Member& member) {
  if (verdict.rejects()) rejected_ |= 1u << member.place;
  Note(verdict);
}

}  // namespace redial
