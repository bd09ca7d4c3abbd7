// TCP Vegas for requests, with the steps of failsafe-go: from how much longer round trips take than the
// least seen lately follows how many requests queue at the peer; the limit goes by one step so that
// these stay between three and six.
//
//   VegasLimit vegas;
//   limit = vegas.Update(20, {.rtt_nanos = 1e9, .peak = 20});  // 21: nothing queues
//   limit = vegas.Update(21, {.rtt_nanos = 2e9, .peak = 20});  // 20: eleven do
//
// The step, and with it the three and the six, grows with the digits of the limit.
#ifndef REDIAL_POLICIES_LIMIT_VEGAS_H_
#define REDIAL_POLICIES_LIMIT_VEGAS_H_

#include <algorithm>
#include <cmath>

#include "policies/limit_window.h"

namespace redial::internal {

// Needs outside locking.
class VegasLimit {
 public:
  // The least of the latest `kSpell` windows to twice as many; 0 before there is one.
  double usual_rtt_nanos() const { return before_ > 0 ? std::min(before_, least_) : least_; }

  // The limit after `window`, in which something took time. Heeds no bounds.
  double Update(double limit, const LimitWindow& window) {
    Learn(window.rtt_nanos);
    if (!window.Uses(limit)) return limit;
    const double step = std::max(1.0, std::floor(std::log10(limit)));
    const double queued = std::ceil(limit * (1 - usual_rtt_nanos() / window.rtt_nanos));
    if (queued < kFew * step) return limit + step;
    return queued > kMany * step ? limit - step : limit;
  }

 private:
  static constexpr double kFew = 3;
  static constexpr double kMany = 6;
  static constexpr int kSpell = 600;

  // Two spells, of which the older one is forgotten when the newer one is full.
  void Learn(double rtt) {
    if (windows_ == kSpell) {
      before_ = least_;
      windows_ = 0;
    }
    least_ = windows_ == 0 ? rtt : std::min(least_, rtt);
    ++windows_;
  }

  double least_ = 0;
  double before_ = 0;
  int windows_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_LIMIT_VEGAS_H_
