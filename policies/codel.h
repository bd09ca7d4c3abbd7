// Tells a line that stands from one that only passes by: controlled delay, with the rules of folly's
// Codel. A line is overloaded after an interval in which nobody's wait was as short as the target;
// then whoever has waited longer than twice the target is to be refused.
//
//   Codel codel({.target_nanos = 5'000'000, .interval_nanos = 100'000'000});
//   codel.Begin(now);                        // somebody waits where nobody did
//   if (codel.Refuses(waited, now)) Refuse();  // before each is served
//
// Twice, since those who are served just before they would be refused must still look overloaded: with
// one threshold for both, a standing line would seem to be over whenever it was cut back. Of each
// interval the first wait is never refused: one wait proves nothing about a line.
//
// Unlike folly's it begins anew with each line: two clients that take turns at one permit always wait
// for each other, and nothing stands there.
//
// Needs outside locking. Time that runs backwards does no harm.
#ifndef REDIAL_POLICIES_CODEL_H_
#define REDIAL_POLICIES_CODEL_H_

#include <algorithm>
#include <cstdint>
#include <limits>

#include "redial/time.h"

namespace redial::internal {

class Codel {
 public:
  static constexpr int64_t kOff = std::numeric_limits<int64_t>::max();
  struct Options {
    int64_t target_nanos = kOff;  // kOff: nothing is ever overloaded
    int64_t interval_nanos = kOff;
  };

  explicit Codel(const Options& options) : options_(options) {}

  // Of the line that there is.
  bool overloaded() const { return overloaded_; }

  void Begin(Instant now) {
    overloaded_ = false;
    BeginInterval(now, kOff);  // if nobody at all is served, that is too slow as well
  }

  bool Refuses(int64_t waited_nanos, Instant now) {
    if (options_.target_nanos == kOff) return false;
    if (now > interval_end_) {
      overloaded_ = shortest_ > options_.target_nanos;
      BeginInterval(now, waited_nanos);
      return false;
    }
    shortest_ = std::min(shortest_, waited_nanos);
    return overloaded_ && waited_nanos > options_.target_nanos &&
           waited_nanos - options_.target_nanos > options_.target_nanos;
  }

  // Whether the line is overloaded is to be found out anew.
  void Reconfigure(const Options& options, Instant now) {
    options_ = options;
    Begin(now);
  }

 private:
  void BeginInterval(Instant now, int64_t waited_nanos) {
    interval_end_ = Plus(now, options_.interval_nanos);
    shortest_ = waited_nanos;
  }

  Options options_;
  bool overloaded_ = false;
  int64_t shortest_ = kOff;  // of this interval
  Instant interval_end_;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_CODEL_H_
