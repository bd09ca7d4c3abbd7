#include "policies/breaker_window.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace redial::internal {
namespace {

using Kind = BreakerWindow::Kind;

// A ratio that people write in tenths isn't one in binary fractions: 0.07 of 100 is a hair above 7.
constexpr double kHair = 1e-9;

bool Reaches(int64_t part, int64_t whole, double ratio) {
  return part > 0 && static_cast<double>(part) >= ratio * static_cast<double>(whole) * (1 - kHair);
}

absl::Duration LengthOf(const BreakerWindow& window) {
  return window.kind == Kind::kTime ? window.length : absl::InfiniteDuration();
}

}  // namespace

BreakerTally::BreakerTally(const BreakerWindow& window)
    : window_(window),
      all_slices_(LengthOf(window)),
      failed_slices_(LengthOf(window)),
      slow_slices_(LengthOf(window)) {
  if (window.kind == Kind::kCount) ring_.reserve(static_cast<size_t>(window.count));
}

void BreakerTally::Advance(Instant now) {
  if (window_.kind != Kind::kTime) return;
  all_slices_.Advance(now);
  failed_slices_.Advance(now);
  slow_slices_.Advance(now);
  results_ = all_slices_.sum();
  failures_ = failed_slices_.sum();
  slow_ = slow_slices_.sum();
}

void BreakerTally::Add(BreakerResult result) {
  switch (window_.kind) {
    case Kind::kCount:
      Push(result);
      break;
    case Kind::kTime:
      all_slices_.Add(1);
      failed_slices_.Add(result.failed ? 1 : 0);
      slow_slices_.Add(result.slow ? 1 : 0);
      Count(result, 1);
      break;
    case Kind::kMovingAverage:
      Average(result, 1);
      Count(result, 1);
      break;
  }
}

void BreakerTally::AddSuccesses(int64_t count) {
  if (count <= 0) return;
  switch (window_.kind) {
    case Kind::kCount:
      for (int64_t i = std::min<int64_t>(count, window_.count); i > 0; --i) Push({});
      break;
    case Kind::kTime:
      all_slices_.Add(count);
      Count({}, count);
      break;
    case Kind::kMovingAverage:
      Average({}, count);
      Count({}, count);
      break;
  }
}

void BreakerTally::Clear() { *this = BreakerTally(window_); }

void BreakerTally::ChangeTo(const BreakerWindow& window) {
  if (window.kind == window_.kind && window.count == window_.count &&
      window.length == window_.length) {
    return;
  }
  const BreakerTally before = std::move(*this);
  *this = BreakerTally(window);
  if (before.window_.kind == Kind::kCount && window.kind == Kind::kCount) {
    // Oldest first: the ring forgets those that don't fit.
    for (size_t i = 0; i < before.ring_.size(); ++i) {
      Push(before.ring_[(before.next_ + i) % before.ring_.size()]);
    }
    return;
  }
  // Their order is lost: the good ones come first, so that the bad ones are forgotten last.
  const int64_t most = window.kind == Kind::kTime ? before.results_ : window.count;
  const int64_t failures = std::min(before.failures_, most);
  const int64_t slow = std::min(before.slow_, most);
  const int64_t bad = std::max(failures, slow);
  AddSuccesses(std::min(before.results_, most) - bad);
  for (int64_t i = 0; i < bad; ++i) Add({.failed = i < failures, .slow = i < slow});
}

double BreakerTally::failure_ratio() const {
  if (window_.kind == Kind::kMovingAverage) return failed_average_;
  return results_ == 0 ? 0 : static_cast<double>(failures_) / static_cast<double>(results_);
}

bool BreakerTally::FailuresReach(double ratio) const {
  if (window_.kind == Kind::kMovingAverage) return failed_average_ >= ratio * (1 - kHair);
  return Reaches(failures_, results_, ratio);
}

bool BreakerTally::SlowReach(double ratio) const {
  if (window_.kind == Kind::kMovingAverage) return slow_average_ >= ratio * (1 - kHair);
  return Reaches(slow_, results_, ratio);
}

Instant BreakerTally::slice_end() const {
  if (window_.kind == Kind::kTime) return all_slices_.slice_end();
  return Instant::FromNanos(std::numeric_limits<int64_t>::max());
}

void BreakerTally::Count(BreakerResult result, int64_t by) {
  results_ += by;
  if (result.failed) failures_ += by;
  if (result.slow) slow_ += by;
}

void BreakerTally::Push(BreakerResult result) {
  Count(result, 1);
  if (ring_.size() < static_cast<size_t>(window_.count)) {
    ring_.push_back(result);
    return;
  }
  Count(ring_[next_], -1);
  ring_[next_] = result;
  next_ = (next_ + 1) % ring_.size();
}

void BreakerTally::Average(BreakerResult result, int64_t times) {
  const double kept = std::exp(-static_cast<double>(times) / window_.count);
  failed_average_ = failed_average_ * kept + (result.failed ? 1 - kept : 0);
  slow_average_ = slow_average_ * kept + (result.slow ? 1 - kept : 0);
}

}  // namespace redial::internal
