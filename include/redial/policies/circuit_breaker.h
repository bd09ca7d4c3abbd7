// CircuitBreaker: stops asking a server that fails, and lets a few probes find out when it is back.
//
//   auto breaker = redial::CircuitBreaker({.failure_ratio = 0.5, .minimum_throughput = 20});
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), breaker});
//   if (breaker->state() == redial::CircuitBreakerPolicy::State::kOpen) {
//     std::cout << "the cache is down\n";
//   }
//
// Closed, it admits everything and watches. When too much of the latest has failed it opens, and
// refuses until its time is up; a refusal says when that is (`Failure::retry_at`). Then it is half open
// and admits `probes`. If too many of them fail it opens again, for longer; else it closes.
//
// Give each server a breaker of its own: one breaker for several clients of the same target, never
// one for targets that fail apart from each other.
//
// What an attempt comes to counts only in the generation that it was admitted in: one that began
// before the breaker opened says nothing about a server that is back. A probe that never reports loses
// its place after `probe_lease`. Changes of state are told to observers
// (`CallEvent::Type::kPolicyChanged`) by the call that brought them about; those made by hand by the next
// call that comes by, to the observers that it has, as "forced_open", "forced_closed" and "disabled" where it isn't a state.
//
// Safe between threads. A success takes no lock while the breaker is closed, but for one at the end
// of each slice of a time window, and for each one while failures or slow results wait for the
// minimum. A refusal takes one only while the breaker is half open.
#ifndef REDIAL_POLICIES_CIRCUIT_BREAKER_H_
#define REDIAL_POLICIES_CIRCUIT_BREAKER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policies/backoff.h"
#include "redial/policies/predicate.h"
#include "redial/policy.h"
#include "redial/time.h"

namespace redial {

// What a ratio is taken of.
struct BreakerWindow {
  enum class Kind : uint8_t { kCount, kTime, kMovingAverage };
  Kind kind = Kind::kTime;
  int count = 100;                            // of kCount and kMovingAverage
  absl::Duration length = absl::Seconds(10);  // of kTime; in ten slices
};
// The latest `count` results.
REDIAL_EXPORT BreakerWindow CountWindow(int count);
// Those of the latest `length`, to a tenth of it.
REDIAL_EXPORT BreakerWindow TimeWindow(absl::Duration length);
// An exponential moving average, in which a result `count` results old weighs 1/e of the latest
// (Finagle's success rate). It begins as if all had gone well.
REDIAL_EXPORT BreakerWindow MovingAverage(int count);

struct CircuitBreakerOptions {
  std::string label = {};  // which one, in events and metrics
  // Whole calls, or each of their attempts. A breaker of calls lets a call that it admitted retry.
  enum class Counts : uint8_t { kAttempts, kCalls };
  Counts counts = Counts::kAttempts;

  BreakerWindow window = {};
  // It opens when at least this share of the window has failed, and at least so many results are in
  // it. Looked at when a failure comes, and when a success completes the minimum. From above 0 to 1.
  double failure_ratio = 0.5;
  int minimum_throughput = 20;  // of a count window: at most its count
  // It also opens when so many in a row have failed, however few there were. 0: never.
  int consecutive_failures = 0;
  // A result that took at least `slow_after` is slow, well or ill; it also opens when this share of the
  // window is. Infinite: nothing is slow.
  absl::Duration slow_after = absl::InfiniteDuration();
  double slow_ratio = 1;

  // How long it stays open: after the n-th time in a row that it didn't close, as long as after n
  // attempts. Begins anew once it closes.
  Backoff open_time = {.base = absl::Seconds(5), .cap = absl::Minutes(5), .jitter = Jitter::kEqual};
  // So many attempts are let through when it is half open, and judged together by the ratios above.
  // From 1 to 64.
  int probes = 1;
  // What hasn't reported after so long is taken for lost, and another probe takes its place.
  absl::Duration probe_lease = absl::Seconds(30);

  // What counts as a failure, in place of `IsTransient` and of values that a policy counts as
  // failures.
  Predicate failure_on = {};
  // What proves nothing, well or ill. Beside it: what was aborted, and what failed before anything
  // was sent for a reason that another attempt wouldn't mend.
  Predicate ignore_on = {};
};

class REDIAL_EXPORT CircuitBreakerPolicy : public Policy {
 public:
  using Policy::Policy;

  enum class State : uint8_t { kClosed, kOpen, kHalfOpen };
  // What somebody has decided by hand, over the state, which stays as it is below.
  enum class Override : uint8_t {
    kNone,
    kForcedOpen,    // refuses everything
    kForcedClosed,  // admits everything, and goes on watching
    kDisabled,      // admits everything, and watches nothing
  };
  struct Snapshot {
    State state = State::kClosed;
    Override forced = Override::kNone;
    // In the window, as of the latest result for which somebody looked closely: to ask for it
    // doesn't age a window of time.
    int64_t results = 0;
    int64_t failures = 0;
    int64_t slow = 0;
    double failure_ratio = 0;
    int consecutive_failures = 0;
    int probes_out = 0;
    int failed_probings = 0;                // in a row
    int64_t opened = 0;                     // how often, since it was made
    std::optional<Instant> next_admission;  // while it is open
  };

  virtual State state() const = 0;
  virtual Snapshot snapshot() const = 0;
  virtual void Force(Override what) = 0;
  // Closed and empty, as it was made; what is in flight no longer counts.
  virtual void Reset() = 0;
  // The state stays, and so does what is in the window as far as it fits. Errors as `Validate`'s;
  // nothing changes then.
  virtual absl::Status Reconfigure(const CircuitBreakerOptions& options) = 0;
};

// "closed", "open", "half_open".
REDIAL_EXPORT std::string_view BreakerStateName(CircuitBreakerPolicy::State state);

// kInvalidArgument when it joins a set: a ratio outside (0, 1], a minimum below 1 or above its window,
// times that aren't positive, probes outside 1 to 64.
REDIAL_EXPORT std::shared_ptr<CircuitBreakerPolicy> CircuitBreaker(
    const CircuitBreakerOptions& options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_CIRCUIT_BREAKER_H_
