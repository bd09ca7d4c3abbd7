#include "redial/policies/hedge.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "policies/configuration.h"
#include "policies/invalid.h"
#include "policies/latency_window.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/striped.h"

namespace redial {
namespace {

using internal::LatencyWindow;
using internal::RecentQuantile;

constexpr std::string_view kName = "Hedge";
// Of a hedge, in millionths: sums of small ratios stay exact.
constexpr int64_t kHedge = 1'000'000;
constexpr int kMostSaved = 1'000'000;
// A hedge's token; other attempts have none.
constexpr Token kHedgeToken = 1;
constexpr int64_t kUnknown = Proposal::kNone;

absl::Status CheckTime(std::string_view field, absl::Duration value) {
  if (value >= absl::ZeroDuration() && value < absl::InfiniteDuration()) return absl::OkStatus();
  return internal::Invalid(kName, field, value, "be finite and not negative");
}

absl::Status Check(const HedgeOptions& o) {
  const absl::Status checks[] = {
      CheckTime("delay", o.delay.value_or(absl::ZeroDuration())),
      internal::CheckFromTo<double>(kName, "quantile", o.quantile, 0, 1),
      internal::CheckFromTo<int>(kName, "min_samples", o.min_samples, 1,
                                 std::numeric_limits<int>::max()),
      o.window > absl::ZeroDuration() ? absl::OkStatus()
                                      : internal::Invalid(kName, "window", o.window, "be positive"),
      CheckTime("min_delay", o.min_delay),
      internal::CheckFromTo<int>(kName, "max_hedges", o.max_hedges, 1, 3),
      internal::CheckFromTo<double>(kName, "max_ratio", o.max_ratio, 0, 1),
      internal::CheckFromTo<int>(kName, "max_saved", o.max_saved, 1, kMostSaved),
  };
  for (const absl::Status& status : checks) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The options, with what is measured by them.
struct Config {
  // `before`: whose measurements go on, where they fit; may be null.
  Config(const HedgeOptions& o, const Config* before)
      : options(o),
        fixed_delay(o.delay ? ToNanos(*o.delay) : kUnknown),
        min_delay(ToNanos(o.min_delay)),
        max_saved(o.max_saved * kHedge),
        per_attempt(std::llround(o.max_ratio * kHedge)),
        window(before != nullptr && before->options.window == o.window &&
                       before->options.min_samples == o.min_samples
                   ? before->window
                   : std::make_shared<LatencyWindow>(
                         LatencyWindow::Options{.length = o.window, .min_samples = o.min_samples})),
        quantile(std::make_shared<RecentQuantile>(o.quantile)) {}

  int64_t Delay(Instant now) const {
    if (fixed_delay != kUnknown) return fixed_delay;
    const std::optional<int64_t> usual = quantile->Get(*window, now);
    return usual ? std::max(*usual, min_delay) : kUnknown;
  }

  HedgeOptions options;
  int64_t fixed_delay;
  int64_t min_delay;
  int64_t max_saved;
  int64_t per_attempt;
  std::shared_ptr<LatencyWindow> window;
  std::shared_ptr<RecentQuantile> quantile;
};

// Attempts that were no hedge leave a trace in `attempts_`, which a hedge turns into savings: so that
// only hedges take the lock, and what is above `max_saved` is forgotten. Once so much is saved, they
// leave none.
//
// An attempt that was given up for a hedge took longer than the delay; how long, nobody knows. It
// counts in the window as what it took until then. Left out, the slowest would be missing, the
// quantile would fall, and hedges would come ever earlier. The delay is that of its end: where it has risen
// meanwhile, one in between is left out, which errs towards later hedges.
//
// Safe between threads.
class Hedger final : public HedgePolicy {
 public:
  explicit Hedger(const HedgeOptions& options)
      : HedgePolicy({.name = kName,
                     .capabilities = kJudgesAgain | kReserves | kReservesAgain | kSettles |
                                     kProposes | kHedges | kReconfigures,
                     .rank = Rank::kBudget}),
        check_(Check(options)),
        config_(Config(check_.ok() ? options : HedgeOptions(), nullptr)) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return config_.word(); }
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  Proposal Propose(const View& view) const override;
  void Describe(Description& description) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

  HedgePolicy::Snapshot snapshot() const override;
  absl::Status Reconfigure(const HedgeOptions& options) override;

 private:
  static Verdict Refuse() { return Verdict::Reject(Reason::kBudget); }

  int64_t Saved(const Config& config) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::min(config.max_saved, saved_ + attempts_.Sum() * config.per_attempt);
  }
  // Turns what attempts have left into savings.
  void Save() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const Config& config = config_.current();
    saved_ = std::min(config.max_saved, saved_ + attempts_.Take() * config.per_attempt);
    full_.store(saved_ == config.max_saved, std::memory_order_relaxed);
  }
  [[gnu::cold, gnu::noinline]] void SaveUp() {
    const internal::StdMutexLock lock(mu_);
    Save();
  }

  const absl::Status check_;
  internal::Configuration<Config> config_;
  internal::StripedCounter attempts_;  // that ended since `saved_` was brought up to date
  std::atomic<bool> full_{false};      // nothing more can be saved

