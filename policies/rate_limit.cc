// Theory of operation. All that decides is one word: the instant at which the next attempt is
// due if they came evenly (see Pace). Whoever takes a turn moves it on by a period, with a
// compare-and-swap, and knows from the old value when his turn is; so turns are handed out in one
// order, each once, and a turn that was handed out never moves. Of any n turns in a row the last is
// at least n - burst periods after the first, which is the limit.
//
// A turn is given back by moving the word back, and only by the one who took the latest: then all is as
// if it had never been taken, and what holds for turns that were all kept holds still. It is the
// latest exactly if the word is what it was moved on to, since the word falls below that only when
// that turn itself is given back.
//
// With another configuration a period is something else. So a call keeps to the one it began with, for
// otherwise its turn would move, and only a turn of the configuration that holds is given back:
// `Reconfigure` moves the word on by more than a tick, which makes every earlier turn not the latest.
#include "redial/policies/rate_limit.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "policies/configuration.h"
#include "policies/invalid.h"
#include "policies/pace.h"
#include "policies/refusal_news.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr std::string_view kName = "RateLimit";
// Sums of a few of them and an instant fit into `int64_t`.
constexpr absl::Duration kLongest = absl::Hours(24 * 366);
// Far longer than a tick, by which turns of different configurations may be off.
constexpr int64_t kShortestPeriod = 10;
constexpr int64_t kShortestRest = 1'000'000'000;

// The options, in nanoseconds.
struct Config {
  explicit Config(const RateLimitOptions& o)
      : options(o),
        pace(o.rate, ToNanos(o.per), o.burst),
        max_wait(ToNanos(std::min(o.max_wait, kLongest))),
        rest(std::max(kShortestRest, ToNanos(o.per) / o.rate * o.burst)) {}

  RateLimitOptions options;
  internal::Pace pace;
  int64_t max_wait;
  int64_t rest;  // after so long without a refusal, observers hear that it is over
};

absl::Status CheckCount(std::string_view field, int64_t value) {
  if (value >= 1) return absl::OkStatus();
  return internal::Invalid(kName, field, internal::ToStd(absl::StrCat(value)), "be at least 1");
}

absl::Status Check(const RateLimitOptions& o) {
  if (absl::Status status = CheckCount("rate", o.rate); !status.ok()) return status;
  if (o.per < absl::Nanoseconds(kShortestPeriod) || o.per > kLongest) {
    return internal::Invalid(kName, "per", o.per, "be from 10ns to 8784h");
  }
  if (const int64_t most = ToNanos(o.per) / kShortestPeriod; o.rate > most) {
    return internal::Invalid(kName, "rate", internal::ToStd(absl::StrCat(o.rate)),
                             internal::ToStd(absl::StrCat("be at most ", most, ", one in 10ns")));
  }
  if (absl::Status status = CheckCount("burst", o.burst); !status.ok()) return status;
  const int64_t most = ToNanos(kLongest) / (ToNanos(o.per) / o.rate);
  if (o.burst > most) {
    return internal::Invalid(
        kName, "burst", internal::ToStd(absl::StrCat(o.burst)),
        internal::ToStd(absl::StrCat("be at most ", most, ", what 8784h bring at this rate")));
  }
  if (o.max_wait < absl::ZeroDuration()) {
    return internal::Invalid(kName, "max_wait", o.max_wait, "not be negative");
  }
  return absl::OkStatus();
}

RateLimitOptions Any() { return {.rate = 1}; }

