#include "redial/policies/retry_budget.h"

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
#include "policies/overload.h"
#include "policies/refusal_news.h"
#include "policies/token_window.h"
#include "redial/policies/retry.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/striped.h"

namespace redial {
namespace {

constexpr std::string_view kName = "RetryBudget";
// Millionths: sums of tenths stay exact.
constexpr double kUnit = 1e6;
// Of tokens; their millionths fit with room for sums.
constexpr double kMost = 1e9;

constexpr int64_t kRecoveredRetries = 5;

int64_t Units(double tokens) { return std::llround(tokens * kUnit); }

// The options, in units.
struct Config {
  explicit Config(const RetryBudgetOptions& o)
      : options(o),
        per_success(Units(o.per_success)),
        retry_cost(Units(o.retry_cost)),
        overload_retry_cost(Units(o.overload_retry_cost)),
        failure_cost(Units(o.failure_cost)),
        max(Units(o.max_tokens)),
        kept_back(Units(o.kept_back)),
        allowance(
            o.min_retries_per_second > 0
                ? Units(o.min_retries_per_second * absl::ToDoubleSeconds(o.lifetime) * o.retry_cost)
                : 0),
        forgets(o.lifetime != absl::InfiniteDuration()) {}

  int64_t CostOf(const View& view) const {
    const Outcome* const last = view.last;
    const bool overloaded = last != nullptr && internal::AsksToBeSpared(*last);
    return overloaded ? overload_retry_cost : retry_cost;
  }
  int64_t Gain(Token paid) const {
    return options.refunds ? std::max(per_success, static_cast<int64_t>(paid)) : per_success;
  }
  // From so much on it is told to admit again, after it was told to refuse: some way above where it does,
  // or each retry would be told of.
  int64_t Recovered() const {
    const int64_t few = std::min((max - kept_back) / 2,
                                 kRecoveredRetries * std::max<int64_t>(retry_cost, Units(1)));
    return kept_back + std::max({few, retry_cost, overload_retry_cost});
  }
  bool Allows(int64_t balance, int64_t cost) const {
    return balance > kept_back && balance - cost >= kept_back;
  }

  RetryBudgetOptions options;
  int64_t per_success;
  int64_t retry_cost;
  int64_t overload_retry_cost;
  int64_t failure_cost;
  int64_t max;
  int64_t kept_back;
  int64_t allowance;
  bool forgets;
};

absl::Status Check(const RetryBudgetOptions& o) {
  const struct {
    std::string_view field;
    double value;
  } numbers[] = {
      {"per_success", o.per_success},
      {"retry_cost", o.retry_cost},
      {"overload_retry_cost", o.overload_retry_cost},
      {"failure_cost", o.failure_cost},
      {"max_tokens", o.max_tokens},
      {"initial_tokens", o.initial_tokens},
      {"kept_back", o.kept_back},
      {"min_retries_per_second", o.min_retries_per_second},
  };
  for (const auto& number : numbers) {
    if (absl::Status status =
            internal::CheckFromTo<double>(kName, number.field, number.value, 0, kMost);
        !status.ok()) {
      return status;
    }
  }
  if (o.lifetime <= absl::ZeroDuration()) {
    return internal::Invalid(kName, "lifetime", o.lifetime, "be positive");
  }
  if (o.min_retries_per_second > 0 && o.lifetime == absl::InfiniteDuration()) {
    return internal::Invalid(kName, "min_retries_per_second", o.min_retries_per_second,
                             "be 0 where lifetime is infinite");
  }
  const double dearest = std::max(o.retry_cost, o.overload_retry_cost) + o.kept_back;
  if (o.max_tokens < dearest) {
    return internal::Invalid(
        kName, "max_tokens", o.max_tokens,
        absl::StrCat("be at least ", dearest, ", or no retry could ever be paid"));
  }
  return absl::OkStatus();
}

// The balance is what the window holds and what successes have brought since it was last brought up
// to date: they add to stripes, and only a retry, a failure and the end of a slice take the lock.
//
// Safe between threads.
class Budget final : public RetryBudgetPolicy {
 public:
  explicit Budget(const RetryBudgetOptions& options)
      : RetryBudgetPolicy({.name = kName,
                           .capabilities = kJudgesAgain | kReserves | kReservesAgain | kSettles |
                                           kReconfigures | kCountsRefusals,
                           .rank = Rank::kBudget}),
        check_(Check(options)),
        config_(Config(check_.ok() ? options : RetryBudgetOptions())),
        window_(config_.current().options.lifetime),
        pending_start_(Units(config_.current().options.initial_tokens)) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return config_.word(); }
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  void Refused(const View& view) override;

