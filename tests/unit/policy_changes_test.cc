// What observers of a call hear of the policies' own state, in whole calls and virtual time.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "redial/call.h"
#include "redial/policies/adaptive_limit.h"
#include "redial/policies/adaptive_throttle.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/rate_limit.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using testing::VirtualRuntime;

// Calls with a policy, and what is told of it.
class PolicyChangesTest : public ::testing::Test {
 protected:
  // Calls from now on, seen and unseen.
  void Use(PolicyPtr policy) {
    unseen_ = MakeSet({policy});
    auto report = Report(ToFunction([this](const CallEvent& event) {
      if (event.type != CallEvent::Type::kPolicyChanged) return;
      told_.append(event.policy).append(":");
      told_.append(event.from).append(">").append(event.to).append(" ");
    }));
    auto retry = Retry({.max_attempts = 2,
                        .backoff = Constant(absl::ZeroDuration()),
                        .overload_backoff = Constant(absl::ZeroDuration())});
    set_ = MakeSet({std::move(policy), std::move(retry), std::move(report)});
  }
  void Calls(int times, const absl::Status& answer) {
    for (int i = 0; i < times; ++i) {
      CallOf([&] { return answer; });
    }
  }
  template <typename Operation>
  void CallOf(Operation operation, absl::Duration timeout = absl::InfiniteDuration()) {
    ++seed_;
    const CallOptions options = {
        .operation = "GET", .timeout = timeout, .idempotent = true, .seed = seed_};
    Call(options, set_, operation).IgnoreError();
  }
  // Without anybody who looks on.
  void UnseenCalls(int times, const absl::Status& answer) {
    for (int i = 0; i < times; ++i) {
      Call({.operation = "GET"}, unseen_, [&] { return answer; }).IgnoreError();
    }
  }
  // Since the last time.
  std::string Told() { return std::exchange(told_, {}); }

  VirtualRuntime runtime_;

 private:
  static PolicySet MakeSet(PolicyList policies) {
    auto set = PolicySet::Create(std::move(policies));
    EXPECT_TRUE(set.ok()) << set.status();
    return *std::move(set);
  }

  PolicySet set_;
  PolicySet unseen_;
  std::string told_;
  uint64_t seed_ = 0;
};

TEST_F(PolicyChangesTest, ABreakerThatIsForcedOpenSaysSoOnce) {
  const auto breaker = CircuitBreaker();
  Use(breaker);
  breaker->Force(CircuitBreakerPolicy::Override::kForcedOpen);
  Calls(3, absl::OkStatus());
  EXPECT_EQ(Told(), "CircuitBreaker:closed>forced_open ");
  breaker->Force(CircuitBreakerPolicy::Override::kNone);
  Calls(3, absl::OkStatus());
  EXPECT_EQ(Told(), "CircuitBreaker:forced_open>closed ");
}

