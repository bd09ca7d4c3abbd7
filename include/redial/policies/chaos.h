// Chaos: makes calls fail on purpose, so that tests and staging show what your other policies do
// about it. Some attempts come late, some fail, some lose their answer, some get none.
//
//   auto chaos = redial::Chaos({.i_know_this_breaks_calls = true,
//                               .latency_probability = 0.05,
//                               .error_probability = 0.01,
//                               .reset_probability = 0.01,
//                               .seed = 7});
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), chaos});
//   chaos->set_enabled(false);  // and now it is quiet
//
// It disturbs attempts, behind all other policies: a retry is drawn for anew, a breaker sees the
// failures. Every probability is 0 until it is set.
//
// Safe between threads; takes no lock. A set without it pays one branch for each attempt.
#ifndef REDIAL_POLICIES_CHAOS_H_
#define REDIAL_POLICIES_CHAOS_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// Probabilities are of each attempt, from 0 to 1.
struct ChaosOptions {
  // Without it, no set takes the policy: nobody gets Chaos by a copied line of configuration.
  bool i_know_this_breaks_calls = false;

  // The attempt waits before it begins, evenly between the two; its deadline counts that time. Drawn
  // independently of what follows.
  double latency_probability = 0;
  absl::Duration min_latency = absl::Milliseconds(100);
  absl::Duration max_latency = absl::Seconds(1);

  // At most one of three befalls an attempt, so their sum is at most 1.
  //
  // It isn't run, and fails with `error_code`. Nothing was sent.
  double error_probability = 0;
  absl::StatusCode error_code = absl::StatusCode::kUnavailable;
  // It runs, and if it succeeds, its answer is lost to a connection reset: the peer may have acted.
  // What fails by itself, fails so.
  double reset_probability = 0;
  // It isn't run, and times out at its deadline. Nothing was sent. A call without a deadline hangs
  // until it is stopped.
  double stall_probability = 0;

  // The faults are a function of this seed and of the calls' own (`CallOptions::seed`), so that the
  // same seeds give the same faults. Where it isn't set, of the calls' alone.
  std::optional<uint64_t> seed = std::nullopt;
};

class REDIAL_EXPORT ChaosPolicy : public Policy {
 public:
  using Policy::Policy;
  // What attempts were to suffer, since it was made.
  struct Snapshot {
    bool enabled = true;
    int64_t delays = 0;
    int64_t errors = 0;
    int64_t resets = 0;
    int64_t stalls = 0;
  };
  virtual Snapshot snapshot() const = 0;
  // Holds for every attempt that starts from now on, also of calls that have begun. On at first.
  virtual void set_enabled(bool enabled) = 0;
  // Calls that have begun go on with what they began with. Errors as `Validate`'s; nothing changes
  // then.
  virtual absl::Status Reconfigure(const ChaosOptions& options) = 0;
};

// kInvalidArgument when it joins a set: without the switch, for a probability that is none, a
// `min_latency` that is negative or above `max_latency`, a `max_latency` without end, an error that
// is OK.
REDIAL_EXPORT std::shared_ptr<ChaosPolicy> Chaos(ChaosOptions options);

}  // namespace redial

#endif  // REDIAL_POLICIES_CHAOS_H_
