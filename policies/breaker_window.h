// What a circuit breaker has seen lately: how many results, and how many of them were failures or
// slow. Three kinds, behind one interface, since a configuration may change from one to another.
//
//   BreakerTally tally(CountWindow(100));
//   tally.AddSuccesses(99);
//   tally.Add(now, {.failed = true});
//   tally.failure_ratio();  // 0.01
//
// Needs outside locking.
#ifndef REDIAL_POLICIES_BREAKER_WINDOW_H_
#define REDIAL_POLICIES_BREAKER_WINDOW_H_

#include <cstdint>
#include <vector>

#include "policies/token_window.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/time.h"

namespace redial::internal {

struct BreakerResult {
  bool failed = false;
  bool slow = false;
};

class BreakerTally {
 public:
  explicit BreakerTally(const BreakerWindow& window);

  // Of a time window: what is too old is forgotten.
  void Advance(Instant now);
  void Add(BreakerResult result);
  // Of successes that weren't slow.
  void AddSuccesses(int64_t count);
  void Clear();
  // Goes on as `window`, with what is here.
  void ChangeTo(const BreakerWindow& window);

  int64_t results() const { return results_; }
  int64_t failures() const { return failures_; }
  int64_t slow() const { return slow_; }
  double failure_ratio() const;
  // Whether the share of failures, or of slow results, is at least `ratio`.
  bool FailuresReach(double ratio) const;
  bool SlowReach(double ratio) const;
  // When the current slice of a time window ends: by then it must be told of what it counts. The
  // end of time for the others.
  Instant slice_end() const;

 private:
  void Count(BreakerResult result, int64_t by);
  void Push(BreakerResult result);
  void Average(BreakerResult result, int64_t times);

  BreakerWindow window_;
  int64_t results_ = 0;
  int64_t failures_ = 0;
  int64_t slow_ = 0;
  // kCount: the latest results, a ring once it is full.
  std::vector<BreakerResult> ring_;
  size_t next_ = 0;
  // kTime.
  TokenWindow all_slices_;
  TokenWindow failed_slices_;
  TokenWindow slow_slices_;
  // kMovingAverage.
  double failed_average_ = 0;
  double slow_average_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BREAKER_WINDOW_H_
