// AdaptiveThrottle: spares a server that says it has too much. The more of what a client sends is not
// accepted, the more of its attempts end here, by lot, before they cost anybody anything.
//
//   auto throttle = redial::AdaptiveThrottle();  // share it: one for all clients of one server
//   auto client = redial::Client::Create("tcp://cache:6379", {redial::Retry(), throttle});
//   std::cout << 100 * throttle->snapshot().refusal_probability << "% are refused here\n";
//
// By what was sent in the last two minutes, an attempt is refused with the probability
// max(0, (requests - multiplier * accepts) / (requests + padding)), and never with more than
// `max_refusal`, so that some always find out whether the server is better.
// What is refused here counts as a request too: while the server accepts nothing the probability
// rises, and once it accepts again it falls. (Google's SRE book, "Handling Overload".)
//
// What an attempt comes to:
//
//   | outcome                                                          | counts as    |
//   |------------------------------------------------------------------|--------------|
//   | kResourceExhausted, a failure with RetryAfter, kDeadlineExceeded | not accepted |
//   | everything else that was sent: the server had time for it        | accepted     |
//   | other failures before anything was sent, or for want of          | nothing      |
//   | descriptors, ports or memory on this host; what was aborted      |              |
//
// It counts when it ends, for the time at which it was sent; what is in flight counts for nothing, as in
// grpc-go, or the tenth of ten calls that begin together would meet a throttle.
//
// Observers are told (`CallEvent::Type::kPolicyChanged`) when it first refuses, "throttling", and when it
// wouldn't and hasn't for as long as the window is, "calm".
//
// Safe between threads. What is accepted takes no lock, except for those that began in an earlier tenth
// of the window, and the one that begins a tenth; while it refuses, every attempt takes one.
#ifndef REDIAL_POLICIES_ADAPTIVE_THROTTLE_H_
#define REDIAL_POLICIES_ADAPTIVE_THROTTLE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policies/predicate.h"
#include "redial/policy.h"

namespace redial {

struct AdaptiveThrottleOptions {
  // Requests for each accepted one before any is refused here. 2 (the SRE book, grpc-go) lets the
  // server refuse as many as it accepts, by which it is quick to see that it is better; 1.5 spares it
  // more. From 1 to 1000.
  double multiplier = 2;
  // As if so many had been accepted when there is little to go by; only the probability's
  // denominator has them. 8 in grpc-go, 1 in the SRE book. From 0 to 1e9.
  double padding = 8;
  // How long what was sent counts, in ten slices: 10 s to 2 min among the peers. From 1ms to 24h.
  absl::Duration window = absl::Minutes(2);
  // From above 0 to below 1 (Envoy's is 0.8, failsafe-go's 0.9).
  double max_refusal = 0.9;
  // What isn't accepted, in place of the table above; what was aborted counts for nothing even so.
  Predicate overload_on = {};
};

class REDIAL_EXPORT AdaptiveThrottlePolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    // In the window, as of the latest attempt for which somebody looked closely.
    int64_t requests = 0;
    int64_t accepts = 0;
    double refusal_probability = 0;
    int64_t refused = 0;  // since it was made
  };
  virtual Snapshot snapshot() const = 0;
  // Calls that have begun keep what they began with, but for `window`, of which there is one. What
  // was counted stays; with another `window`, as if it had been sent just now. Errors as
  // `Validate`'s; nothing changes then.
  virtual absl::Status Reconfigure(const AdaptiveThrottleOptions& options) = 0;
};

// kInvalidArgument when it joins a set: a number outside what is said above.
REDIAL_EXPORT std::shared_ptr<AdaptiveThrottlePolicy> AdaptiveThrottle(
    const AdaptiveThrottleOptions& options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_ADAPTIVE_THROTTLE_H_