// Once, however often it refuses, and not again while retries take what little comes in.
TEST_F(PolicyChangesTest, ABudgetSaysWhenItRefusesAndWhenItHasRecovered) {
  Use(RetryBudget());
  Calls(2, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "") << "the first two retries";
  Calls(3, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  for (int i = 0; i < 20; ++i) {
    Calls(10, absl::OkStatus());
    Calls(2, absl::UnavailableError("down"));
  }
  EXPECT_EQ(Told(), "");
  Calls(60, absl::OkStatus());
  Calls(1, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:refusing>admitting ");
}

// Also where nothing fails any more.
TEST_F(PolicyChangesTest, ABudgetThatIsFullAgainNeedsNoFailureToSaySo) {
  Use(RetryBudget());
  Calls(3, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  Calls(50 * 64, absl::OkStatus());  // on however many processors
  EXPECT_EQ(Told(), "RetryBudget:refusing>admitting ");
}

// Nor does it say that it admits where the next retry costs more than it has.
TEST_F(PolicyChangesTest, ABudgetForDearRetriesSaysSoOnce) {
  for (const RetryBudgetOptions& options :
       {RetryBudgetOptions{.max_tokens = 1, .initial_tokens = 0.6},
        RetryBudgetOptions{.overload_retry_cost = 6, .initial_tokens = 5.5}}) {
    Use(RetryBudget(options));
    Calls(5, absl::ResourceExhaustedError("busy"));
    EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  }
}

TEST_F(PolicyChangesTest, AThrottleSaysWhenItBeginsAndWhenItIsOver) {
  Use(AdaptiveThrottle({.window = absl::Seconds(10)}));
  Calls(100, absl::ResourceExhaustedError("busy"));
  EXPECT_EQ(Told(), "AdaptiveThrottle:calm>throttling ");
  for (int second = 0; second < 19; ++second) {
    runtime_.Advance(absl::Seconds(1));
    Calls(20, absl::OkStatus());
    Calls(second < 9 ? 20 : 0, absl::ResourceExhaustedError("busy"));
  }
  EXPECT_EQ(Told(), "") << "it refuses now and then";
  runtime_.Advance(absl::Seconds(10));
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveThrottle:throttling>calm ");
}

// That it would refuse nothing now isn't enough: it will again in a moment.
TEST_F(PolicyChangesTest, AThrottleIsNotOverBeforeAWindowWentWithoutRefusals) {
  Use(AdaptiveThrottle({.window = absl::Seconds(10)}));
  Calls(100, absl::ResourceExhaustedError("busy"));
  Calls(10000, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveThrottle:calm>throttling ");
  runtime_.Advance(absl::Seconds(9));
  Calls(20, absl::OkStatus());
  EXPECT_EQ(Told(), "");
  runtime_.Advance(absl::Seconds(1));
  Calls(20, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveThrottle:throttling>calm ");
}

// Nor is luck.
TEST_F(PolicyChangesTest, AThrottleThatOnlyMissesIsNotOver) {
  const AdaptiveThrottleOptions options = {.window = absl::Seconds(10)};
  const auto throttle = AdaptiveThrottle(options);
  Use(throttle);
  Calls(100, absl::ResourceExhaustedError("busy"));
  EXPECT_EQ(Told(), "AdaptiveThrottle:calm>throttling ");
  AdaptiveThrottleOptions rarely = options;
  rarely.padding = 1e9;
  ASSERT_TRUE(throttle->Reconfigure(rarely).ok());
  for (int second = 0; second < 25; ++second) {
    runtime_.Advance(absl::Seconds(1));
    Calls(20, absl::ResourceExhaustedError("busy"));
  }
  EXPECT_GT(throttle->snapshot().refusal_probability, 0);
  EXPECT_EQ(Told(), "");
  Calls(2000, absl::OkStatus());
  runtime_.Advance(absl::Seconds(1));
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveThrottle:throttling>calm ");
}

TEST_F(PolicyChangesTest, ARateLimitSaysWhenItRefusesAndWhenItHasNotForAWhile) {
  Use(RateLimit({.rate = 2, .burst = 4, .max_wait = absl::ZeroDuration()}));
  Calls(4, absl::OkStatus());
  EXPECT_EQ(Told(), "");
  Calls(3, absl::OkStatus());
  EXPECT_EQ(Told(), "RateLimit:admitting>refusing ");
  for (int i = 0; i < 10; ++i) {
    runtime_.Advance(absl::Milliseconds(500));
    Calls(2, absl::OkStatus());
  }
  EXPECT_EQ(Told(), "") << "one in two is refused";
  for (int i = 0; i < 3; ++i) {
    runtime_.Advance(absl::Milliseconds(500));
    Calls(1, absl::OkStatus());
  }
  EXPECT_EQ(Told(), "") << "less time than a burst takes to come back";
  runtime_.Advance(absl::Milliseconds(500));
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "RateLimit:refusing>admitting ");
}

TEST_F(PolicyChangesTest, ARateLimitSaysItAlsoWhereATurnIsTakenAtOnce) {
  const auto limit = RateLimit({.rate = 1});
  Notices notices;
  View view;
  view.notices = &notices;
  Token token = 0;
  ASSERT_TRUE(limit->Take(view, token));
  limit->Refused(view);
  ASSERT_EQ(notices.all().size(), 1u);
  EXPECT_EQ(notices.all()[0].to, "refusing");
  view.now = Plus(view.now, 2'000'000'000);
  ASSERT_TRUE(limit->Take(view, token));
  ASSERT_EQ(notices.all().size(), 2u);
  EXPECT_EQ(notices.all()[1].to, "admitting");
}

// A change waits for the first call that somebody looks on at.
TEST_F(PolicyChangesTest, CallsThatNobodyWatchesKeepTheNews) {
  const auto limit = RateLimit({.rate = 1, .max_wait = absl::ZeroDuration()});
  Use(limit);
  UnseenCalls(3, absl::OkStatus());
  EXPECT_EQ(limit->snapshot().refused, 2);
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "RateLimit:admitting>refusing ");
  runtime_.Advance(absl::Seconds(5));
  UnseenCalls(1, absl::OkStatus());
  runtime_.Advance(absl::Seconds(5));
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "RateLimit:refusing>admitting ");
}

// However much others have done about it before.
TEST_F(PolicyChangesTest, ABudgetThatOthersFilledIsSaidToAdmit) {
  Use(RetryBudget());
  Calls(3, absl::UnavailableError("down"));
  EXPECT_EQ(Told(), "RetryBudget:admitting>refusing ");
  UnseenCalls(50 * 64, absl::OkStatus());
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "RetryBudget:refusing>admitting ");
}

TEST_F(PolicyChangesTest, AThrottleThatOthersSawCalmIsSaidToBe) {
  Use(AdaptiveThrottle({.window = absl::Seconds(10)}));
  Calls(100, absl::ResourceExhaustedError("busy"));
  EXPECT_EQ(Told(), "AdaptiveThrottle:calm>throttling ");
  runtime_.Advance(absl::Seconds(30));
  UnseenCalls(20, absl::OkStatus());
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveThrottle:throttling>calm ");
}

TEST_F(PolicyChangesTest, ALimitWhoseWindowOthersClosedIsSaidToAdmit) {
  Use(AdaptiveLimit({.initial_limit = 1, .max_limit = 1}));
  CallOf([this] {
    Calls(1, absl::OkStatus());
    return absl::OkStatus();
  });
  EXPECT_EQ(Told(), "AdaptiveLimit:admitting>refusing ");
  for (int i = 0; i < 3; ++i) {
    runtime_.Advance(absl::Seconds(1));
    UnseenCalls(20, absl::OkStatus());
  }
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveLimit:refusing>admitting ");
}

// The throttle's news are of the configuration that holds, not of the one that a retry began with.
TEST_F(PolicyChangesTest, AThrottleThatHasBecomeStricterIsNotCalmToOlderCalls) {
  const AdaptiveThrottleOptions lenient = {.multiplier = 1000, .window = absl::Milliseconds(1)};
  const AdaptiveThrottleOptions strict = {.multiplier = 1.1, .window = absl::Seconds(10)};
  const auto throttle = AdaptiveThrottle(strict);
  Use(throttle);
  Calls(1, absl::OkStatus());
  Calls(50, absl::ResourceExhaustedError("busy"));
  EXPECT_EQ(Told(), "AdaptiveThrottle:calm>throttling ");
  ASSERT_TRUE(throttle->Reconfigure(lenient).ok());
  CallOf([&, attempts = 0]() mutable {
    if (attempts++ == 0) {
      EXPECT_TRUE(throttle->Reconfigure(strict).ok());
      runtime_.Advance(absl::Milliseconds(5));
      return absl::UnavailableError("down");
    }
    return absl::OkStatus();
  });
  EXPECT_GT(throttle->snapshot().refusal_probability, 0);
  EXPECT_EQ(Told(), "");
}

// Also where every call has to wait for its turn, and is only refused if it can't.
TEST_F(PolicyChangesTest, ARateLimitThatHoldsCallsUpSaysItToo) {
  Use(RateLimit({.rate = 1, .per = absl::Milliseconds(100)}));
  const auto ok = [] { return absl::OkStatus(); };
  CallOf(ok);
  CallOf(ok, absl::Milliseconds(50));
  EXPECT_EQ(Told(), "RateLimit:admitting>refusing ");
  Calls(10, absl::OkStatus());
  EXPECT_EQ(Told(), "") << "a second at least";
  Calls(1, absl::OkStatus());
  EXPECT_EQ(Told(), "RateLimit:refusing>admitting ");
}

// Where few results come, windows last longer: what comes and goes within one isn't news.
TEST_F(PolicyChangesTest, AnAdaptiveLimitTakesAsLongAsItsWindows) {
  Use(AdaptiveLimit({.initial_limit = 1, .max_limit = 1, .window_results = 4}));
  const auto calls_of_three_seconds = [this](int times, int refusals_every) {
    for (int i = 0; i < times; ++i) {
      CallOf([&] {
        if (refusals_every > 0 && i % refusals_every == 0) Calls(1, absl::OkStatus());
        runtime_.Advance(absl::Seconds(3));
        return absl::OkStatus();
      });
    }
  };
  calls_of_three_seconds(10, 0);
  calls_of_three_seconds(12, 2);
  EXPECT_EQ(Told(), "AdaptiveLimit:admitting>refusing ");
  calls_of_three_seconds(1, 0);
  EXPECT_EQ(Told(), "") << "nine seconds, and a window has twelve";
  calls_of_three_seconds(1, 0);
  EXPECT_EQ(Told(), "AdaptiveLimit:refusing>admitting ");
}

TEST_F(PolicyChangesTest, AnAdaptiveLimitSaysWhenItRefusesAndWhenAWindowWentWithout) {
  Use(AdaptiveLimit({.initial_limit = 1, .max_limit = 1}));
  const auto within_another = [this] {
    Calls(1, absl::OkStatus());
    return absl::OkStatus();
  };
  Calls(20, absl::OkStatus());
  EXPECT_EQ(Told(), "");
  for (int i = 0; i < 5; ++i) {
    CallOf(within_another);
    runtime_.Advance(absl::Milliseconds(500));
    Calls(20, absl::OkStatus());
  }
  EXPECT_EQ(Told(), "AdaptiveLimit:admitting>refusing ") << "two windows with refusals are over";
  runtime_.Advance(absl::Milliseconds(600));
  Calls(20, absl::OkStatus());
  EXPECT_EQ(Told(), "AdaptiveLimit:refusing>admitting ");
}

}  // namespace
}  // namespace redial