  mutable internal::StdMutex mu_;
  int64_t saved_ ABSL_GUARDED_BY(mu_) = kHedge;
  int64_t hedges_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t won_ ABSL_GUARDED_BY(mu_) = 0;
};

uint64_t Hedger::Fingerprint() const {
  const HedgeOptions& o = config_.current().options;
  return internal::ConfigHash(kName)
      .Add(o.delay.value_or(-absl::InfiniteDuration()))
      .Add(o.quantile)
      .Add(static_cast<uint64_t>(o.min_samples))
      .Add(o.window)
      .Add(o.min_delay)
      .Add(static_cast<uint64_t>(o.max_hedges))
      .Add(o.max_ratio)
      .Add(static_cast<uint64_t>(o.max_saved))
      .hash();
}

Verdict Hedger::Judge(const View& view) const {
  if (view.kind != AttemptKind::kHedge) return Verdict::Admit();
  const internal::StdMutexLock lock(mu_);
  return Saved(config_.current()) >= kHedge ? Verdict::Admit() : Refuse();
}

Verdict Hedger::Reserve(const View& view, Token& token, Ticket*) {
  if (view.kind != AttemptKind::kHedge) return Verdict::Admit();
  const internal::StdMutexLock lock(mu_);
  Save();
  if (saved_ < kHedge) return Refuse();
  saved_ -= kHedge;
  full_.store(false, std::memory_order_relaxed);
  token = kHedgeToken;
  return Verdict::Admit();
}

void Hedger::Void(Token token, Ticket*) {
  if (token != kHedgeToken) return;
  const internal::StdMutexLock lock(mu_);
  saved_ += kHedge;
}

void Hedger::Settle(Token token, const Outcome& outcome) {
  const Config& config = config_.Of(outcome.config);
  const int64_t took = NanosBetween(outcome.started, outcome.ended);
  if (token == kHedgeToken) {
    const bool won = !outcome.aborted && outcome.ok();
    if (won) config.window->Add(took, outcome.ended);
    const internal::StdMutexLock lock(mu_);
    ++hedges_;
    if (won) ++won_;
    return;
  }
  if (!full_.load(std::memory_order_relaxed)) {
    const int64_t left = attempts_.Add(1);
    if (left * config.per_attempt >= config.max_saved) SaveUp();
  }
  const bool overtaken = outcome.aborted && took >= config.Delay(outcome.ended);
  if (overtaken || (!outcome.aborted && outcome.ok())) config.window->Add(took, outcome.ended);
}

Proposal Hedger::Propose(const View& view) const {
  const Config& config = config_.Of(view.config);
  return {.hedge_after_nanos = config.Delay(view.now), .max_hedges = config.options.max_hedges};
}

void Hedger::Describe(Description& description) const {
  const HedgeOptions& o = config_.current().options;
  const std::string when =
      o.delay ? absl::StrCat("after ", absl::FormatDuration(*o.delay))
              : absl::StrCat("when it has taken longer than ", o.quantile * 100,
                             "% of the attempts of the last ", absl::FormatDuration(o.window),
                             " (at least ", absl::FormatDuration(o.min_delay), ", and not before ",
                             o.min_samples, " have succeeded)");
  description.does.push_back(absl::StrCat(
      "starts a second attempt beside one ", when, ", if the call is idempotent; at most ",
      o.max_hedges, " in a call, and in the long run one for each ",
      o.max_ratio > 0 ? absl::StrCat(std::ceil(1 / o.max_ratio)) : "0", " attempts"));
  description.shares = "what it measured and the hedges it saved up";
  description.max_hedges = o.max_hedges;
  description.hedge_after = o.delay.value_or(o.min_delay);
  if (o.max_ratio == 0) {
    description.warnings.emplace_back(
        "Hedge.max_ratio is 0: after the first hedge there is no other.");
  }
}

void Hedger::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const HedgePolicy::Snapshot now = snapshot();
  if (now.delay != absl::InfiniteDuration()) {
    visit({.name = "delay_seconds", .value = absl::ToDoubleSeconds(now.delay)});
  }
  visit({.name = "saved", .value = now.saved});
  visit({.name = "hedges", .value = static_cast<double>(now.hedges), .counts_up = true});
  visit({.name = "won", .value = static_cast<double>(now.won), .counts_up = true});
}

HedgePolicy::Snapshot Hedger::snapshot() const {
  const Config& config = config_.current();
  const int64_t delay =
      config.fixed_delay != kUnknown
          ? config.fixed_delay
          : std::max(config.quantile->latest().value_or(kUnknown), config.min_delay);
  const internal::StdMutexLock lock(mu_);
  return {.delay = delay == kUnknown ? absl::InfiniteDuration() : absl::Nanoseconds(delay),
          .saved = static_cast<double>(Saved(config)) / kHedge,
          .hedges = hedges_,
          .won = won_};
}

absl::Status Hedger::Reconfigure(const HedgeOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  const internal::StdMutexLock lock(mu_);
  const Config& before = config_.current();
  const int64_t unsaved = attempts_.Take() * before.per_attempt;
  config_.Replace(Config(options, &before));
  saved_ += unsaved;
  Save();
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<HedgePolicy> Hedge(HedgeOptions options) {
  return std::make_shared<Hedger>(options);
}

}  // namespace redial