  void Describe(Description& description) const override;
  RetryBudgetPolicy::Snapshot snapshot() const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;
  absl::Status Reconfigure(const RetryBudgetOptions& options) override;

 private:
  static Verdict Refuse() { return Verdict::Reject(Reason::kBudget); }

  int64_t Balance() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const Config& config = config_.current();
    return std::clamp<int64_t>(window_.sum() + config.allowance, 0, config.max);
  }
  [[gnu::cold, gnu::noinline]] void BeginSlice(const Outcome& outcome) {
    const internal::StdMutexLock lock(mu_);
    BringUpToDate(outcome.ended);
    TellIfRecovered(outcome.ended, outcome.notices);
  }
  // What successes brought comes into the window, which forgets what is too old.
  void BringUpToDate(Instant now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Change(int64_t by) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellIfRecovered(Instant now, Notices* notices) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (Balance() >= config_.current().Recovered()) news_.Admit(now, 0, notices);
  }

  const absl::Status check_;
  internal::Configuration<Config> config_;
  // Nothing that a success brings would fit: it needn't even write.
  mutable std::atomic<bool> full_{false};
  mutable internal::RefusalNews news_{kName};
  std::atomic<int64_t> admitted_{0};
  mutable std::atomic<int64_t> slice_end_{std::numeric_limits<int64_t>::min()};
  mutable internal::StripedCounter brought_;

  mutable internal::StdMutex mu_;
  mutable internal::TokenWindow window_ ABSL_GUARDED_BY(mu_);
  mutable int64_t pending_start_ ABSL_GUARDED_BY(mu_);
};

uint64_t Budget::Fingerprint() const {
  const RetryBudgetOptions& o = config_.current().options;
  return internal::ConfigHash(kName)
      .Add(o.per_success)
      .Add(o.retry_cost)
      .Add(o.overload_retry_cost)
      .Add(o.failure_cost)
      .Add(o.max_tokens)
      .Add(o.initial_tokens)
      .Add(o.kept_back)
      .Add(uint64_t{o.refunds})
      .Add(o.lifetime)
      .Add(o.min_retries_per_second)
      .hash();
}

void Budget::BringUpToDate(Instant now) const {
  // Whatever succeeded in a later slice than this one has brought it up to date first.
  const int64_t brought = brought_.Take() + std::exchange(pending_start_, 0);
  const int64_t room = config_.current().max - config_.current().allowance - window_.sum();
  if (brought > 0 && room > 0) window_.Add(std::min(brought, room));
  window_.Advance(now);
  slice_end_.store(window_.slice_end().nanos(), std::memory_order_relaxed);
  full_.store(!config_.current().forgets && brought >= room, std::memory_order_relaxed);
}

void Budget::Change(int64_t by) {
  const int64_t max = config_.current().max;
  const int64_t target = std::clamp<int64_t>(Balance() + by, 0, max);
  window_.Add(target - Balance());
  full_.store(false, std::memory_order_relaxed);
}

Verdict Budget::Judge(const View& view) const {
  const Config& config = config_.Of(view.config);
  const internal::StdMutexLock lock(mu_);
  BringUpToDate(view.now);
  if (!config.Allows(Balance(), config.CostOf(view))) return Refuse();
  TellIfRecovered(view.now, view.notices);
  return Verdict::Admit();
}

void Budget::Refused(const View& view) { news_.Refuse(view.now, view.notices); }

Verdict Budget::Reserve(const View& view, Token& token, Ticket*) {
  const Config& config = config_.Of(view.config);
  const int64_t cost = config.CostOf(view);
  const internal::StdMutexLock lock(mu_);
  BringUpToDate(view.now);
  if (!config.Allows(Balance(), cost)) return Refuse();
  Change(-cost);
  token = static_cast<Token>(cost) + 1;
  return Verdict::Admit();
}

void Budget::Void(Token token, Ticket*) {
  if (token == 0) return;
  const internal::StdMutexLock lock(mu_);
  Change(static_cast<int64_t>(token - 1));
}