// A ticket's note is the turn of one that waits: what was due after it. Negative: of a configuration
// that no longer held, so that it is never given back.
//
// Safe between threads.
class Limit final : public RateLimitPolicy {
 public:
  explicit Limit(const RateLimitOptions& options)
      : RateLimitPolicy(
            {.name = kName, .capabilities = CapabilitiesFor(options), .rank = Rank::kRateLimit}),
        check_(Check(options)),
        config_(Config(check_.ok() ? options : Any())) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return config_.word(); }
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  bool Take(const View& view, Token& token) override;
  void Void(Token token, Ticket* ticket) override;
  void Leave(Ticket& ticket) override;
  void Refused(const View& view) override;
  void Describe(Description& description) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

  RateLimitPolicy::Snapshot snapshot() const override;
  absl::Status Reconfigure(const RateLimitOptions& options) override;

 private:
  // A token is the turn, and whether it was taken only now. Nothing is undone for this one.
  static constexpr Token kKept = 0;
  static constexpr Token kFresh = 1;

  static uint32_t CapabilitiesFor(const RateLimitOptions& options) {
    const uint32_t common = kJudgesFirst | kReserves | kTakes | kQueues | kLeavesLinesOnly |
                            kReconfigures | kCountsRefusals;
    return common |
           (options.counts == RateLimitOptions::Counts::kCalls ? kCountsCalls : kJudgesAgain);
  }
  static Token TokenOf(int64_t next) { return static_cast<Token>(next) << 1; }
  static int64_t TurnOf(Token token) { return static_cast<int64_t>(token >> 1); }
  static Verdict NotBefore(int64_t start) {
    return Verdict::NotBefore(Instant::FromNanos(start), Reason::kRateLimited);
  }
  // Whether a call may wait until `start` at all.
  static Verdict Patience(const Config& config, const View& view, int64_t start);
  // When the one whose note it is may start.
  static int64_t StartOf(const Config& config, int64_t note) {
    return config.pace.StartOf(note < 0 ? -note : note);
  }

  Verdict TakeTurn(const Config& config, const View& view, Token& token, Ticket& ticket);
  void Wait(Ticket& ticket, int64_t note) {
    ticket.set_note(note);
    waiting_.fetch_add(1, std::memory_order_relaxed);
  }
  bool GiveBack(int64_t next);

  const absl::Status check_;
  internal::Configuration<Config> config_;
  // Everybody's, apart from what is only read. Acquired and released, so that whoever sees that
  // `Reconfigure` moved it sees the new configuration too.
  alignas(64) std::atomic<int64_t> due_{0};
  internal::RefusalNews news_{kName};
  // For people: exact, but not in step with `due_`.
  std::atomic<int64_t> waiting_{0};
  std::atomic<int64_t> delayed_{0};
  std::atomic<int64_t> refused_{0};
  // Of those who give back, and those who change what that would mean.
  internal::StdMutex mu_;
};

uint64_t Limit::Fingerprint() const {
  const RateLimitOptions& o = config_.current().options;
  return internal::ConfigHash(kName)
      .Add(static_cast<uint64_t>(o.rate))
      .Add(o.per)
      .Add(static_cast<uint64_t>(o.burst))
      .Add(o.max_wait)
      .Add(static_cast<uint64_t>(o.counts))
      .hash();
}

Verdict Limit::Patience(const Config& config, const View& view, int64_t start) {
  if (start - view.now.nanos() > config.max_wait) {
    return Verdict::RejectUntil(Instant::FromNanos(start - config.max_wait), Reason::kRateLimited);
  }
  const Instant at = Instant::FromNanos(start);
  return view.deadline.expired(at) ? Verdict::RejectUntil(at, Reason::kRateLimited)
                                   : Verdict::Admit();
}

// Admits also one that will have to wait: `Reserve` gives it its turn.
Verdict Limit::Judge(const View& view) const {
  const Config& config = config_.Of(view.config);
  const int64_t now = view.now.nanos();
  if (view.ticket != nullptr && view.ticket->note() != 0) {
    const int64_t start = StartOf(config, view.ticket->note());
    return start <= now ? Verdict::Admit() : NotBefore(start);
  }
  const int64_t due = due_.load(std::memory_order_acquire);
  if (config.pace.SurelyFree(due, now)) return Verdict::Admit();
  const int64_t start = config.pace.StartOf(config.pace.Next(due, now));
  return start <= now ? Verdict::Admit() : Patience(config, view, start);
}

Verdict Limit::Reserve(const View& view, Token& token, Ticket* ticket) {
  const Config& config = config_.Of(view.config);
  if (ticket->note() != 0) return TakeTurn(config, view, token, *ticket);
  const int64_t now = view.now.nanos();
  int64_t due = due_.load(std::memory_order_acquire);
  int64_t next = 0;
  int64_t start = 0;
  bool holds = false;
  do {
    holds = &config == &config_.current();
    next = config.pace.Next(due, now);
    start = config.pace.SurelyFree(due, now) ? now : config.pace.StartOf(next);
    if (start > now) {
      const Verdict verdict = Patience(config, view, start);
      if (verdict.rejects()) return verdict;
    }
  } while (
      !due_.compare_exchange_weak(due, next, std::memory_order_acq_rel, std::memory_order_acquire));
  news_.Admit(view.now, config.rest, view.notices);
  if (start <= now) {
    token = holds ? TokenOf(next) | kFresh : kKept;
    return Verdict::Admit();
  }
  delayed_.fetch_add(1, std::memory_order_relaxed);
  Wait(*ticket, holds ? next : -next);
  return NotBefore(start);
}

