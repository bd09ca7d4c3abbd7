// Theory of operation. Permits are striped, with a gate that is open while nobody waits (see
// StripedPermits): then a permit is one atomic to take and one to give back. Above the stripes each
// thread may keep one in its hand for its next call (see PermitHands), which takes none. All the rest
// stands under a lock: the line, whether it is overloaded, and the debt, which is how many permits a
// lowered limit has yet to take back. Whatever changes one of these or gives a permit back ends with
// `Serve`, which pays the debt, hands free permits to those who wait, and sets the gate. So outside the
// lock nobody waits while a permit is free, but for one that was given back this moment, whose giver
// is on its way.
//
// Hands are closed where the gate is. Before anybody waits or is refused, and before a debt is paid, what
// lies in hands is recalled into the stripes. That interrupts all threads for a moment, so hands then stay
// closed for a while: where permits are short they help nobody.
#include "redial/policies/bulkhead.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "policies/bulkhead_config.h"
#include "policies/codel.h"
#include "policies/configuration.h"
#include "policies/wait_line.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/permit_hands.h"
#include "src/core/striped_permits.h"

namespace redial {
namespace {

using internal::BulkheadConfig;
using internal::PermitHands;
using internal::StdMutexLock;
using internal::WaitLine;
using Counts = BulkheadOptions::Counts;
using Order = BulkheadOptions::Order;
using State = Ticket::State;

// After a recall hands stay closed for so long. Then recalls, whose barrier interrupts all threads
// for less than a microsecond, are no more than a thousandth of the time.
constexpr int64_t kHandsRest = 10'000'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

class Compartment final : public BulkheadPolicy {
 public:
  explicit Compartment(const BulkheadOptions& options)
      : BulkheadPolicy({.name = internal::kBulkheadName,
                        .capabilities = CapabilitiesFor(options),
                        .rank = Rank::kBulkhead}),
        check_(internal::CheckBulkhead(options)),
        config_(BulkheadConfig(check_.ok() ? options : BulkheadOptions())),
        permits_(config_.current().options.max_concurrent),
        codel_(config_.current().codel) {
    const StdMutexLock lock(mu_);
    hands_.Open();
  }

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override { return config_.current().Fingerprint(); }
  std::string_view label() const override { return config_.current().options.label; }
  const ConfigWord* config_word() const override { return config_.word(); }
  // Not inlined, for the thread's own hand: see ThreadSlot.
  [[gnu::noinline]] Verdict Judge(const View& view) const override;
  [[gnu::noinline]] Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  [[gnu::noinline]] bool Take(const View& view, Token& token) override;
  void Void(Token token, Ticket* ticket) override;
  [[gnu::noinline]] void Settle(Token token, const Outcome& outcome) override;
  void Park(Ticket& ticket) override;
  void Leave(Ticket& ticket) override;
  void Refused(const View&) override { refused_.fetch_add(1, std::memory_order_relaxed); }

  BulkheadPolicy::Snapshot snapshot() const override;
  absl::Status Reconfigure(const BulkheadOptions& options) override;
  void Describe(Description& d) const override { config_.current().Describe(d); }
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

 private:
  static uint32_t CapabilitiesFor(const BulkheadOptions& options) {
    const uint32_t common = kJudgesFirst | kReserves | kTakes | kSettles | kQueues |
                            kLeavesLinesOnly | kReconfigures | kCountsRefusals;
    return common | (options.counts == Counts::kCalls ? kCountsCalls : kJudgesAgain);
  }
  // A token is the priority, for a place in line should it be voided.
  static Token TokenOf(int priority) { return static_cast<Token>(int64_t{priority}); }
  static int PriorityOf(Token token) { return static_cast<int>(static_cast<int64_t>(token)); }
  static Verdict Full() { return Verdict::Reject(Reason::kQueueFull); }
  static bool InLine(const Ticket* ticket) {
    return ticket != nullptr && WaitLine::InLine(*ticket);
  }

  bool TakeNear(const View& view);
  [[gnu::cold, gnu::noinline]] Verdict JudgeClosely(const View& view) const;
  [[gnu::cold, gnu::noinline]] Verdict ReserveClosely(const View& view, Ticket& ticket);
  [[gnu::cold, gnu::noinline]] void PassOn(const Outcome& outcome);
  [[gnu::cold, gnu::noinline]] void OpenHands();
  [[gnu::cold, gnu::noinline]] void BringRecalled();

