#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "policies/pace.h"
#include "redial/policies/rate_limit.h"
#include "src/core/mix.h"
#include "tests/support/policy_view.h"
#include "tests/unit/rate_limit_kit.h"

namespace redial {
namespace {

using testing::Ask;
using testing::Candidate;
using testing::kEnded;
using testing::ViewAt;

// Calls come, wait, are held up, and go away at random; turns are those of all that started. However a
// window lies, no more than burst + rate * length of them are in it.
TEST(RateLimitTest, NoWindowHoldsMoreThanTheLimit) {
  uint64_t seed = 1;
  const auto draw = [&](int64_t below) {
    return static_cast<int64_t>(internal::NextMixed(seed) % static_cast<uint64_t>(below));
  };
  for (int round = 0; round < 200; ++round) {
    const int64_t rate = 1 + draw(9);
    const absl::Duration per = absl::Nanoseconds(100 + draw(900));
    const int64_t burst = 1 + draw(5);
    const int64_t interval = ToNanos(per) / rate;
    const int64_t rounding = ToNanos(per) % rate == 0 ? 0 : internal::Pace::kLongestTick;
    const auto limit = RateLimit({.rate = rate,
                                  .per = per,
                                  .burst = burst,
                                  .max_wait = absl::Nanoseconds(draw(2) * interval * draw(20))});
    std::vector<Instant> starts;
    std::deque<Candidate> waiting;  // where they stay in place
    absl::Duration when;
    for (int step = 0; step < 400; ++step) {
      if (draw(3) == 0) when += absl::Nanoseconds(draw(draw(20) == 0 ? 20 * interval : interval));
      if (draw(4) == 0 && !waiting.empty()) {  // the latest or the oldest loses patience
        Candidate& leaver = draw(2) == 0 ? waiting.back() : waiting.front();
        limit->Leave(leaver.ticket);
        if (&leaver == &waiting.back()) {
          waiting.pop_back();
        } else {
          waiting.pop_front();
        }
      }
      Candidate& candidate = waiting.emplace_back();
      const View view =
          ViewAt(when, draw(3) == 0 ? absl::Nanoseconds(5 * interval) : absl::InfiniteDuration());
      const Verdict verdict = Ask(*limit, view, candidate);
      if (verdict.admits(view.now) && draw(5) != 0) {
        starts.push_back(view.now);
        limit->Leave(candidate.ticket);
        waiting.pop_back();
      } else if (verdict.admits(view.now)) {
        limit->Void(candidate.token, &candidate.ticket);
        limit->Leave(candidate.ticket);
        waiting.pop_back();
      } else if (verdict.rejects()) {
        waiting.pop_back();
      } else if (draw(2) == 0) {  // it starts at its turn, whatever comes between
        View turn = ViewAt(verdict.at() - kEnded);
        EXPECT_EQ(Ask(*limit, turn, candidate), Verdict::Admit());
        limit->Leave(candidate.ticket);
        starts.push_back(turn.now);
        waiting.pop_back();
      }
    }
    while (!waiting.empty()) waiting.pop_back();
    std::sort(starts.begin(), starts.end());
    __extension__ using Wide = __int128;
    for (size_t i = 0; i < starts.size(); ++i) {
      for (size_t j = i; j < starts.size(); ++j) {
        const Wide length = NanosBetween(starts[i], starts[j]);
        const Wide beyond_burst = static_cast<Wide>(j - i + 1) - burst;
        ASSERT_LE(beyond_burst * ToNanos(per), (length + rounding) * rate)
            << "round " << round << ": " << j - i + 1 << " starts in "
            << static_cast<int64_t>(length) << " ns at " << rate << " per " << per << ", burst "
            << burst;
      }
    }
    ASSERT_GT(starts.size(), 20U);
  }
}

}  // namespace
}  // namespace redial
