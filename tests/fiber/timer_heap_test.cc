#include "src/runtime/fiber/timer_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "src/core/mix.h"

namespace redial::runtime_internal {
namespace {

struct TestTimer final : Timer {
  Instant at;
};

TEST(TimerHeap, FiresInOrderWhateverIsMovedAndRemoved) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    TimerHeap heap;
    std::vector<TestTimer> timers(60);
    for (uint64_t step = 0; step < 400; ++step) {
      TestTimer& timer = timers[internal::Mix64(seed * 1000 + step) % timers.size()];
      if (internal::Mix64(seed + step * 77) % 4 == 0) {
        heap.Remove(timer);
        EXPECT_FALSE(timer.armed());
        continue;
      }
      timer.at = Instant::FromNanos(static_cast<int64_t>(internal::Mix64(step) % 100));
      heap.Set(timer, timer.at);
      EXPECT_EQ(heap.at(timer), timer.at);
      const auto first =
          std::min_element(timers.begin(), timers.end(), [](const auto& a, const auto& b) {
            if (a.armed() != b.armed()) return a.armed();
            return a.at < b.at;
          });
      ASSERT_EQ(heap.earliest(), first->at) << "seed " << seed << ", step " << step;
    }
    Instant last = Instant::FromNanos(0);
    while (!heap.empty()) {
      EXPECT_GE(heap.earliest(), last);
      last = heap.earliest();
      heap.Remove(heap.first());
    }
  }
}

}  // namespace
}  // namespace redial::runtime_internal