void Budget::Settle(Token token, const Outcome& outcome) {
  if (token != 0) admitted_.fetch_add(1, std::memory_order_relaxed);  // counted once it is certain
  if (outcome.aborted) return;
  const Config& config = config_.Of(outcome.config);
  if (outcome.ok()) {
    if (full_.load(std::memory_order_relaxed)) {
      if (news_.ConcernsThese(outcome.notices)) BeginSlice(outcome);
      return;
    }
    if (outcome.ended.nanos() >= slice_end_.load(std::memory_order_relaxed)) BeginSlice(outcome);
    const int64_t brought = brought_.Add(config.Gain(token == 0 ? 0 : token - 1));
    // More than it can hold: time to see that it is full. Or perhaps that it has recovered.
    if (!config.forgets && brought >= config.max) BeginSlice(outcome);
    if (brought >= config.Recovered() && news_.ConcernsThese(outcome.notices)) {
      BeginSlice(outcome);
    }
  } else if (config.failure_cost > 0 && IsTransient(outcome)) {
    const internal::StdMutexLock lock(mu_);
    BringUpToDate(outcome.ended);
    Change(-config.failure_cost);
  }
}

void Budget::Describe(Description& description) const {
  const RetryBudgetOptions& o = config_.current().options;
  description.does.push_back(absl::StrCat(
      "takes ", o.retry_cost, " for each retry or hedge, and refuses it without",
      o.kept_back > 0 ? absl::StrCat(" or while no more than ", o.kept_back, " is left") : "",
      "; a success brings ", o.per_success, ", and it holds ", o.max_tokens, " at most"));
  description.shares = "its tokens";
  description.caps_retries = true;
  if (o.per_success == 0 && o.min_retries_per_second == 0) {
    description.warnings.push_back(
        absl::StrCat("RetryBudget.per_success is 0: it never fills, and once its first ",
                     o.initial_tokens, " tokens are spent there are no more retries."));
  } else if (o.retry_cost == 0 && o.failure_cost == 0) {
    description.warnings.emplace_back(
        "RetryBudget.retry_cost and failure_cost are 0: it never empties, and refuses nothing.");
  }
}

RetryBudgetPolicy::Snapshot Budget::snapshot() const {
  const internal::StdMutexLock lock(mu_);
  const Config& config = config_.current();
  const int64_t tokens = std::clamp<int64_t>(
      window_.sum() + brought_.Sum() + pending_start_ + config.allowance, 0, config.max);
  return {.tokens = static_cast<double>(tokens) / kUnit,
          .max_tokens = config.options.max_tokens,
          .admitted = admitted_.load(std::memory_order_relaxed)};
}

void Budget::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot s = snapshot();
  visit({.name = "tokens", .value = s.tokens});
  visit({.name = "max_tokens", .value = s.max_tokens});
  visit({.name = "admitted", .value = static_cast<double>(s.admitted), .counts_up = true});
}

absl::Status Budget::Reconfigure(const RetryBudgetOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  const internal::StdMutexLock lock(mu_);
  const int64_t saved = window_.sum() + brought_.Take() + pending_start_;
  config_.Replace(Config(options));
  window_ = internal::TokenWindow(options.lifetime);
  pending_start_ = std::clamp<int64_t>(saved, 0, config_.current().max);
  slice_end_.store(std::numeric_limits<int64_t>::min(), std::memory_order_relaxed);
  full_.store(false, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace

RetryBudgetOptions GrpcRetryThrottling(double max_tokens, double token_ratio) {
  return {.per_success = token_ratio,
          .retry_cost = 0,
          .overload_retry_cost = 0,
          .failure_cost = 1,
          .max_tokens = max_tokens,
          .initial_tokens = max_tokens,
          .kept_back = max_tokens / 2};
}

RetryBudgetOptions FinagleRetryBudget(absl::Duration ttl, double min_retries_per_second,
                                      double percent_can_retry) {
  return {.per_success = percent_can_retry,
          .max_tokens = kMost,
          .initial_tokens = 0,
          .lifetime = ttl,
          .min_retries_per_second = min_retries_per_second};
}

RetryBudgetOptions AwsRetryQuota() {
  return {.per_success = 1,
          .retry_cost = 14,
          .overload_retry_cost = 5,
          .max_tokens = 500,
          .initial_tokens = 500,
          .refunds = true};
}

std::shared_ptr<RetryBudgetPolicy> RetryBudget(RetryBudgetOptions options) {
  return std::make_shared<Budget>(options);
}

}  // namespace redial