  // From the stripes, or from hands if there are none. False only if at some moment all were out.
  bool TakeAny() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return permits_.TakeAny() || (RecallHands(latest_) && permits_.TakeAny());
  }
  // Whether `TakeAny` would.
  bool Any(Instant now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return permits_.Any() || hands_.Any() || (RecallHands(now) && permits_.Any());
  }
  [[gnu::cold, gnu::noinline]] bool RecallHands(Instant now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ServeFromOwnHand(Wakeups& wake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool NobodyIsAhead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return line_.waiting() == 0 && debt_ == 0;
  }
  bool Overloaded() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return line_.waiting() > 0 && codel_.overloaded();
  }
  Verdict Standing(const Ticket& ticket, const View& view, const BulkheadConfig& config) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StandInLine(Ticket& ticket, const View& view) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GiveBack(Ticket& ticket, int priority) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Serve(Wakeups& wake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ServeNext(Wakeups& wake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellOfOverload(Notices* notices) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Quiet() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return NobodyIsAhead() && told_overloaded_ == Overloaded();
  }
  void OpenIfQuiet() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (Quiet()) permits_.Open();
  }

  const absl::Status check_;
  internal::Configuration<BulkheadConfig> config_;
  // Mutable, since to judge may move free permits from hands into stripes.
  mutable internal::StripedPermits permits_;
  mutable PermitHands hands_;
  mutable std::atomic<int64_t> hands_open_at_{kNever};  // while they are closed
  std::atomic<int64_t> refused_{0};

