#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/support/law_policies.h"

namespace redial::testing {
namespace {

constexpr uint32_t kHolds = Policy::kReserves | Policy::kSettles | Policy::kQueues;
constexpr uint32_t kJudges = Policy::kJudgesFirst | Policy::kJudgesAgain;

}  // namespace

LawBulkhead::LawBulkhead(int permits, size_t places)
    : LawPolicy({.name = "LawBulkhead", .capabilities = kJudges | kHolds, .rank = Rank::kBulkhead},
                absl::StrCat(permits, "/", places)),
      permits_(permits),
      places_(places),
      free_(permits) {}

Verdict LawBulkhead::Judge(const View& view) const {
  std::lock_guard lock(mu_);
  const bool full = !view.has_ticket && free_ == 0 && queue_.size() >= places_;
  return full ? Verdict::Reject(Reason::kQueueFull) : Verdict::Admit();
}

Verdict LawBulkhead::Reserve(const View&, Token&, Ticket* ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  if (ticket->state() == Ticket::State::kOut && free_ == 0 && queue_.size() >= places_) {
    return Verdict::Reject(Reason::kQueueFull);
  }
  return queue_.Claim(*ticket, free_, wake) ? Verdict::Admit() : Verdict::Blocked(Reason::kQueued);
}

void LawBulkhead::Void(Token, Ticket* ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  queue_.Unclaim(*ticket, free_, wake);
}

void LawBulkhead::Settle(Token, const Outcome&) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  ++free_;
  queue_.Offer(free_, wake);
}

void LawBulkhead::Park(Ticket& ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  queue_.Park(ticket, free_, wake);
}

void LawBulkhead::Leave(Ticket& ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  queue_.Leave(ticket, free_, wake);
}

std::string LawBulkhead::Audit(bool idle) const {
  std::lock_guard lock(mu_);
  if (free_ < 0 || free_ > permits_)
    return absl::StrCat(free_, " of ", permits_, " permits are free");
  if (free_ > 0 && queue_.waiting() > 0) return "a permit is free while a ticket waits";
  if (idle && free_ != permits_) return absl::StrCat(free_, " of ", permits_, " permits came back");
  if (idle && queue_.size() != 0) return absl::StrCat(queue_.size(), " tickets were left in line");
  return "";
}

std::string LawBulkhead::State() const {
  std::lock_guard lock(mu_);
  return absl::StrCat("bulkhead:", free_, "/", queue_.size());
}

LawLimiter::LawLimiter(int64_t interval, int burst, int64_t longest_wait)
    : LawPolicy({.name = "LawLimiter", .capabilities = kJudges | kHolds, .rank = Rank::kRateLimit},
                absl::StrCat(interval, "/", burst, "/", longest_wait)),
      interval_(interval),
      tolerance_(interval * (burst - 1)),
      longest_wait_(longest_wait) {}

Instant LawLimiter::NextSlot(Instant now) const {
  return std::max(now, Plus(arrival_, -tolerance_));
}

// Whether a slot may be reserved now; one past the call's deadline would only be given back.
Verdict LawLimiter::Admission(const View& view) const {
  const Instant slot = NextSlot(view.now);
  const bool in_time = !view.deadline.expired(slot);
  if (in_time && NanosBetween(view.now, slot) <= longest_wait_) return Verdict::Admit();
  return Verdict::RejectUntil(in_time ? Plus(slot, -longest_wait_) : slot, Reason::kRateLimited);
}

Verdict LawLimiter::Judge(const View& view) const {
  std::lock_guard lock(mu_);
  return view.has_ticket ? Verdict::Admit() : Admission(view);
}