// One that surely needn't wait.
bool Limit::Take(const View& view, Token& token) {
  const Config& config = config_.Of(view.config);
  const int64_t now = view.now.nanos();
  int64_t due = due_.load(std::memory_order_acquire);
  if (!config.pace.SurelyFree(due, now) || &config != &config_.current()) return false;
  const int64_t next = config.pace.Next(due, now);
  token = TokenOf(next) | kFresh;
  if (!due_.compare_exchange_strong(due, next, std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
    return false;
  }
  news_.Admit(view.now, config.rest, view.notices);
  return true;
}

Verdict Limit::TakeTurn(const Config& config, const View& view, Token& token, Ticket& ticket) {
  const int64_t note = ticket.note();
  const int64_t start = StartOf(config, note);
  if (start > view.now.nanos()) return NotBefore(start);
  token = note > 0 ? TokenOf(note) : kKept;
  ticket.set_note(0);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  return Verdict::Admit();
}

// Who has waited for his turn keeps it; one that was had for the asking can be asked for again.
void Limit::Void(Token token, Ticket* ticket) {
  if (token == kKept) return;
  if ((token & kFresh) != 0 && GiveBack(TurnOf(token))) return;
  if (ticket != nullptr) Wait(*ticket, TurnOf(token));
}

void Limit::Leave(Ticket& ticket) {
  const int64_t note = ticket.note();
  if (note == 0) return;
  ticket.set_note(0);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  if (note > 0) GiveBack(note);
}

bool Limit::GiveBack(int64_t next) {
  const internal::StdMutexLock lock(mu_);
  const int64_t before = config_.current().pace.Before(next);
  return due_.compare_exchange_strong(next, before, std::memory_order_acq_rel);
}

void Limit::Refused(const View& view) {
  refused_.fetch_add(1, std::memory_order_relaxed);
  news_.Refuse(view.now, view.notices);
}

RateLimitPolicy::Snapshot Limit::snapshot() const {
  const int64_t due = due_.load(std::memory_order_acquire);
  const internal::Pace& pace = config_.current().pace;
  return {.next_start = Instant::FromNanos(pace.StartOf(pace.Next(due, due))),
          .waiting = waiting_.load(std::memory_order_relaxed),
          .delayed = delayed_.load(std::memory_order_relaxed),
          .refused = refused_.load(std::memory_order_relaxed)};
}

absl::Status Limit::Reconfigure(const RateLimitOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  const internal::StdMutexLock lock(mu_);
  if (options.counts != config_.current().options.counts) {
    return absl::InvalidArgumentError("RateLimit.counts can't be changed; make another limit");
  }
  config_.Replace(Config(options));
  due_.fetch_add(internal::Pace::kLongestTick, std::memory_order_acq_rel);
  return absl::OkStatus();
}

void Limit::Describe(Description& description) const {
  const RateLimitOptions& o = config_.current().options;
  const bool calls = o.counts == RateLimitOptions::Counts::kCalls;
  description.does.push_back(absl::StrCat("lets at most ", o.rate, calls ? " call" : " attempt",
                                          o.rate == 1 ? " starts per " : "s start per ",
                                          absl::FormatDuration(o.per), ", ", o.burst,
                                          " of them at once"));
  if (o.max_wait == absl::ZeroDuration()) {
    description.does.emplace_back("refuses what comes too soon");
  } else {
    description.does.push_back(
        absl::StrCat("holds up what comes too soon until its turn, for ",
                     o.max_wait == absl::InfiniteDuration()
                         ? "as long as the deadline allows"
                         : absl::StrCat("at most ", absl::FormatDuration(o.max_wait))));
  }
  description.shares = "its rate";
  description.queueing = std::max(description.queueing, o.max_wait);
}

void Limit::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot now = snapshot();
  const RateLimitOptions& o = config_.current().options;
  visit({.name = "permits_per_second",
         .value = static_cast<double>(o.rate) / absl::ToDoubleSeconds(o.per)});
  visit({.name = "burst", .value = static_cast<double>(o.burst)});
  visit({.name = "waiting", .value = static_cast<double>(now.waiting)});
  visit({.name = "delayed", .value = static_cast<double>(now.delayed), .counts_up = true});
  visit({.name = "refused", .value = static_cast<double>(now.refused), .counts_up = true});
}

}  // namespace

std::shared_ptr<RateLimitPolicy> RateLimit(RateLimitOptions options) {
  return std::make_shared<Limit>(options);
}

}  // namespace redial
