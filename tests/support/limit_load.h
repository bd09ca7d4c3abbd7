// Puts an AdaptiveLimit under load by hand: takes places, and settles attempts with the times and
// outcomes that a test wants.
//
//   LimitLoad load(*limit);
//   load.PlayWindow(20, absl::Milliseconds(10));  // twenty at once, and the window ends
//   EXPECT_EQ(limit->snapshot().limit, 21);
//
// It takes the limit's windows for an hour long (`Hourly`), so that none ends before it is meant to.
#ifndef REDIAL_TESTS_SUPPORT_LIMIT_LOAD_H_
#define REDIAL_TESTS_SUPPORT_LIMIT_LOAD_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "redial/policies/adaptive_limit.h"
#include "redial/time.h"
#include "tests/support/policy_view.h"

namespace redial::testing {

inline AdaptiveLimitOptions Hourly(AdaptiveLimitOptions options = {}) {
  options.window = absl::Hours(1);
  options.window_results = 1;
  return options;
}

class LimitLoad {
 public:
  explicit LimitLoad(AdaptiveLimitPolicy& limit) : limit_(limit) {}

  // One place, as the engine would take it; nothing where it is refused.
  std::optional<Token> Take() {
    View view;
    view.now = now_;
    const Verdict judged = limit_.Judge(view);
    Token token = 0;
    const Verdict reserved = limit_.Reserve(view, token, nullptr);
    EXPECT_EQ(judged, reserved);
    if (reserved == Verdict::Admit()) return token;
    EXPECT_EQ(reserved, Verdict::Reject(Reason::kOverload));
    return std::nullopt;
  }
  // All that there are, or `most`.
  std::vector<Token> TakeAll(int most = 1'000'000) {
    std::vector<Token> taken;
    while (static_cast<int>(taken.size()) < most) {
      const std::optional<Token> token = Take();
      if (!token) break;
      taken.push_back(*token);
    }
    return taken;
  }

  // The attempt took `rtt`, and ends now.
  void Settle(Token token, absl::Duration rtt, Outcome outcome = {}) {
    outcome.ended = now_;
    outcome.started = now_ - rtt;
    limit_.Settle(token, outcome);
  }
  void Settle(const std::vector<Token>& tokens, absl::Duration rtt, const Outcome& outcome = {}) {
    for (const Token token : tokens) Settle(token, rtt, outcome);
  }
  void Pass(absl::Duration time) { now_ = now_ + time; }

  // `in_flight` at once, each takes `rtt`; the last one ends the window.
  void PlayWindow(int in_flight, absl::Duration rtt, const Outcome& outcome = {}) {
    if (!begun_) {  // the first result begins the first window, and can't end it
      begun_ = true;
      Settle(TakeAll(1), rtt, outcome);
    }
    std::vector<Token> taken = TakeAll(in_flight);
    ASSERT_EQ(static_cast<int>(taken.size()), in_flight);
    const Token last = taken.back();
    taken.pop_back();
    Settle(taken, rtt, outcome);
    Pass(absl::Hours(1));
    Settle(last, rtt, outcome);
  }

 private:
  AdaptiveLimitPolicy& limit_;
  bool begun_ = false;
  Instant now_ = kEnded;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LIMIT_LOAD_H_
