// Theory of operation. The state proper stands under a lock: closed, open until some instant, or half
// open with probes. What every call needs of it is published in one word, the gate: whether to admit, to
// look closer or to refuse, and the generation. Each change of state begins a new generation; the
// token of an attempt carries the one that it was admitted in, or the serial number of its probe.
//
// While it is closed, most results are successes, and these can't open it: each thread counts its
// own, without a lock, and they join the window when something comes that could. An exact order isn't
// lost by that, since nothing but successes came in between.
#include "redial/policies/circuit_breaker.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policies/breaker_config.h"
#include "policies/breaker_gauges.h"
#include "policies/breaker_window.h"
#include "policies/configuration.h"
#include "policies/probes.h"
#include "redial/time.h"
#include "src/core/mix.h"
#include "src/core/mutex.h"
#include "src/core/owned_counter.h"

namespace redial {
namespace {

using internal::BreakerConfig;
using internal::BreakerResult;
using internal::StdMutexLock;
using State = CircuitBreakerPolicy::State;

constexpr int64_t kEarliest = std::numeric_limits<int64_t>::min();

class Breaker final : public CircuitBreakerPolicy {
 public:
  explicit Breaker(const CircuitBreakerOptions& options)
      : CircuitBreakerPolicy({.name = internal::kBreakerName,
                              .capabilities = CapabilitiesFor(options),
                              .rank = Rank::kBreaker}),
        check_(internal::CheckBreaker(options)),
        config_(BreakerConfig(check_.ok() ? options : CircuitBreakerOptions())),
        tally_(config_.current().options.window),
        probed_(CountWindow(internal::Probes::kMost)) {
    const StdMutexLock lock(mu_);
    Publish();
  }

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override { return config_.current().Fingerprint(); }
  const ConfigWord* config_word() const override { return config_.word(); }
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  bool Take(const View& view, Token& token) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;

  std::string_view label() const override { return config_.current().options.label; }
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override {
    internal::VisitBreakerGauges(snapshot(), visit);
  }
  State state() const override { return state_.load(std::memory_order_acquire); }
  void Describe(Description& description) const override {
    config_.current().Describe(description);
  }
  CircuitBreakerPolicy::Snapshot snapshot() const override;
  void Force(Override what) override;
  void Reset() override;
  absl::Status Reconfigure(const CircuitBreakerOptions& options) override;

 private:
  // What the gate says, in its low bits. kTell: observers have something to hear first.
  enum Gate : uint64_t { kAdmit, kLook, kRefuse, kOff, kTell };
  static constexpr uint64_t kGateMask = 7;
  static constexpr int kGenerationShift = 3;
  // Of tokens: a probe's have the lowest bit. One that doesn't count is of a generation that never was.
  static constexpr Token kProbe = 1;
  static constexpr Token kUncounted = 0;

  static uint32_t CapabilitiesFor(const CircuitBreakerOptions& options) {
    const uint32_t common = kJudgesFirst | kReserves | kTakes | kSettles | kReconfigures;
    return common |
           (options.counts == CircuitBreakerOptions::Counts::kCalls ? kCountsCalls : kJudgesAgain);
  }
  static Verdict Refuse() { return Verdict::Reject(Reason::kBreakerOpen); }
  static Verdict RefuseUntil(int64_t nanos) {
    return Verdict::RejectUntil(Instant::FromNanos(nanos), Reason::kBreakerOpen);
  }

