// Hedge: a second attempt beside one that takes long. The first that succeeds is the call's result,
// and the other is told to end.
//
//   auto hedge = redial::Hedge({.quantile = 0.95});  // share it: one for all clients of one target
//   auto client = redial::Client::Create("tcp://search:7700", {hedge, redial::RetryBudget()});
//   auto reply = client->Call({.operation = "search", .timeout = absl::Seconds(1), .idempotent = true},
//                             [](redial::Socket& socket) { return socket.ReadUntil("\n"); });
//
// Only what was declared idempotent is hedged. The operation then runs in two places at once, on
// threads or on fibers, as the call does: what it shares with others must be safe for that, and what
// it captures by reference is shared by both. A call returns when the other attempt has ended, which
// redial's own waits do at once; hedging doesn't help an operation that waits outside of redial, since
// nobody could start the hedge meanwhile.
//
// A client's hedge goes to another address than those where the call's other attempts are, are
// connecting to or have failed, while the target has one.
//
// Hedges cost the server load when it is slow, so they are capped: by a ratio of their own here, and
// by a `RetryBudget` where there is one.
//
// Safe between threads. A call takes no lock; one that wants a hedge does.
#ifndef REDIAL_POLICIES_HEDGE_H_
#define REDIAL_POLICIES_HEDGE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

struct HedgeOptions {
  // How long an attempt may take before there is a hedge. Where it isn't set, as long as this share
  // of the attempts of late took (Finagle's backup requests and brpc hedge at p95 to p99); no hedge
  // then before `min_samples` of them succeeded.
  std::optional<absl::Duration> delay = std::nullopt;
  double quantile = 0.95;
  int min_samples = 100;
  // "Of late": what is older than this no longer counts.
  absl::Duration window = absl::Seconds(30);
  // Never earlier than this, whatever the quantile is (Finagle's floor).
  absl::Duration min_delay = absl::Milliseconds(1);
  // How many beside the attempts of one call, each so long after the one before; 1 to 3.
  int max_hedges = 1;
  // At most so many for each attempt that was no hedge, in the long run, from 0 to 1.
  double max_ratio = 0.05;
  // What calls that needed none leave to those that come later: at most so many hedges; at least 1.
  // The policy begins with one.
  int max_saved = 10;
};

class REDIAL_EXPORT HedgePolicy : public Policy {
 public:
  using Policy::Policy;
  struct Snapshot {
    absl::Duration delay = absl::InfiniteDuration();  // infinite: too little is known
    double saved = 0;                                 // hedges that the ratio allows now
    int64_t hedges = 0;                               // that are over, since it was made
    int64_t won = 0;                                  // of them, those that succeeded first
  };
  virtual Snapshot snapshot() const = 0;
  // Calls that have begun go on with what they began with. What was measured and saved up stays.
  // Errors as `Validate`'s; nothing changes then.
  virtual absl::Status Reconfigure(const HedgeOptions& options) = 0;
};

// kInvalidArgument when it joins a set: a number or time out of its range.
REDIAL_EXPORT std::shared_ptr<HedgePolicy> Hedge(HedgeOptions options = {});

}  // namespace redial

#endif  // REDIAL_POLICIES_HEDGE_H_
