// What a policy says of itself: in words, and in the figures that a set joins, for
// `PolicySet::Explain`; and the numbers of its state, for metrics.
//
//   class AtMostTwice final : public redial::Policy {
//     void Describe(redial::Description& d) const override {
//       d.does.push_back("gives up after the second attempt");
//       d.max_attempts = 2;
//     }
//   };
//
// Values; not shared between threads.
#ifndef REDIAL_DESCRIPTION_H_
#define REDIAL_DESCRIPTION_H_

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace redial {

struct Description {
  // What it does, each a clause after the policy's name, without a full stop: "pauses 50ms to 20s
  // before each retry".
  std::vector<std::string> does;
  // What all calls and clients that hold it share, as a noun: "its tokens". Empty if nothing.
  std::string shares;
  // Settings of its own that make no sense together though each is allowed, as whole sentences.
  std::vector<std::string> warnings;

  // How it bounds a call; the set joins them by minimum.
  int max_attempts = std::numeric_limits<int>::max();         // hedges included
  absl::Duration attempt_timeout = absl::InfiniteDuration();  // the longest it gives an attempt
  // Of what remains until the call's deadline, the share that it gives an attempt at most.
  double attempt_share = 1;
  // It keeps an attempt that hangs from using up the call's time, though maybe not by a fixed one.
  bool bounds_attempts = false;
  // At most, all pauses before retries together, if there are as many attempts as it allows; by
  // maximum.
  absl::Duration pauses = absl::ZeroDuration();
  // The same, if the peer says that it has enough, or asks for longer ones (RetryAfter).
  absl::Duration hinted_pauses = absl::ZeroDuration();
  // Hedges beside each attempt, and how long after it the first one starts at the earliest.
  int max_hedges = 0;
  absl::Duration hedge_after = absl::InfiniteDuration();
  // It has a say in retries and hedges alone, so without them it has none.
  bool caps_retries = false;
  // How long it may let an attempt wait for its turn in all, at most; by sum.
  absl::Duration queueing = absl::ZeroDuration();
};

// A number of a policy's state.
struct Gauge {
  std::string_view name;  // in snake case, with its unit where it has one: "tokens"
  double value = 0;
  std::string_view state =
      {};                  // of a policy that is in one of several: 1 for that, 0 for the others
  bool counts_up = false;  // since the policy was made; never falls
};

}  // namespace redial

#endif  // REDIAL_DESCRIPTION_H_
