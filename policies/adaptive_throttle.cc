// Theory of operation. The probability is above zero only when more was denied than `multiplier - 1`
// times what was accepted, so accepted attempts can only lower it: each thread counts its own, without
// a lock, and they join the window when something comes that could raise it. As long as even without
// them nothing would be refused, `calm_until_` is the end of the slice, and nobody looks closer before
// that. (Then the oldest is forgotten, which may be what was accepted.)
#include "redial/policies/adaptive_throttle.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "policies/accept_window.h"
#include "policies/config_hash.h"
#include "policies/configuration.h"
#include "policies/invalid.h"
#include "policies/overload.h"
#include "policies/refusal_news.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/owned_counter.h"

namespace redial {
namespace {

using internal::AcceptWindow;
using internal::RefusalNews;
using internal::StdMutexLock;

constexpr std::string_view kName = "AdaptiveThrottle";
constexpr int64_t kEarliest = std::numeric_limits<int64_t>::min();

absl::Status Check(const AdaptiveThrottleOptions& o) {
  for (const absl::Status& status :
       {internal::CheckFromTo<double>(kName, "multiplier", o.multiplier, 1, 1000),
        internal::CheckFromTo<double>(kName, "padding", o.padding, 0, 1e9)}) {
    if (!status.ok()) return status;
  }
  if (o.window < absl::Milliseconds(1) || o.window > absl::Hours(24)) {
    return internal::Invalid(kName, "window", o.window, "be from 1ms to 24h");
  }
  if (!(o.max_refusal > 0 && o.max_refusal < 1)) {
    return internal::Invalid(kName, "max_refusal", o.max_refusal, "be above 0 and below 1");
  }
  return absl::OkStatus();
}

double Probability(const AdaptiveThrottleOptions& o, AcceptWindow::Count count) {
  const auto accepts = static_cast<double>(count.accepted);
  const double requests = accepts + static_cast<double>(count.denied);
  const double excess = requests - o.multiplier * accepts;
  return excess <= 0 ? 0 : std::min(o.max_refusal, excess / (requests + o.padding));
}

enum class Kind : uint8_t { kNothing, kAccepted, kDenied };

// May run a user's predicate: never under the lock.
Kind KindOf(const AdaptiveThrottleOptions& o, const Outcome& outcome) {
  if (outcome.aborted) return Kind::kNothing;
  bool denied = false;
  if (o.overload_on) {
    denied = o.overload_on(outcome);
  } else if (outcome.code != absl::StatusCode::kOk) {
    if (internal::IsOfThisHost(outcome.error)) return Kind::kNothing;
    denied =
        internal::AsksToBeSpared(outcome) || outcome.code == absl::StatusCode::kDeadlineExceeded;
  }
  if (denied) return Kind::kDenied;
  return outcome.ok() || outcome.sent != Sent::kNo ? Kind::kAccepted : Kind::kNothing;
}

// Safe between threads.
class Throttle final : public AdaptiveThrottlePolicy {
 public:
  explicit Throttle(const AdaptiveThrottleOptions& options)
      : AdaptiveThrottlePolicy({.name = kName,
                                .capabilities = kJudgesFirst | kJudgesAgain | kSettles |
                                                kReconfigures | kCountsRefusals,
                                .rank = Rank::kThrottle}),
        check_(Check(options)),
        config_(check_.ok() ? options : AdaptiveThrottleOptions()),
        window_(config_.current().window) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return config_.word(); }
  Verdict Judge(const View& view) const override;
  void Settle(Token token, const Outcome& outcome) override;
  void Refused(const View& view) override;
  void Describe(Description& description) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

  AdaptiveThrottlePolicy::Snapshot snapshot() const override;
  absl::Status Reconfigure(const AdaptiveThrottleOptions& options) override;

