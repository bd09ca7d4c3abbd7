// Theory of operation. One word holds how many attempts are in flight, the limit, and the limit's epoch,
// which ends when the limit is lowered. `Reserve` raises the count if the limit allows it; `Void` and
// `Settle` lower it, and see by the word whether the epoch that the attempt was admitted in still lasts.
// While little of the limit is in use, threads keep their places between two attempts, and write
// nothing that others write (see BoundedCount). Such a place counts, but no window's peak can reach half
// of the limit by it, which is all that is asked of a peak.
//
// If the epoch lasts, a success leaves its time with others of its thread, without a lock. The first
// success after the window's end closes the window: takes the times out, asks the algorithm, and
// publishes the new limit. What else is known stands behind the lock, and failures that count go there
// straight.
#include "redial/policies/adaptive_limit.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "policies/bounded_count.h"
#include "policies/config_hash.h"
#include "policies/invalid.h"
#include "policies/limit_gradient.h"
#include "policies/limit_vegas.h"
#include "policies/limit_window.h"
#include "policies/overload.h"
#include "policies/refusal_news.h"
#include "policies/rtt_samples.h"
#include "redial/time.h"
#include "src/core/mutex.h"
#include "src/core/strings.h"
#include "src/core/striped.h"

namespace redial {
namespace {

using internal::BoundedCount;
using internal::LimitWindow;
using internal::RttSamples;
using internal::StdMutexLock;

constexpr std::string_view kName = "AdaptiveLimit";
constexpr int kMostInFlight = 1'000'000;
constexpr int kMostResults = 1'000'000'000;
static_assert(kMostInFlight <= BoundedCount::kMost);
constexpr int64_t kNotBegun = std::numeric_limits<int64_t>::min();

absl::Status Check(const AdaptiveLimitOptions& o) {
  // The first that isn't in order with those before it is the one to name.
  const absl::Status whole[] = {
      internal::CheckFromTo<int>(kName, "min_limit", o.min_limit, 1, kMostInFlight),
      internal::CheckFromTo<int>(kName, "max_limit", o.max_limit, o.min_limit, kMostInFlight),
      internal::CheckFromTo<int>(kName, "initial_limit", o.initial_limit, o.min_limit, o.max_limit),
      internal::CheckFromTo<int>(kName, "window_results", o.window_results, 1, kMostResults),
      internal::CheckFromTo<int>(kName, "queue", o.queue, 0, kMostInFlight),
  };
  for (const absl::Status& status : whole) {
    if (!status.ok()) return status;
  }
  if (!(o.window > absl::ZeroDuration() && o.window < absl::InfiniteDuration())) {
    return internal::Invalid(kName, "window", o.window, "be positive and finite");
  }
  if (!(o.tolerance >= 1 && o.tolerance <= 100)) {
    return internal::Invalid(kName, "tolerance", o.tolerance, "be from 1 to 100");
  }
  return absl::OkStatus();
}

absl::Duration Nanos(double nanos) { return absl::Nanoseconds(std::round(nanos)); }

// Safe between threads.
class Limiter final : public AdaptiveLimitPolicy {
 public:
  explicit Limiter(const AdaptiveLimitOptions& options)
      : AdaptiveLimitPolicy({.name = kName,
                             .capabilities = kJudgesFirst | kJudgesAgain | kReserves | kTakes |
                                             kSettles | kCountsRefusals,
                             .rank = Rank::kBulkhead}),
        check_(Check(options)),
        options_(check_.ok() ? options : AdaptiveLimitOptions()),
        flights_(options_.initial_limit),
        rest_(ToNanos(options_.window)),
        limit_(options_.initial_limit) {
    flights_.OpenHands();
  }

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  // Not inlined, like what follows, for what is the thread's own: see ThreadSlot.
  [[gnu::noinline]] Verdict Judge(const View& view) const override;
  [[gnu::noinline]] Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  [[gnu::noinline]] bool Take(const View& view, Token& token) override;
  [[gnu::noinline]] void Void(Token token, Ticket* ticket) override;
  [[gnu::noinline]] void Settle(Token token, const Outcome& outcome) override;
  void Refused(const View& view) override;

  AdaptiveLimitPolicy::Snapshot snapshot() const override;
  absl::Status Reconfigure(const AdaptiveLimitOptions& options) override;
  void Describe(Description& description) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

 private:
  static Verdict Refuse() { return Verdict::Reject(Reason::kOverload); }

  void NotePeak(int64_t in_flight) {
    int64_t peak = peak_.load(std::memory_order_relaxed);
    while (in_flight > peak &&
           !peak_.compare_exchange_weak(peak, in_flight, std::memory_order_relaxed)) {
    }
  }
  [[gnu::cold]] void CloseWindowIfFree(Instant now);
  [[gnu::cold]] void LearnFromFailure(BoundedCount::Reading admitted, const Outcome& outcome);

