// The gradient against a long average, as Netflix's Gradient2Limit: the limit shrinks by the factor by
// which round trips have become longer than usual, and grows by a few where they haven't.
//
//   GradientLimit gradient;
//   limit = gradient.Update(20, {.rtt_nanos = 2e6, .peak = 20}, options);  // 20.8
#ifndef REDIAL_POLICIES_LIMIT_GRADIENT_H_
#define REDIAL_POLICIES_LIMIT_GRADIENT_H_

#include <algorithm>

#include "policies/limit_window.h"
#include "redial/policies/adaptive_limit.h"

namespace redial::internal {

// Needs outside locking.
class GradientLimit {
 public:
  // An exponential average, and a plain one until it has something to go by; 0 before there is one.
  double usual_rtt_nanos() const { return average_; }

  // The limit after `window`, in which something took time. Heeds no bounds.
  double Update(double limit, const LimitWindow& window, const AdaptiveLimitOptions& options) {
    const double ratio = Learn(window.rtt_nanos);
    if (!window.Uses(limit)) return limit;
    const double gradient = std::clamp(options.tolerance * ratio, 0.5, 1.0);
    const double target = limit * gradient + options.queue;
    return limit + (target - limit) * kSmoothing;
  }

 private:
  static constexpr double kSmoothing = 0.2;
  static constexpr int kLongWindows = 600;
  static constexpr int kWarmUp = 10;

  // Returns how the usual round trip compares with this one.
  double Learn(double rtt) {
    const double weight = seen_ < kWarmUp ? 1.0 / (seen_ + 1) : 2.0 / (kLongWindows + 1);
    seen_ = std::min(seen_ + 1, kWarmUp);
    average_ += (rtt - average_) * weight;
    const double ratio = average_ / rtt;
    // Times are back to normal after a long overload: no need to wait for the average.
    if (ratio > 2) average_ *= 0.95;
    return ratio;
  }

  double average_ = 0;
  int seen_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_LIMIT_GRADIENT_H_