 private:
  // What is calm by the current configuration may not be by the one that a call began with.
  bool IsCurrent(const void* config) const {
    return config == nullptr || config == &config_.current();
  }
  [[gnu::cold]] Verdict JudgeClosely(const View& view) const;
  // By itself, for the thread's own counter (see ThreadSlot): a user's predicate comes before it.
  [[gnu::noinline]] void CountAccepted() { accepted_.Add(1); }
  [[gnu::cold]] void Count(Instant sent, Instant now, AcceptWindow::Count count);
  // Brings in what was accepted, and forgets what is too old.
  void BringUpToDate(Instant now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellIfOver(const View& view) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const absl::Status check_;
  internal::Configuration<AdaptiveThrottleOptions> config_;

  // Published from under the lock. Whoever sees old ones acts as if he had come a moment earlier.
  mutable std::atomic<int64_t> calm_until_{kEarliest};
  mutable std::atomic<int64_t> slice_begin_{std::numeric_limits<int64_t>::max()};
  mutable std::atomic<int64_t> slice_end_{kEarliest};
  mutable internal::OwnedCounter accepted_;  // since then, and sent in this slice

  mutable internal::StdMutex mu_;
  mutable AcceptWindow window_ ABSL_GUARDED_BY(mu_);
  int64_t refused_ ABSL_GUARDED_BY(mu_) = 0;
  mutable RefusalNews news_{kName, "calm", "throttling"};
};

uint64_t Throttle::Fingerprint() const {
  const AdaptiveThrottleOptions& o = config_.current();
  return internal::ConfigHash(kName)
      .Add(o.multiplier)
      .Add(o.padding)
      .Add(o.window)
      .Add(o.max_refusal)
      .hash();
}

Verdict Throttle::Judge(const View& view) const {
  if (view.now.nanos() < calm_until_.load(std::memory_order_relaxed) && IsCurrent(view.config) &&
      !news_.ConcernsThese(view.notices)) [[likely]] {
    return Verdict::Admit();
  }
  return JudgeClosely(view);
}

Verdict Throttle::JudgeClosely(const View& view) const {
  const AdaptiveThrottleOptions& options = config_.Of(view.config);
  double probability = 0;
  {
    const StdMutexLock lock(mu_);
    BringUpToDate(view.now);
    probability = Probability(options, window_.sum());
    TellIfOver(view);
  }
  return view.Uniform() < probability ? Verdict::Reject(Reason::kOverload) : Verdict::Admit();
}

void Throttle::Settle(Token, const Outcome& outcome) {
  const Kind kind = KindOf(config_.Of(outcome.config), outcome);
  if (kind == Kind::kNothing) return;
  if (kind == Kind::kDenied) {
    Count(outcome.started, outcome.ended, {.denied = 1});
  } else if (outcome.started.nanos() < slice_begin_.load(std::memory_order_relaxed) ||
             outcome.ended.nanos() >= slice_end_.load(std::memory_order_relaxed)) {
    Count(outcome.started, outcome.ended, {.accepted = 1});
  } else {
    // The slice may end right now: then this counts in the next one. None is lost.
    CountAccepted();
  }
}

void Throttle::Refused(const View& view) {
  const StdMutexLock lock(mu_);
  BringUpToDate(view.now);
  window_.Add(view.now, {.denied = 1});
  ++refused_;
  news_.Refuse(view.now, view.notices);
  Publish();
}

// By what holds for calls that begin now. That it would refuse nothing isn't enough: what it refuses
// hovers about that point.
void Throttle::TellIfOver(const View& view) const {
  const AdaptiveThrottleOptions& options = config_.current();
  if (Probability(options, window_.sum()) > 0) return;
  news_.Admit(view.now, ToNanos(options.window), view.notices);
}

void Throttle::Count(Instant sent, Instant now, AcceptWindow::Count count) {
  const StdMutexLock lock(mu_);
  BringUpToDate(now);
  window_.Add(sent, count);
  Publish();
}

void Throttle::BringUpToDate(Instant now) const {
  const int64_t begin = window_.slice_begin();
  window_.Add(Instant::FromNanos(begin), {.accepted = accepted_.Take()});
  window_.Advance(now);
  Publish();
}

void Throttle::Publish() const {
  const bool calm = Probability(config_.current(), window_.sum()) == 0;
  slice_begin_.store(window_.slice_begin(), std::memory_order_relaxed);
  slice_end_.store(window_.slice_end(), std::memory_order_relaxed);
  calm_until_.store(calm ? window_.slice_end() : kEarliest, std::memory_order_relaxed);
}

AdaptiveThrottlePolicy::Snapshot Throttle::snapshot() const {
  const StdMutexLock lock(mu_);
  AcceptWindow::Count count = window_.sum();
  count.accepted += accepted_.Sum();
  return {.requests = count.accepted + count.denied,
          .accepts = count.accepted,
          .refusal_probability = Probability(config_.current(), count),
          .refused = refused_};
}

absl::Status Throttle::Reconfigure(const AdaptiveThrottleOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  const StdMutexLock lock(mu_);
  if (options.window != config_.current().window) {
    const AcceptWindow::Count count = window_.sum();
    const Instant latest = window_.latest();
    window_ = AcceptWindow(options.window);
    if (latest.nanos() != kEarliest) window_.Advance(latest);
    window_.Add(latest, count);
  }
  config_.Replace(options);
  Publish();
  return absl::OkStatus();
}

void Throttle::Describe(Description& description) const {
  const AdaptiveThrottleOptions& o = config_.current();
  description.does.push_back(absl::StrCat("refuses attempts by lot, at most ", 100 * o.max_refusal,
                                          "% of them, when more than ", o.multiplier,
                                          " are sent for each that the server accepts, over ",
                                          absl::FormatDuration(o.window)));
  description.shares = "its count of what the server accepts";
}

void Throttle::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot now = snapshot();
  visit({.name = "window_requests", .value = static_cast<double>(now.requests)});
  visit({.name = "window_accepts", .value = static_cast<double>(now.accepts)});
  visit({.name = "refusal_probability", .value = now.refusal_probability});
  visit({.name = "refused", .value = static_cast<double>(now.refused), .counts_up = true});
}

}  // namespace

std::shared_ptr<AdaptiveThrottlePolicy> AdaptiveThrottle(const AdaptiveThrottleOptions& options) {
  return std::make_shared<Throttle>(options);
}

}  // namespace redial
