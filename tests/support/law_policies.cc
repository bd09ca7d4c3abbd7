#include "tests/support/law_policies.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "src/core/mix.h"

namespace redial::testing {
namespace {

constexpr uint32_t kJudges = Policy::kJudgesFirst | Policy::kJudgesAgain;
constexpr uint32_t kHolds = Policy::kReserves | Policy::kSettles;

}  // namespace

uint64_t LawPolicy::Fingerprint() const {
  return internal::Mix64(internal::HashName(name()) ^ internal::HashName(config_));
}

std::string LawPolicy::Audit(bool) const { return ""; }

LawRetry::LawRetry(int attempts, int64_t pause, int64_t jitter)
    : LawPolicy({.name = "LawRetry", .capabilities = kJudgesAgain | kRetries},
                absl::StrCat(attempts, "/", pause, "/", jitter)),
      attempts_(attempts),
      pause_(pause),
      jitter_(jitter) {}

Verdict LawRetry::Judge(const View& view) const {
  if (view.attempts >= attempts_) return Verdict::Reject(Reason::kExhausted);
  if (view.last == nullptr || view.kind == AttemptKind::kHedge) return Verdict::Admit();
  const auto jitter = static_cast<int64_t>(view.Uniform() * static_cast<double>(jitter_));
  return Verdict::NotBefore(Plus(view.last->ended, pause_ + jitter), Reason::kBackoff);
}

LawPause::LawPause(int64_t pause, Reason reason)
    : LawPolicy({.name = "LawPause", .capabilities = kJudgesAgain},
                absl::StrCat(pause, "/", static_cast<int>(reason))),
      pause_(pause),
      reason_(reason) {}

Verdict LawPause::Judge(const View& view) const {
  if (view.last == nullptr) return Verdict::Admit();
  return Verdict::NotBefore(Plus(view.last->ended, pause_), reason_);
}

LawFailFast::LawFailFast(int error)
    : LawPolicy({.name = "LawFailFast", .capabilities = kJudgesAgain}, absl::StrCat(error)),
      error_(error) {}

Verdict LawFailFast::Judge(const View& view) const {
  const bool hit = view.last != nullptr && view.last->error == error_;
  return hit ? Verdict::Reject(Reason::kFailFast) : Verdict::Admit();
}

LawNeverWaits::LawNeverWaits()
    : LawPolicy({.name = "LawNeverWaits", .capabilities = kNeverWaits}, "") {}

LawConcluder::LawConcluder()
    : LawPolicy({.name = "LawConcluder", .capabilities = kConcludes | kReconfigures}, "") {}

// The engine asks for it once, when a call begins.
const void* LawConcluder::CurrentConfig() const {
  const std::lock_guard lock(mu_);
  ++begun_;
  return this;
}

void LawConcluder::Conclude(const Conclusion& end) {
  const std::lock_guard lock(mu_);
  ++concluded_;
  if (end.config != this) problem_ = "LawConcluder: told of a call that never began";
  if (end.ok != (end.reason == Reason::kNone && end.code != absl::StatusCode::kUnknown)) {
    problem_ = "LawConcluder: a success with a reason, or a failure without";
  }
  if (end.ok && (end.outcome == nullptr || !end.outcome->ok() || !end.refused_by.empty())) {
    problem_ = "LawConcluder: a success without its outcome, or one that was refused";
  }
  if (end.ended < end.began) problem_ = "LawConcluder: a call that ended before it began";
}

std::string LawConcluder::Audit(bool idle) const {
  const std::lock_guard lock(mu_);
  if (!problem_.empty()) return problem_;
  if (concluded_ > begun_ || (idle && concluded_ != begun_)) {
    return absl::StrCat("LawConcluder: ", concluded_, " of ", begun_, " calls concluded");
  }
  return "";
}

LawTimeout::LawTimeout(int64_t nanos)
    : LawPolicy({.name = "LawTimeout", .capabilities = kProposes, .rank = Rank::kTimeout},
                absl::StrCat(nanos)),
      nanos_(nanos) {}

Proposal LawTimeout::Propose(const View&) const { return {.attempt_timeout_nanos = nanos_}; }

LawHedge::LawHedge(int64_t after, int most)
    : LawPolicy({.name = "LawHedge", .capabilities = kProposes | kHedges},
                absl::StrCat(after, "/", most)),
      after_(after),
      most_(most) {}

Proposal LawHedge::Propose(const View&) const {
  return {.hedge_after_nanos = after_, .max_hedges = most_};
}

LawExaminer::LawExaminer(int error)
    : LawPolicy({.name = "LawExaminer", .capabilities = kExamines}, absl::StrCat(error)),
      error_(error) {}

bool LawExaminer::IsFailure(const Outcome& outcome) const { return outcome.error == error_; }

LawAsker::LawAsker()
    : LawPolicy({.name = "LawAsker", .capabilities = kJudgesAgain | kRetries | kAsks}, "") {}

Verdict LawAsker::Judge(const View& view) const {
  switch (view.answer) {
    case Answer::kNone:
      return Verdict::Blocked(Reason::kUndecided);
    case Answer::kGiveUp:
      return Verdict::Reject(Reason::kGaveUp);
    case Answer::kRetry:
      break;
  }
  return Verdict::Admit();
}

LawBreaker::LawBreaker(int failures, int64_t open_for)
    : LawPolicy(
          {.name = "LawBreaker", .capabilities = kJudges | kHolds | kTakes, .rank = Rank::kBreaker},
          absl::StrCat(failures, "/", open_for)),
      failures_(failures),
      open_for_(open_for) {}

Verdict LawBreaker::Admission(Instant now) const {
  if (mode_ == Mode::kClosed) return Verdict::Admit();
  const Instant next = Plus(opened_, open_for_);
  if (now < next) return Verdict::RejectUntil(next, Reason::kBreakerOpen);
  return mode_ == Mode::kProbing ? Verdict::Reject(Reason::kBreakerOpen) : Verdict::Admit();
}

void LawBreaker::MoveTo(Mode mode) {
  mode_ = mode;
  ++generation_;
  in_a_row_ = 0;
}

Verdict LawBreaker::Judge(const View& view) const {
  std::lock_guard lock(mu_);
  return Admission(view.now);
}

Verdict LawBreaker::Reserve(const View& view, Token& token, Ticket*) {
  std::lock_guard lock(mu_);
  const Verdict verdict = Admission(view.now);
  if (verdict.rejects()) return verdict;
  if (mode_ == Mode::kOpen) MoveTo(Mode::kProbing);
  token = generation_;
  ++held_;
  return verdict;
}

bool LawBreaker::Take(const View&, Token& token) {
  std::lock_guard lock(mu_);
  if (mode_ != Mode::kClosed) return false;
  token = generation_;
  ++held_;
  return true;
}

void LawBreaker::Void(Token token, Ticket*) {
  std::lock_guard lock(mu_);
  --held_;
  if (token == generation_ && mode_ == Mode::kProbing) MoveTo(Mode::kOpen);
}

void LawBreaker::Settle(Token token, const Outcome& outcome) {
  std::lock_guard lock(mu_);
  --held_;
  if (token != generation_) return;
  if (outcome.aborted) {
    if (mode_ == Mode::kProbing) MoveTo(Mode::kOpen);
  } else if (outcome.ok()) {
    if (mode_ == Mode::kProbing) MoveTo(Mode::kClosed);
    in_a_row_ = 0;
  } else if (mode_ == Mode::kProbing || ++in_a_row_ >= failures_) {
    MoveTo(Mode::kOpen);
    opened_ = outcome.ended;
  }
}

std::string LawBreaker::Audit(bool idle) const {
  std::lock_guard lock(mu_);
  if (held_ < 0 || (idle && held_ != 0)) return absl::StrCat(held_, " reservations are held");
  if (idle && mode_ == Mode::kProbing) return "the probe's lease was not given back";
  return "";
}

std::string LawBreaker::State() const {
  std::lock_guard lock(mu_);
  return absl::StrCat("breaker:", static_cast<int>(mode_), "/", generation_, "/", in_a_row_);
}

LawThrottle::LawThrottle(double multiplier)
    : LawPolicy({.name = "LawThrottle", .capabilities = kJudges | kHolds},
                absl::StrCat(multiplier)),
      multiplier_(multiplier) {}

Verdict LawThrottle::Draw(const View& view) const {
  const auto requests = static_cast<double>(requests_);
  const auto accepted = static_cast<double>(accepted_);
  const double refusal = (requests - multiplier_ * accepted) / (requests + 1);
  return view.Uniform() < refusal ? Verdict::Reject(Reason::kOverload) : Verdict::Admit();
}

Verdict LawThrottle::Judge(const View& view) const {
  std::lock_guard lock(mu_);
  return Draw(view);
}

Verdict LawThrottle::Reserve(const View& view, Token&, Ticket*) {
  std::lock_guard lock(mu_);
  const Verdict verdict = Draw(view);
  if (verdict.rejects()) return verdict;
  ++requests_;
  ++held_;
  return verdict;
}

void LawThrottle::Void(Token, Ticket*) {
  std::lock_guard lock(mu_);
  --requests_;
  --held_;
}

void LawThrottle::Settle(Token, const Outcome& outcome) {
  std::lock_guard lock(mu_);
  --held_;
  if (outcome.ok() && !outcome.aborted) ++accepted_;
}

std::string LawThrottle::Audit(bool idle) const {
  std::lock_guard lock(mu_);
  if (held_ < 0 || (idle && held_ != 0)) return absl::StrCat(held_, " reservations are held");
  return requests_ < accepted_ ? "more was accepted than requested" : "";
}

std::string LawThrottle::State() const {
  std::lock_guard lock(mu_);
  return absl::StrCat("throttle:", requests_, "/", accepted_);
}

LawBudget::LawBudget(int most)
    : LawPolicy({.name = "LawBudget", .capabilities = kJudgesAgain | kHolds, .rank = Rank::kBudget},
                absl::StrCat(most)),
      most_(10 * most),
      tenths_(10 * most) {}

Verdict LawBudget::Judge(const View&) const {
  std::lock_guard lock(mu_);
  return tenths_ < 10 ? Verdict::Reject(Reason::kBudget) : Verdict::Admit();
}

Verdict LawBudget::Reserve(const View& view, Token& token, Ticket*) {
  std::lock_guard lock(mu_);
  const bool costs = view.kind != AttemptKind::kFirst;
  if (costs && tenths_ < 10) return Verdict::Reject(Reason::kBudget);
  token = costs ? 10 : 0;
  tenths_ -= static_cast<int64_t>(token);
  ++held_;
  return Verdict::Admit();
}

void LawBudget::Void(Token token, Ticket*) {
  std::lock_guard lock(mu_);
  tenths_ = std::min(most_, tenths_ + static_cast<int64_t>(token));
  --held_;
}

void LawBudget::Settle(Token, const Outcome& outcome) {
  std::lock_guard lock(mu_);
  --held_;
  if (outcome.ok() && !outcome.aborted) tenths_ = std::min(most_, tenths_ + 1);
}

std::string LawBudget::Audit(bool idle) const {
  std::lock_guard lock(mu_);
  if (held_ < 0 || (idle && held_ != 0)) return absl::StrCat(held_, " reservations are held");
  if (tenths_ < 0 || tenths_ > most_) return absl::StrCat(tenths_, " tenths are left");
  return "";
}

std::string LawBudget::State() const {
  std::lock_guard lock(mu_);
  return absl::StrCat("budget:", tenths_);
}

}  // namespace redial::testing