  [[gnu::cold]] Verdict JudgeClosely(const View& view) const;
  [[gnu::cold]] Verdict ReserveProbe(const View& view, Token& token);
  Verdict Admission(Instant now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Verdict AdmissionByState(Instant now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // By itself, for the thread's own counter (see ThreadSlot): a user's predicate comes before it.
  [[gnu::noinline]] void CountSuccess() { successes_.Add(1); }
  [[gnu::cold, gnu::noinline]] void SettleClosely(uint64_t generation, BreakerResult result,
                                                  const Outcome& outcome);
  [[gnu::cold, gnu::noinline]] void SettleProbe(uint64_t serial, const Outcome& outcome);
  [[gnu::cold, gnu::noinline]] void BeginSlice(Instant now);
  void Gather(Instant now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Trips(bool completes_minimum, BreakerResult result) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Open(const Outcome& outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Close() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MoveTo(State next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PublishPace() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Deadline NextAdmission() const {
    return Deadline::AfterNanos(Instant::FromNanos(open_until_.load(std::memory_order_relaxed)), 0);
  }
  std::string_view Shown() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return internal::BreakerShownName(state(), forced_);
  }
  void TellOfChange(Instant now, Notices* notices) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const absl::Status check_;
  internal::Configuration<BreakerConfig> config_;

  // Published. The gate is stored after what belongs to it, with release; whoever sees an old one acts
  // as if it had come a moment earlier.
  mutable std::atomic<uint64_t> gate_{0};
  std::atomic<State> state_{State::kClosed};
  std::atomic<int64_t> open_until_{kEarliest};
  // No success can open it, nor ends the slice before `slice_end_`.
  std::atomic<bool> quiet_{true};
  std::atomic<int64_t> slice_end_{kEarliest};
  internal::OwnedCounter successes_;

  mutable internal::StdMutex mu_;
  Override forced_ ABSL_GUARDED_BY(mu_) = Override::kNone;
  // The latest that observers know.
  mutable std::string_view told_ ABSL_GUARDED_BY(mu_) = BreakerStateName(State::kClosed);
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 1;
  internal::BreakerTally tally_ ABSL_GUARDED_BY(mu_);
  int in_a_row_ ABSL_GUARDED_BY(mu_) = 0;
  internal::Probes probes_ ABSL_GUARDED_BY(mu_);
  internal::BreakerTally probed_ ABSL_GUARDED_BY(mu_);
  int failed_probings_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t opened_ ABSL_GUARDED_BY(mu_) = 0;
};

Verdict Breaker::Judge(const View& view) const {
  const uint64_t gate = gate_.load(std::memory_order_acquire) & kGateMask;
  if (gate == kAdmit || gate == kOff) [[likely]] {
    return Verdict::Admit();
  }
  if (gate == kRefuse) return Refuse();
  const int64_t until = open_until_.load(std::memory_order_relaxed);
  return gate == kLook && view.now.nanos() < until ? RefuseUntil(until) : JudgeClosely(view);
}

Verdict Breaker::JudgeClosely(const View& view) const {
  const StdMutexLock lock(mu_);
  TellOfChange(view.now, view.notices);
  return Admission(view.now);
}

Verdict Breaker::Admission(Instant now) const {
  if (forced_ == Override::kNone) return AdmissionByState(now);
  return forced_ == Override::kForcedOpen ? Refuse() : Verdict::Admit();
}

Verdict Breaker::AdmissionByState(Instant now) const {
  switch (state()) {
    case State::kClosed:
      break;
    case State::kOpen: {
      const int64_t until = open_until_.load(std::memory_order_relaxed);
      if (now.nanos() < until) return RefuseUntil(until);
      break;
    }
    case State::kHalfOpen:
      if (probed_.results() + probes_.Out(now) >= config_.current().options.probes) return Refuse();
      break;
  }
  return Verdict::Admit();
}

Verdict Breaker::Reserve(const View& view, Token& token, Ticket*) {
  const uint64_t gate = gate_.load(std::memory_order_acquire);
  switch (gate & kGateMask) {
    case kAdmit:
      token = gate >> kGenerationShift << 1;
      return Verdict::Admit();
    case kOff:
      token = kUncounted;
      return Verdict::Admit();
    case kRefuse:
      return Refuse();
    default:
      return ReserveProbe(view, token);
  }
}

bool Breaker::Take(const View&, Token& token) {
  const uint64_t gate = gate_.load(std::memory_order_acquire);
  token = gate >> kGenerationShift << 1;
  return (gate & kGateMask) == kAdmit;
}

Verdict Breaker::ReserveProbe(const View& view, Token& token) {
  const StdMutexLock lock(mu_);
  TellOfChange(view.now, view.notices);
  const Verdict verdict = Admission(view.now);
  if (!verdict.admits(view.now)) return verdict;
  if (forced_ == Override::kDisabled) {
    token = kUncounted;
    return verdict;
  }
  if (state() == State::kClosed || forced_ == Override::kForcedClosed) {
    token = generation_ << 1;
    return verdict;
  }
  if (state() == State::kOpen) {
    MoveTo(State::kHalfOpen);
    TellOfChange(view.now, view.notices);
  }
  const Deadline lease = Deadline::After(view.now, config_.current().options.probe_lease);
  token = probes_.Take(view.now, lease) << 1 | kProbe;
  return verdict;
}

void Breaker::Void(Token token, Ticket*) {
  if ((token & kProbe) == 0) return;
  const StdMutexLock lock(mu_);
  probes_.Return(token >> 1);
}

void Breaker::Settle(Token token, const Outcome& outcome) {
  if ((token & kProbe) != 0) {
    SettleProbe(token >> 1, outcome);
    return;
  }
  const uint64_t gate = gate_.load(std::memory_order_acquire);
  const uint64_t generation = token >> 1;
  if (generation != gate >> kGenerationShift || (gate & kGateMask) == kOff) return;
  const BreakerConfig& config = config_.Of(outcome.config);
  BreakerResult result;
  if (!config.Counts(outcome, result)) return;
  if (result.failed || result.slow || !quiet_.load(std::memory_order_relaxed) ||
      (gate & kGateMask) == kTell) {
    SettleClosely(generation, result, outcome);
    return;
  }
  if (outcome.ended.nanos() >= slice_end_.load(std::memory_order_relaxed)) {
    BeginSlice(outcome.ended);
    return;
  }
  // The state may change right now: then this success is one of the new generation's. It can't be
  // told from one that was a moment later, and proves the same.
  CountSuccess();
}

// With a success that comes after the end of the last one.
void Breaker::BeginSlice(Instant now) {
  {
    const StdMutexLock lock(mu_);
    Gather(now);
    PublishPace();
  }
  CountSuccess();
}

// What threads have counted joins the window, and belongs to the slice that ends.
void Breaker::Gather(Instant now) {
  const int64_t successes = successes_.Take();
  if (successes > 0) in_a_row_ = 0;
  tally_.AddSuccesses(successes);
  tally_.Advance(now);
}

void Breaker::SettleClosely(uint64_t generation, BreakerResult result, const Outcome& outcome) {
  const StdMutexLock lock(mu_);
  if (generation != generation_ || state() != State::kClosed) return;
  if (forced_ == Override::kDisabled) return;
  Gather(outcome.ended);
  const int64_t before = tally_.results();
  tally_.Add(result);
  in_a_row_ = result.failed ? in_a_row_ + 1 : 0;
  const int minimum = config_.current().options.minimum_throughput;
  if (Trips(before < minimum && tally_.results() >= minimum, result)) {
    Open(outcome);
    TellOfChange(outcome.ended, outcome.notices);
  }
  PublishPace();
}

bool Breaker::Trips(bool completes_minimum, BreakerResult result) const {
  if (forced_ != Override::kNone) return false;
  const CircuitBreakerOptions& o = config_.current().options;
  if (o.consecutive_failures > 0 && in_a_row_ >= o.consecutive_failures) return true;
  if (!result.failed && !result.slow && !completes_minimum) return false;
  if (tally_.results() < o.minimum_throughput) return false;
  return tally_.FailuresReach(o.failure_ratio) || tally_.SlowReach(o.slow_ratio);
}

void Breaker::SettleProbe(uint64_t serial, const Outcome& outcome) {
  const BreakerConfig& config = config_.Of(outcome.config);
  BreakerResult result;
  const bool counts = config.Counts(outcome, result);
  const StdMutexLock lock(mu_);
  if (!probes_.Return(serial) || !counts) return;
  probed_.Add(result);
  const CircuitBreakerOptions& o = config_.current().options;
  if (probed_.results() < o.probes) return;
  if (probed_.FailuresReach(o.failure_ratio) || probed_.SlowReach(o.slow_ratio)) {
    ++failed_probings_;
    Open(outcome);
  } else {
    Close();
  }
  TellOfChange(outcome.ended, outcome.notices);
}

void Breaker::Open(const Outcome& outcome) {
  ++opened_;
  View turn;  // as if for the pause after so many attempts
  turn.attempts = failed_probings_ + 1;
  turn.seed = outcome.seed;
  turn.identity = internal::Mix64(generation_);
  const int64_t time = config_.current().options.open_time.DelayNanos(turn);
  open_until_.store(Plus(outcome.ended, time).nanos(), std::memory_order_relaxed);
  MoveTo(State::kOpen);
}

void Breaker::Close() {
  failed_probings_ = 0;
  MoveTo(State::kClosed);
}

void Breaker::MoveTo(State next) {
  ++generation_;
  state_.store(next, std::memory_order_release);
  if (next != State::kOpen) open_until_.store(kEarliest, std::memory_order_relaxed);
  successes_.Take();
  tally_.Clear();
  probed_.Clear();
  probes_.Clear();
  in_a_row_ = 0;
  Publish();
  PublishPace();
}

// A change by hand comes about where nobody can be told, and keeps the gate from the short ways until
// the next call comes by and tells it.
void Breaker::TellOfChange(Instant now, Notices* notices) const {
  const std::string_view shown = Shown();
  if (told_ == shown) return;
  if (notices != nullptr) {
    const bool holds = shown == BreakerStateName(State::kOpen) && !NextAdmission().expired(now);
    notices->Add({.policy = name(),
                  .label = config_.current().options.label,
                  .from = told_,
                  .to = shown,
                  .until = holds ? NextAdmission() : Deadline::Never()});
  }
  told_ = shown;
  Publish();
}

void Breaker::Publish() const {
  Gate gate = state() == State::kClosed ? kAdmit : kLook;
  if (forced_ == Override::kForcedOpen) gate = kRefuse;
  if (forced_ == Override::kForcedClosed) gate = kAdmit;
  if (forced_ == Override::kDisabled) gate = kOff;
  if (told_ != Shown()) gate = kTell;
  gate_.store(generation_ << kGenerationShift | gate, std::memory_order_release);
}

void Breaker::PublishPace() {
  const bool all_well = tally_.failures() == 0 && tally_.slow() == 0;
  quiet_.store(all_well || tally_.results() >= config_.current().options.minimum_throughput,
               std::memory_order_relaxed);
  slice_end_.store(tally_.slice_end().nanos(), std::memory_order_relaxed);
}

CircuitBreakerPolicy::Snapshot Breaker::snapshot() const {
  const StdMutexLock lock(mu_);
  Snapshot s;
  internal::BreakerTally tally = tally_;
  tally.AddSuccesses(successes_.Sum());
  s.state = state();
  s.forced = forced_;
  s.results = tally.results();
  s.failures = tally.failures();
  s.slow = tally.slow();
  s.failure_ratio = tally.failure_ratio();
  s.consecutive_failures = successes_.Sum() > 0 ? 0 : in_a_row_;
  s.probes_out = probes_.Out(Instant::FromNanos(kEarliest));
  s.failed_probings = failed_probings_;
  s.opened = opened_;
  if (s.state == State::kOpen) {
    s.next_admission = Instant::FromNanos(open_until_.load(std::memory_order_relaxed));
  }
  return s;
}

void Breaker::Force(Override what) {
  const StdMutexLock lock(mu_);
  forced_ = what;
  Publish();
}

void Breaker::Reset() {
  const StdMutexLock lock(mu_);
  Close();
}

absl::Status Breaker::Reconfigure(const CircuitBreakerOptions& options) {
  if (absl::Status status = internal::CheckBreaker(options); !status.ok()) return status;
  const StdMutexLock lock(mu_);
  const BreakerConfig& before = config_.current();
  if (options.counts != before.options.counts) {
    return absl::InvalidArgumentError(
        "CircuitBreaker.counts can't be changed; make another breaker");
  }
  tally_.AddSuccesses(successes_.Take());
  tally_.ChangeTo(options.window);
  config_.Replace(BreakerConfig(options));
  PublishPace();
  return absl::OkStatus();
}

}  // namespace

BreakerWindow CountWindow(int count) {
  return {.kind = BreakerWindow::Kind::kCount, .count = count};
}
BreakerWindow TimeWindow(absl::Duration length) {
  return {.kind = BreakerWindow::Kind::kTime, .length = length};
}
BreakerWindow MovingAverage(int count) {
  return {.kind = BreakerWindow::Kind::kMovingAverage, .count = count};
}

std::shared_ptr<CircuitBreakerPolicy> CircuitBreaker(const CircuitBreakerOptions& options) {
  return std::make_shared<Breaker>(options);
}

}  // namespace redial