// The ticket's note is the slot that it holds, negative while a reservation stands on it.
Verdict LawLimiter::Reserve(const View& view, Token&, Ticket* ticket) {
  std::lock_guard lock(mu_);
  if (ticket->note() == 0) {
    const Verdict verdict = Admission(view);
    if (verdict.rejects()) return verdict;
    ticket->set_note(NextSlot(view.now).nanos());
    arrival_ = Plus(std::max(arrival_, view.now), interval_);
    ++ahead_;
  }
  const Instant slot = Instant::FromNanos(ticket->note());
  if (slot > view.now) return Verdict::NotBefore(slot, Reason::kRateLimited);
  ticket->set_note(-slot.nanos());
  --ahead_;
  ++held_;
  return Verdict::Admit();
}

void LawLimiter::Void(Token, Ticket* ticket) {
  std::lock_guard lock(mu_);
  ticket->set_note(-ticket->note());
  ++ahead_;
  --held_;
}

void LawLimiter::Settle(Token, const Outcome&) {
  std::lock_guard lock(mu_);
  --held_;
}

void LawLimiter::Leave(Ticket& ticket) {
  std::lock_guard lock(mu_);
  if (ticket.note() <= 0) return;
  arrival_ = Plus(arrival_, -interval_);
  --ahead_;
}

std::string LawLimiter::Audit(bool idle) const {
  std::lock_guard lock(mu_);
  if (ahead_ < 0 || held_ < 0) return absl::StrCat(ahead_, " slots, ", held_, " reservations");
  if (idle && ahead_ != 0) return absl::StrCat(ahead_, " slots were not given back");
  if (idle && held_ != 0) return absl::StrCat(held_, " reservations are held");
  return "";
}

std::string LawLimiter::State() const {
  std::lock_guard lock(mu_);
  return absl::StrCat("limiter:", arrival_.nanos(), "/", ahead_);
}

LawPacer::LawPacer(int failures)
    : LawPolicy({.name = "LawPacer", .capabilities = kHolds}, absl::StrCat(failures)),
      failures_(failures) {}

Verdict LawPacer::Reserve(const View& view, Token& token, Ticket* ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  if (view.kind != AttemptKind::kFirst && pacing_) {
    if (!queue_.Claim(*ticket, releases_, wake)) return Verdict::Blocked(Reason::kParked);
    token = kReleased;
  }
  ++held_;
  return Verdict::Admit();
}

void LawPacer::Void(Token token, Ticket* ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  if (token == kReleased) queue_.Unclaim(*ticket, releases_, wake);
  --held_;
}

void LawPacer::Settle(Token, const Outcome& outcome) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  --held_;
  if (outcome.aborted) return;
  if (!outcome.ok()) {
    if (++in_a_row_ >= failures_) pacing_ = true;
    return;
  }
  in_a_row_ = 0;
  if (!pacing_) return;
  releases_ = std::min<int64_t>(releases_ + 2, 2);
  queue_.Offer(releases_, wake);
  EndIfNobodyWaits();
}

void LawPacer::Park(Ticket& ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  queue_.Park(ticket, releases_, wake);
}

void LawPacer::Leave(Ticket& ticket) {
  Wakeups wake;
  std::lock_guard lock(mu_);
  queue_.Leave(ticket, releases_, wake);
  if (in_a_row_ == 0) EndIfNobodyWaits();
}

void LawPacer::EndIfNobodyWaits() {
  if (queue_.size() > 0) return;
  pacing_ = false;
  releases_ = 0;
}

std::string LawPacer::Audit(bool idle) const {
  std::lock_guard lock(mu_);
  if (releases_ > 0 && queue_.waiting() > 0) return "a release is free while a ticket waits";
  if (held_ < 0 || (idle && held_ != 0)) return absl::StrCat(held_, " reservations are held");
  if (idle && queue_.size() != 0) return absl::StrCat(queue_.size(), " tickets were left in line");
  return "";
}

std::string LawPacer::State() const {
  std::lock_guard lock(mu_);
  return absl::StrCat("pacer:", in_a_row_, "/", releases_, "/", queue_.size());
}

}  // namespace redial::testing
