// What observers hear of a policy that refuses: that it begins to, and that it is over once nothing was
// refused for a while. What it refuses now and then in between is told by the calls themselves.
//
//   RefusalNews news_{"RateLimit"};
//   ...
//   news_.Refuse(view.now, view.notices);              // "RateLimit is refusing now", the first time
//   news_.Admit(outcome.ended, rest, outcome.notices);  // "... admitting now", after the rest
//
// Notices are null where nobody looks on: what changed waits for somebody who does. Safe between threads:
// each change is told once, and the two kinds take turns.
#ifndef REDIAL_POLICIES_REFUSAL_NEWS_H_
#define REDIAL_POLICIES_REFUSAL_NEWS_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <string_view>

#include "redial/notice.h"
#include "redial/time.h"

namespace redial::internal {

class RefusalNews {
 public:
  // Of static storage.
  explicit constexpr RefusalNews(std::string_view policy, std::string_view calm = "admitting",
                                 std::string_view busy = "refusing")
      : policy_(policy), calm_(calm), busy_(busy) {}

  // Whether somebody looks on who was told that it refuses, and is to hear when that is over.
  bool ConcernsThese(const Notices* notices) const {
    return notices != nullptr && latest_.load(std::memory_order_relaxed) != kNone;
  }

  void Refuse(Instant now, Notices* notices) {
    int64_t latest = latest_.load(std::memory_order_relaxed);
    do {
      if (latest == kNone ? notices == nullptr : latest >= now.nanos()) return;
    } while (!latest_.compare_exchange_weak(latest, now.nanos(), std::memory_order_relaxed));
    if (latest == kNone) Tell(calm_, busy_, *notices);
  }
  // Over if nothing was refused for `rest` nanoseconds.
  void Admit(Instant now, int64_t rest, Notices* notices) {
    if (ConcernsThese(notices)) [[unlikely]] {
      EndAfter(rest, now, *notices);
    }
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

  [[gnu::cold]] void EndAfter(int64_t rest, Instant now, Notices& notices) {
    int64_t latest = latest_.load(std::memory_order_relaxed);
    if (latest == kNone || now < Plus(Instant::FromNanos(latest), rest)) return;
    if (latest_.compare_exchange_strong(latest, kNone, std::memory_order_relaxed)) {
      Tell(busy_, calm_, notices);
    }
  }
  void Tell(std::string_view from, std::string_view to, Notices& notices) const {
    notices.Add({.policy = policy_, .label = {}, .from = from, .to = to});
  }

  const std::string_view policy_, calm_, busy_;
  std::atomic<int64_t> latest_{kNone};  // refusal, while it refuses
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_REFUSAL_NEWS_H_