  mutable internal::StdMutex mu_;
  WaitLine line_ ABSL_GUARDED_BY(mu_);
  internal::Codel codel_ ABSL_GUARDED_BY(mu_);
  int64_t debt_ ABSL_GUARDED_BY(mu_) = 0;
  // The latest that anybody has told of: who parks or leaves says no time.
  Instant latest_ ABSL_GUARDED_BY(mu_) = Instant::FromNanos(std::numeric_limits<int64_t>::min());
  bool told_overloaded_ ABSL_GUARDED_BY(mu_) = false;  // the latest that observers know
  int64_t waited_ ABSL_GUARDED_BY(mu_) = 0;
};

Verdict Compartment::Judge(const View& view) const {
  if (!InLine(view.ticket) && (hands_.MayTake() || permits_.MayTake())) [[likely]] {
    return Verdict::Admit();
  }
  return JudgeClosely(view);
}

Verdict Compartment::JudgeClosely(const View& view) const {
  const BulkheadConfig& config = config_.Of(view.config);
  const StdMutexLock lock(mu_);
  if (InLine(view.ticket)) {
    const Verdict verdict = Standing(*view.ticket, view, config);
    return verdict.rejects() ? verdict : Verdict::Admit();  // who waits asks `Reserve`
  }
  if (NobodyIsAhead() && Any(std::max(latest_, view.now))) return Verdict::Admit();
  const bool room = line_.size() < config.max_queue || line_.LowestBelow(view.priority) != nullptr;
  return room ? Verdict::Admit() : Full();
}

// How it stands with one that is in line.
Verdict Compartment::Standing(const Ticket& ticket, const View& view,
                              const BulkheadConfig& config) const {
  switch (ticket.state()) {
    case State::kRefused:
      return Verdict::Reject(WaitLine::RefusedFor(ticket));
    case State::kWaiting: {
      if (!config.bounds_waits()) return Verdict::Blocked(Reason::kQueued);
      const Instant end = Plus(WaitLine::WaitsSince(ticket), config.max_wait);
      return view.now >= end ? Verdict::Reject(Reason::kOverload)
                             : Verdict::BlockedUntil(end, Reason::kQueued);
    }
    default:
      return Verdict::Admit();
  }
}

Verdict Compartment::Reserve(const View& view, Token& token, Ticket* ticket) {
  token = TokenOf(view.priority);
  if (!InLine(ticket) && TakeNear(view)) [[likely]] {
    return Verdict::Admit();
  }
  return ReserveClosely(view, *ticket);
}

bool Compartment::Take(const View& view, Token& token) {
  token = TokenOf(view.priority);
  return TakeNear(view);
}

// The one in this thread's hand, or one of this processor's.
bool Compartment::TakeNear(const View& view) {
  const PermitHands::Answer in_hand = hands_.Take();
  if (in_hand == PermitHands::Answer::kYes) [[likely]] {
    return true;
  }
  if (in_hand == PermitHands::Answer::kRecalled) {
    BringRecalled();
    return false;
  }
  if (!permits_.TryTake()) return false;
  if (view.now.nanos() >= hands_open_at_.load(std::memory_order_relaxed)) OpenHands();
  return true;
}

// Whoever has the lock may be about to let somebody wait: the next call tries again.
void Compartment::OpenHands() {
  if (!mu_.try_lock()) return;
  if (Quiet()) {
    hands_.Open();
    hands_open_at_.store(kNever, std::memory_order_relaxed);
  }
  mu_.unlock();
}

// Returns whether they were open, so that it is worth to look into the stripes again: a permit may
// have gone from a hand into one of these meanwhile, too.
bool Compartment::RecallHands(Instant now) const {
  if (!hands_.open()) return false;
  permits_.Add(hands_.Recall());
  hands_open_at_.store(Plus(now, kHandsRest).nanos(), std::memory_order_relaxed);
  return true;
}

void Compartment::BringRecalled() {
  Wakeups wake;
  const StdMutexLock lock(mu_);
  ServeFromOwnHand(wake);
}

// What a recall has left there for this thread to bring.
void Compartment::ServeFromOwnHand(Wakeups& wake) {
  const int64_t own = hands_.TakeOwn();
  if (own == 0) return;
  permits_.Add(own);
  Serve(wake);
}

Verdict Compartment::ReserveClosely(const View& view, Ticket& ticket) {
  const BulkheadConfig& config = config_.Of(view.config);
  Wakeups wake;
  const StdMutexLock lock(mu_);
  latest_ = std::max(latest_, view.now);
  ServeFromOwnHand(wake);
  switch (ticket.state()) {
    case State::kOut: {
      if (NobodyIsAhead() && TakeAny()) return Verdict::Admit();
      if (line_.size() >= config.max_queue) {
        Ticket* const displaced = line_.LowestBelow(view.priority);
        if (displaced == nullptr) return Full();
        line_.Refuse(*displaced, Reason::kQueueFull, wake);
      }
      StandInLine(ticket, view);
      break;
    }
    case State::kParked:
      if (NobodyIsAhead() && TakeAny()) {
        line_.Grant(ticket);
        return Verdict::Admit();
      }
      StandInLine(ticket, view);
      break;
    default:
      break;
  }
  Serve(wake);
  TellOfOverload(view.notices);
  if (ticket.state() == State::kOffered) line_.Grant(ticket);
  return Standing(ticket, view, config);
}

void Compartment::StandInLine(Ticket& ticket, const View& view) {
  if (line_.waiting() == 0) codel_.Begin(latest_);
  if (!InLine(&ticket)) ++waited_;
  line_.Wait(ticket, view.priority, view.now);
}

void Compartment::Void(Token token, Ticket* ticket) {
  Wakeups wake;
  const StdMutexLock lock(mu_);
  if (ticket == nullptr) {
    permits_.Add(1);
  } else {
    GiveBack(*ticket, PriorityOf(token));
  }
  Serve(wake);
}

// Its permit goes to others; its owner is held up elsewhere, and keeps a place if there is one.
void Compartment::GiveBack(Ticket& ticket, int priority) {
  permits_.Add(1);
  if (line_.size() < config_.current().max_queue) {
    line_.Park(ticket, priority);
  } else {
    line_.Leave(ticket);
  }
}

void Compartment::Park(Ticket& ticket) {
  if (!InLine(&ticket)) return;
  Wakeups wake;
  const StdMutexLock lock(mu_);
  if (ticket.state() == State::kOffered) {
    GiveBack(ticket, 0);
  } else if (ticket.state() == State::kWaiting) {
    line_.Park(ticket, 0);
  }
  Serve(wake);
}

void Compartment::Leave(Ticket& ticket) {
  if (!InLine(&ticket)) return;
  Wakeups wake;
  const StdMutexLock lock(mu_);
  if (ticket.state() == State::kOffered) permits_.Add(1);
  line_.Leave(ticket);
  Serve(wake);
}

void Compartment::Settle(Token, const Outcome& outcome) {
  const PermitHands::Answer in_hand = hands_.Give();
  if (in_hand == PermitHands::Answer::kYes) [[likely]] {
    return;
  }
  if (in_hand == PermitHands::Answer::kRecalled || permits_.Give()) PassOn(outcome);
}

void Compartment::PassOn(const Outcome& outcome) {
  Wakeups wake;
  const StdMutexLock lock(mu_);
  latest_ = std::max(latest_, outcome.ended);
  ServeFromOwnHand(wake);
  Serve(wake);
  TellOfOverload(outcome.notices);
}

void Compartment::Serve(Wakeups& wake) {
  if (!NobodyIsAhead()) {  // before looking for permits
    RecallHands(latest_);
    permits_.Close();
  }
  if (debt_ > 0) debt_ -= permits_.TakeUpTo(debt_);
  while (line_.waiting() > 0 && permits_.TakeUpTo(1) == 1) ServeNext(wake);
  OpenIfQuiet();
}

// Hands over one permit. The longest wait tells of overload, also where the newest is served: its own
// wait would always look short.
void Compartment::ServeNext(Wakeups& wake) {
  while (Ticket* const longest = line_.LongestWaiting()) {
    const int64_t waited = NanosBetween(WaitLine::WaitsSince(*longest), latest_);
    if (codel_.Refuses(waited, latest_)) {
      line_.Refuse(*longest, Reason::kOverload, wake);
      continue;
    }
    const bool newest_first =
        codel_.overloaded() && config_.current().options.order == Order::kLifoUnderOverload;
    line_.Offer(*line_.Next(newest_first), wake);
    return;
  }
  permits_.Add(1);
}

// A change that came about where nobody could be told keeps the gate closed, so that the next call
// that ends comes by and tells it.
void Compartment::TellOfOverload(Notices* notices) {
  if (told_overloaded_ == Overloaded()) return;
  constexpr std::string_view kStates[] = {"flowing", "overloaded"};
  if (notices != nullptr) {
    notices->Add({.policy = name(),
                  .label = config_.current().options.label,
                  .from = kStates[told_overloaded_ ? 1 : 0],
                  .to = kStates[told_overloaded_ ? 0 : 1]});
  }
  told_overloaded_ = !told_overloaded_;
  OpenIfQuiet();
}

BulkheadPolicy::Snapshot Compartment::snapshot() const {
  const StdMutexLock lock(mu_);
  Snapshot s;
  s.max_concurrent = config_.current().options.max_concurrent;
  // What is given back while they are added up may be counted twice.
  const int64_t in_use = s.max_concurrent + debt_ - permits_.Free() - hands_.Held();
  s.in_use = static_cast<int>(std::max<int64_t>(in_use, 0));
  s.waiting = static_cast<int>(line_.waiting());
  s.overloaded = Overloaded();
  s.waited = waited_;
  s.refused = refused_.load(std::memory_order_relaxed);
  return s;
}

absl::Status Compartment::Reconfigure(const BulkheadOptions& options) {
  if (absl::Status status = internal::CheckBulkhead(options); !status.ok()) return status;
  Wakeups wake;
  const StdMutexLock lock(mu_);
  const BulkheadOptions& before = config_.current().options;
  if (options.counts != before.counts) {
    return absl::InvalidArgumentError("Bulkhead.counts can't be changed; make another bulkhead");
  }
  debt_ += before.max_concurrent - options.max_concurrent;
  config_.Replace(BulkheadConfig(options));
  codel_.Reconfigure(config_.current().codel, latest_);
  if (debt_ < 0) {
    permits_.Add(-debt_);
    debt_ = 0;
  }
  Serve(wake);
  return absl::OkStatus();
}

void Compartment::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot s = snapshot();
  visit({.name = "permits", .value = static_cast<double>(s.max_concurrent)});
  visit({.name = "permits_in_use", .value = static_cast<double>(s.in_use)});
  visit({.name = "waiting", .value = static_cast<double>(s.waiting)});
  visit({.name = "overloaded", .value = s.overloaded ? 1.0 : 0.0});
  visit({.name = "waited", .value = static_cast<double>(s.waited), .counts_up = true});
  visit({.name = "refused", .value = static_cast<double>(s.refused), .counts_up = true});
}

}  // namespace

std::shared_ptr<BulkheadPolicy> Bulkhead(const BulkheadOptions& options) {
  return std::make_shared<Compartment>(options);
}

}  // namespace redial
