// What a window of attempts showed, as the algorithms of AdaptiveLimit see it.
//
//   LimitWindow window = {.rtt_nanos = 2e6, .results = 100, .drops = 10, .peak = 20};
//   limit = std::min(gradient.Update(limit, window, options), limit * window.Kept());
#ifndef REDIAL_POLICIES_LIMIT_WINDOW_H_
#define REDIAL_POLICIES_LIMIT_WINDOW_H_

#include <cstdint>

namespace redial::internal {

// A value.
struct LimitWindow {
  double rtt_nanos = 0;  // the mean; 0 where nothing took time
  int64_t results = 0;   // drops included
  int64_t drops = 0;
  int64_t peak = 0;  // the most that were in flight

  // A limit that isn't used says nothing of how high it could be. (Netflix's and failsafe-go's half.)
  bool Uses(double limit) const { return 2 * static_cast<double>(peak) >= limit; }
  // Above one drop in a hundred, which bad luck explains: lowers the limit whatever the times are.
  bool Overloaded() const { return 100 * drops > results; }
  // The part of the limit that drops leave, at most: if all are, half of it, as DCTCP does for packets
  // that were marked.
  double Kept() const {
    return Overloaded() ? 1 - static_cast<double>(drops) / static_cast<double>(results) / 2 : 1;
  }
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_LIMIT_WINDOW_H_