  void CloseWindowIfDue(Instant now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  double LimitAfter(const LimitWindow& window) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish(double limit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BeginWindow(int64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  double UsualRtt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const absl::Status check_;
  mutable internal::StdMutex mu_;
  AdaptiveLimitOptions options_ ABSL_GUARDED_BY(mu_);
  std::atomic<int64_t> refused_{0};
  internal::RefusalNews news_{kName};

  // Relaxed, all of them: none of them publishes anything but itself.
  BoundedCount flights_;
  RttSamples samples_;
  // Read by every attempt, written rarely.
  alignas(internal::kStripeSize) std::atomic<int64_t> window_end_{kNotBegun};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> rest_;  // how long the latest window was: news take as long to be over

  Instant begun_ ABSL_GUARDED_BY(mu_);  // the window
  double limit_ ABSL_GUARDED_BY(mu_);   // with its fraction
  // Of the window so far, beside what is in `samples_`.
  RttSamples::Sum gathered_ ABSL_GUARDED_BY(mu_);
  int64_t drops_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t turned_down_ ABSL_GUARDED_BY(mu_) = 0;  // those of the drops that have no time
  double latest_rtt_ ABSL_GUARDED_BY(mu_) = 0;
  internal::GradientLimit gradient_ ABSL_GUARDED_BY(mu_);
  internal::VegasLimit vegas_ ABSL_GUARDED_BY(mu_);
};

uint64_t Limiter::Fingerprint() const {
  const StdMutexLock lock(mu_);
  const AdaptiveLimitOptions& o = options_;
  return internal::ConfigHash(kName)
      .Add(static_cast<uint64_t>(o.algorithm))
      .Add(static_cast<uint64_t>(o.min_limit))
      .Add(static_cast<uint64_t>(o.initial_limit))
      .Add(static_cast<uint64_t>(o.max_limit))
      .Add(o.window)
      .Add(static_cast<uint64_t>(o.window_results))
      .Add(o.tolerance)
      .Add(static_cast<uint64_t>(o.queue))
      .hash();
}

Verdict Limiter::Judge(const View&) const {
  return flights_.MayEnter() ? Verdict::Admit() : Refuse();
}

Verdict Limiter::Reserve(const View&, Token& token, Ticket*) {
  return flights_.Enter(token) ? Verdict::Admit() : Refuse();
}

bool Limiter::Take(const View&, Token& token) { return flights_.Enter(token); }

void Limiter::Void(Token, Ticket*) { flights_.Leave(); }

void Limiter::Refused(const View& view) {
  refused_.fetch_add(1, std::memory_order_relaxed);
  news_.Refuse(view.now, view.notices);
}

void Limiter::Settle(Token token, const Outcome& outcome) {
  const BoundedCount::Reading now = flights_.Leave();
  const BoundedCount::Reading admitted = BoundedCount::Read(token);
  if (outcome.notices != nullptr) {
    news_.Admit(outcome.ended, rest_.load(std::memory_order_relaxed), outcome.notices);
  }
  if (outcome.aborted || admitted.epoch != now.epoch) return;
  if (!outcome.ok()) {
    LearnFromFailure(admitted, outcome);
    return;
  }
  NotePeak(admitted.count);
  // The epoch may end right now: then this time joins those of the new one. At most one of each thread.
  const bool full = samples_.Add(NanosBetween(outcome.started, outcome.ended));
  if (full || outcome.ended.nanos() >= window_end_.load(std::memory_order_relaxed)) {
    CloseWindowIfFree(outcome.ended);
  }
}

// Whoever has the lock takes this sample as well, or the next one does.
void Limiter::CloseWindowIfFree(Instant now) {
  if (!mu_.try_lock()) return;
  CloseWindowIfDue(now);
  mu_.unlock();
}

void Limiter::LearnFromFailure(BoundedCount::Reading admitted, const Outcome& outcome) {
  const bool timed_out = outcome.code == absl::StatusCode::kDeadlineExceeded;
  const bool turned_down = internal::AsksToBeSpared(outcome);
  if (!timed_out && !turned_down) return;
  const auto nanos = static_cast<double>(NanosBetween(outcome.started, outcome.ended));

  const StdMutexLock lock(mu_);
  // Attempts fail together: the first one may have ended the epoch of the others.
  if (flights_.reading().epoch != admitted.epoch) return;
  // Sooner than it usually takes: the call was short of time, and the peer may be well.
  if (!turned_down && nanos < UsualRtt()) return;
  NotePeak(admitted.count);
  ++drops_;
  if (turned_down) {
    ++turned_down_;
  } else {
    gathered_.Add({.count = 1, .nanos = nanos});  // it would have taken at least that long
  }
  CloseWindowIfDue(outcome.ended);
}

void Limiter::CloseWindowIfDue(Instant now) {
  gathered_.Add(samples_.Take());
  const int64_t length = ToNanos(options_.window);
  int64_t end = window_end_.load(std::memory_order_relaxed);
  if (end == kNotBegun) {
    end = Plus(now, length).nanos();
    window_end_.store(end, std::memory_order_relaxed);
    begun_ = now;
  }
  LimitWindow window = {.results = gathered_.count + turned_down_,
                        .drops = drops_,
                        .peak = peak_.load(std::memory_order_relaxed)};
  if (now.nanos() < end || window.results < options_.window_results) return;
  if (gathered_.count > 0) {
    window.rtt_nanos = gathered_.nanos / static_cast<double>(gathered_.count);
    latest_rtt_ = window.rtt_nanos;
  }
  Publish(LimitAfter(window));
  // A change must have had the time to show.
  const auto twice = static_cast<int64_t>(std::min(2 * window.rtt_nanos, 1e18));
  BeginWindow(Plus(now, std::max(length, twice)).nanos());
  rest_.store(std::max(length, NanosBetween(begun_, now)), std::memory_order_relaxed);
  begun_ = now;
}

double Limiter::LimitAfter(const LimitWindow& window) {
  double next = limit_;
  if (window.rtt_nanos > 0) {
    switch (options_.algorithm) {
      case LimitAlgorithm::kGradient:
        next = gradient_.Update(limit_, window, options_);
        break;
      case LimitAlgorithm::kVegas:
        next = vegas_.Update(limit_, window);
        break;
    }
  }
  if (window.Overloaded()) next = std::min(next, limit_ * window.Kept());
  return std::clamp<double>(next, options_.min_limit, options_.max_limit);
}

void Limiter::Publish(double limit) {
  const auto before = static_cast<int64_t>(limit_);
  const auto next = static_cast<int64_t>(limit);
  limit_ = limit;
  if (next == before) return;
  flights_.SetLimit(next, /*begins_epoch=*/next < before);
  if (next < before) samples_.Take();  // of the epoch that is over
}

void Limiter::BeginWindow(int64_t end) {
  gathered_ = {};
  drops_ = turned_down_ = 0;
  peak_.store(0, std::memory_order_relaxed);
  window_end_.store(end, std::memory_order_relaxed);
  flights_.OpenHands();
}

double Limiter::UsualRtt() const {
  return options_.algorithm == LimitAlgorithm::kGradient ? gradient_.usual_rtt_nanos()
                                                         : vegas_.usual_rtt_nanos();
}

AdaptiveLimitPolicy::Snapshot Limiter::snapshot() const {
  const StdMutexLock lock(mu_);
  const BoundedCount::Reading now = flights_.reading();
  return {.limit = now.limit,
          .in_flight = flights_.in_use(),
          .refused = refused_.load(std::memory_order_relaxed),
          .latest_rtt = Nanos(latest_rtt_),
          .usual_rtt = Nanos(UsualRtt())};
}

absl::Status Limiter::Reconfigure(const AdaptiveLimitOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  const StdMutexLock lock(mu_);
  if (options.algorithm != options_.algorithm) {
    gradient_ = {};
    vegas_ = {};
  }
  options_ = options;
  Publish(std::clamp<double>(limit_, options.min_limit, options.max_limit));
  BeginWindow(kNotBegun);  // of the new length, and without what is of an epoch that is over
  return absl::OkStatus();
}

void Limiter::Describe(Description& description) const {
  const StdMutexLock lock(mu_);
  description.does.push_back(absl::StrCat("refuses attempts above a limit of ", options_.min_limit,
                                          " to ", options_.max_limit,
                                          " in flight, which follows the round-trip times"));
  description.shares = "its limit";
  if (options_.min_limit == options_.max_limit) {
    description.warnings.push_back(
        absl::StrCat("AdaptiveLimit can't adapt: min_limit and max_limit are both ",
                     options_.min_limit, "; a Bulkhead says that plainly."));
  }
}

void Limiter::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const AdaptiveLimitPolicy::Snapshot s = snapshot();
  visit({.name = "limit", .value = static_cast<double>(s.limit)});
  visit({.name = "in_flight", .value = static_cast<double>(s.in_flight)});
  visit({.name = "latest_rtt_seconds", .value = absl::ToDoubleSeconds(s.latest_rtt)});
  visit({.name = "usual_rtt_seconds", .value = absl::ToDoubleSeconds(s.usual_rtt)});
  visit({.name = "refused", .value = static_cast<double>(s.refused), .counts_up = true});
}

}  // namespace

std::shared_ptr<AdaptiveLimitPolicy> AdaptiveLimit(const AdaptiveLimitOptions& options) {
  return std::make_shared<Limiter>(options);
}

}  // namespace redial
