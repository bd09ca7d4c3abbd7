// Plays attempts against a breaker, in virtual time.
//
//   PlayedBreaker breaker({.minimum_throughput = 2, .open_time = For(absl::Seconds(1))});
//   breaker.Play("SF");
//   breaker.RefusedFor();  // 1 s
#ifndef REDIAL_TESTS_UNIT_CIRCUIT_BREAKER_KIT_H_
#define REDIAL_TESTS_UNIT_CIRCUIT_BREAKER_KIT_H_

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "redial/notice.h"
#include "redial/policies/circuit_breaker.h"
#include "tests/support/policy_view.h"

namespace redial::testing {

inline Backoff For(absl::Duration time) { return Constant(time); }

class PlayedBreaker {
 public:
  explicit PlayedBreaker(const CircuitBreakerOptions& options) : breaker_(CircuitBreaker(options)) {
    EXPECT_TRUE(breaker_->Validate().ok()) << breaker_->Validate();
  }

  void Advance(absl::Duration by) { now_ = now_ + by; }

  Verdict Judge() { return breaker_->Judge(ViewNow()); }
  // An attempt that is in flight; false if it was refused.
  bool Start() {
    Token token = 0;
    const Verdict judged = Judge();
    const Verdict reserved = breaker_->Reserve(ViewNow(), token, nullptr);
    EXPECT_EQ(judged, reserved);
    if (reserved != Verdict::Admit()) return false;
    in_flight_.push_back({token, now_});
    return true;
  }
  // The oldest in flight ends.
  void End(Outcome outcome) {
    outcome.started = in_flight_.front().began;
    outcome.ended = now_;
    outcome.notices = &notices_;
    outcome.seed = 7;
    breaker_->Settle(in_flight_.front().token, outcome);
    in_flight_.pop_front();
  }
  void VoidOldest() {
    breaker_->Void(in_flight_.front().token, nullptr);
    in_flight_.pop_front();
  }
  // S succeeds, F fails, I proves nothing; each at once. Those that are refused are skipped.
  void Play(const std::string& results) {
    for (const char result : results) {
      if (!Start()) continue;
      switch (result) {
        case 'S':
          End(Outcome());
          break;
        case 'F':
          End(FailedWith(absl::StatusCode::kUnavailable));
          break;
        default: {
          Outcome aborted = FailedWith(absl::StatusCode::kCancelled);
          aborted.aborted = true;
          End(aborted);
        }
      }
    }
  }
  // When it would admit again; negative if it doesn't say.
  absl::Duration RefusedFor() {
    const Verdict verdict = Judge();
    EXPECT_TRUE(verdict.rejects());
    EXPECT_EQ(verdict.reason(), Reason::kBreakerOpen);
    return verdict.has_next() ? verdict.at() - now_ : -absl::Seconds(1);
  }
  // "closed>open open>half_open", since the last time.
  std::string Changes() {
    std::string text;
    for (const Notice& notice : notices_.all()) {
      if (!text.empty()) text += ' ';
      text.append(notice.from).append(">").append(notice.to);
    }
    notices_.Clear();
    return text;
  }
  // For how long the latest change said that it holds; infinite where it didn't say.
  absl::Duration LatestChangeHolds() const { return notices_.all().back().until.remaining(now_); }
  CircuitBreakerPolicy& operator*() { return *breaker_; }
  CircuitBreakerPolicy* operator->() { return breaker_.get(); }
  CircuitBreakerPolicy::State state() const { return breaker_->state(); }

 private:
  struct InFlight {
    Token token;
    Instant began;
  };
  View ViewNow() {
    View view;
    view.now = now_;
    view.notices = &notices_;
    return view;
  }
  std::shared_ptr<CircuitBreakerPolicy> breaker_;
  Instant now_ = kEnded;
  std::deque<InFlight> in_flight_;
  Notices notices_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_CIRCUIT_BREAKER_KIT_H_
