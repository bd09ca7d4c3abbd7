// Vectors are taken from other libraries' own tests, which each case names.
#include "redial/policies/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policies/backoff_math.h"
#include "redial/policies/predicate.h"
#include "redial/policies/retry.h"
#include "redial/policy.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::RetryView;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr Jitter kJitters[] = {Jitter::kFull,         Jitter::kEqual,  Jitter::kDecorrelated,
                               Jitter::kProportional, Jitter::kUpward, Jitter::kSmooth};

int64_t Delay(const Backoff& backoff, int attempts, uint64_t seed = 1) {
  const Outcome failed = FailedWith(absl::StatusCode::kUnavailable);
  return backoff.DelayNanos(RetryView(failed, attempts, seed));
}

std::vector<absl::Duration> PlainDelays(const Backoff& backoff, int count) {
  std::vector<absl::Duration> delays;
  for (int n = 1; n <= count; ++n) delays.push_back(absl::Nanoseconds(backoff.PlainNanos(n)));
  return delays;
}

std::vector<absl::Duration> Seconds(const std::vector<double>& seconds) {
  std::vector<absl::Duration> delays;
  for (const double s : seconds) delays.push_back(absl::Seconds(s));
  return delays;
}

// Polly, RetryHelperTests: Constant_Jitter_Ok.
TEST(BackoffTest, ConstantWithAQuarterOfJitter) {
  const Backoff backoff = Constant(absl::Seconds(1), Jitter::kProportional, 0.25);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(1), 0), 750'000'000);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(1), 0.4), 950'000'000);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(1), 0.6), 1'050'000'000);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(1), 1), 1'250'000'000);
}

// Polly, RetryHelperTests: Exponential_Ok and Linear_Ok.
TEST(BackoffTest, GrowsAsPollysDoes) {
  EXPECT_EQ(PlainDelays(Exponential({.base = absl::Seconds(1)}), 3), Seconds({1, 2, 4}));
  EXPECT_EQ(PlainDelays(Linear(absl::Seconds(1)), 3), Seconds({1, 2, 3}));
  EXPECT_EQ(PlainDelays(Constant(absl::Seconds(30)), 3), Seconds({30, 30, 30}));
}

// failsafe-go, TestGetFixedOrRandomDelay.
TEST(BackoffTest, DoublesUpToTheCap) {
  EXPECT_EQ(PlainDelays(Exponential({.base = absl::Seconds(2), .cap = absl::Seconds(30)}), 5),
            Seconds({2, 4, 8, 16, 30}));
}

// resilience4j, IntervalFunctionTest: an exponential function with a largest interval.
TEST(BackoffTest, StaysAtTheCap) {
  const Backoff backoff = Exponential({.base = absl::Milliseconds(100), .cap = absl::Seconds(100)});
  EXPECT_EQ(absl::Nanoseconds(backoff.PlainNanos(10)), absl::Seconds(51.2));
  EXPECT_EQ(absl::Nanoseconds(backoff.PlainNanos(12)), absl::Seconds(100));
  EXPECT_EQ(absl::Nanoseconds(backoff.PlainNanos(13)), absl::Seconds(100));
}

// botocore, tests/unit/retries/test_standard_retry_v2_1.py: AWS's standard retries with U = 1.
TEST(BackoffTest, DefaultsAreThoseOfAwsStandardRetries) {
  EXPECT_EQ(PlainDelays(Exponential(), 11),
            Seconds({.05, .1, .2, .4, .8, 1.6, 3.2, 6.4, 12.8, 20, 20}));
  EXPECT_EQ(Exponential().jitter, Jitter::kFull);
}

// Polly, RetryHelperTests: GetRetryDelay_Overflow_ReturnsMaxTimeSpan and its capped sibling.
TEST(BackoffTest, DoesNotOverflow) {
  Backoff backoff = Exponential({.base = absl::Hours(24), .cap = absl::Hours(48)});
  EXPECT_EQ(backoff.PlainNanos(1000), ToNanos(absl::Hours(48)));
  EXPECT_EQ(backoff.PlainNanos(std::numeric_limits<int>::max()), ToNanos(absl::Hours(48)));
  backoff.cap = absl::InfiniteDuration();
  EXPECT_EQ(backoff.PlainNanos(1000), kMax);
  EXPECT_EQ(backoff.PlainNanos(std::numeric_limits<int>::max()), kMax);
  for (const Jitter jitter : kJitters) {
    backoff.jitter = jitter;
    EXPECT_GT(Delay(backoff, 1000), 0);
  }
  backoff.jitter = Jitter::kProportional;
  EXPECT_EQ(internal::Jittered(backoff, kMax, 1), kMax);
  const Backoff linear = Linear(absl::Hours(24), absl::InfiniteDuration(), Jitter::kNone);
  EXPECT_EQ(linear.PlainNanos(std::numeric_limits<int>::max()), kMax);
}

// Polly's issue 2163: jitter made some of 2049 delays negative.
TEST(BackoffTest, EveryDelayIsPositive) {
  for (const Jitter jitter : kJitters) {
    const Backoff backoff = Exponential({.base = absl::Seconds(1),
                                         .cap = absl::Seconds(30),
                                         .jitter = jitter,
                                         .jitter_fraction = 1});
    for (int attempts = 1; attempts <= 2049; ++attempts) {
      const int64_t delay = Delay(backoff, attempts, static_cast<uint64_t>(attempts));
      ASSERT_GT(delay, 0) << "attempts " << attempts;
      ASSERT_LE(delay, ToNanos(absl::Seconds(60))) << "attempts " << attempts;
    }
  }
}

TEST(BackoffTest, JitterStaysInItsRange) {
  Backoff backoff = Exponential();
  backoff.jitter = Jitter::kFull;
  EXPECT_EQ(internal::Jittered(backoff, 1000, 0), 1000);  // from (0, 1], so never nothing
  EXPECT_EQ(internal::Jittered(backoff, 1000, std::nextafter(1, 0)), 1);
  backoff.jitter = Jitter::kEqual;
  EXPECT_EQ(internal::Jittered(backoff, 1000, 0), 1000);
  EXPECT_EQ(internal::Jittered(backoff, 1000, std::nextafter(1, 0)), 500);
  backoff.jitter = Jitter::kNone;
  EXPECT_EQ(internal::Jittered(backoff, 1000, 0.5), 1000);
  // gRPC's A6: a fifth either way.
  backoff.jitter = Jitter::kProportional;
  backoff.jitter_fraction = 0.2;
  EXPECT_EQ(internal::Jittered(backoff, 1000, 0), 800);
  EXPECT_EQ(internal::Jittered(backoff, 1000, std::nextafter(1, 0)), 1200);
}

TEST(BackoffTest, DecorrelatedStepsFromTheDelayBefore) {
  const Backoff backoff = Exponential(
      {.base = absl::Seconds(1), .cap = absl::Seconds(10), .jitter = Jitter::kDecorrelated});
  const int64_t second = ToNanos(absl::Seconds(1));
  EXPECT_EQ(internal::Decorrelated(backoff, second, 0), second);
  EXPECT_EQ(internal::Decorrelated(backoff, second, 0.5), 2 * second);
  EXPECT_EQ(internal::Decorrelated(backoff, 8 * second, 1), 10 * second);  // not 24

  // The whole row is a function of the seed: each delay follows from the one before.
  const Outcome failed = FailedWith(absl::StatusCode::kUnavailable);
  int64_t previous = second;
  for (int attempts = 1; attempts <= 20; ++attempts) {
    const View view = RetryView(failed, attempts, 42);
    const int64_t expected = internal::Decorrelated(backoff, previous, view.Uniform());
    EXPECT_EQ(backoff.DelayNanos(view), expected) << attempts;
    previous = expected;
  }
}

TEST(BackoffTest, AsksTwiceAnswersOnce) {
  for (const Jitter jitter : kJitters) {
    const Backoff backoff = Exponential({.jitter = jitter});
    EXPECT_EQ(Delay(backoff, 5, 9), Delay(backoff, 5, 9));
    EXPECT_NE(Delay(backoff, 5, 9), Delay(backoff, 5, 10));
  }
}

// The share of clients that draw the most frequent delay.
double LargestShare(const Backoff& backoff, int attempts) {
  constexpr int kClients = 10'000;
  std::map<int64_t, int> drawn;
  int largest = 0;
  for (uint64_t seed = 1; seed <= kClients; ++seed) {
    largest = std::max(largest, ++drawn[Delay(backoff, attempts, seed)]);
  }
  return static_cast<double>(largest) / kClients;
}

// With base 1 s and cap 10 s, 79% of Polly's clients draw the same sixth delay, and all of
// resilience4j's, tower's and folly's: their jitter dies at the cap.
TEST(BackoffTest, JitterOutlivesTheCap) {
  for (const Jitter jitter : kJitters) {
    const Backoff backoff =
        Exponential({.base = absl::Seconds(1), .cap = absl::Seconds(10), .jitter = jitter});
    EXPECT_LT(LargestShare(backoff, 6), 0.001) << static_cast<int>(jitter);
  }
}

// Finagle's first delay is always the base, and userver's always 25 ms.
TEST(BackoffTest, TheFirstDelayHasJitterToo) {
  for (const Jitter jitter : kJitters) {
    EXPECT_LT(LargestShare(Exponential({.jitter = jitter}), 1), 0.001) << static_cast<int>(jitter);
  }
}

TEST(BackoffTest, NoBaseNoPause) {
  for (const Jitter jitter : kJitters) {
    EXPECT_EQ(Delay(Exponential({.base = absl::ZeroDuration(), .jitter = jitter}), 5), 0);
  }
}

TEST(BackoffTest, TheShortestBaseIsAPause) {
  EXPECT_EQ(Constant(absl::Nanoseconds(1) / 4).PlainNanos(1), 1);
}

std::string Complaint(const Backoff& backoff) {
  const absl::Status status = backoff.Validate("Retry");
  EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(BackoffTest, AcceptsWhatMakesSense) {
  EXPECT_EQ(Complaint({}), "");
  EXPECT_EQ(Complaint(Constant(absl::Hours(1))), "");
  EXPECT_EQ(Complaint(Exponential({.base = absl::ZeroDuration(), .cap = absl::ZeroDuration()})),
            "");
  EXPECT_EQ(Complaint(Exponential({.multiplier = 1, .cap = absl::InfiniteDuration()})), "");
  EXPECT_EQ(Complaint(Exponential({.jitter = Jitter::kProportional, .jitter_fraction = 0})), "");
}

TEST(BackoffTest, NamesTheFieldThatMakesNoSense) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Complaint(Exponential({.base = absl::Milliseconds(-5)})),
            "Retry.backoff.base is -5ms; it must not be negative");
  EXPECT_EQ(Complaint(Constant(absl::InfiniteDuration())),
            "Retry.backoff.base is inf; it must be finite");
  EXPECT_EQ(Complaint(Exponential({.cap = absl::Milliseconds(10)})),
            "Retry.backoff.cap is 10ms; it must not be below base, which is 50ms");
  EXPECT_EQ(Complaint(Exponential({.multiplier = 0.5})),
            "Retry.backoff.multiplier is 0.5; it must be finite and at least 1");
  EXPECT_EQ(Complaint(Exponential({.multiplier = nan})),
            "Retry.backoff.multiplier is nan; it must be finite and at least 1");
  EXPECT_EQ(Complaint(Exponential({.multiplier = inf})),
            "Retry.backoff.multiplier is inf; it must be finite and at least 1");
  EXPECT_EQ(Complaint(Exponential({.jitter_fraction = nan})),
            "Retry.backoff.jitter_fraction is nan; it must be from 0 to 1");
  EXPECT_EQ(Complaint(Exponential({.jitter_fraction = -0.1})),
            "Retry.backoff.jitter_fraction is -0.1; it must be from 0 to 1");
  EXPECT_EQ(Complaint(Exponential({.jitter_fraction = 1.5})),
            "Retry.backoff.jitter_fraction is 1.5; it must be from 0 to 1");
  EXPECT_EQ(Complaint(Constant(absl::Seconds(1), Jitter::kDecorrelated)),
            "Retry.backoff.jitter is kDecorrelated; it must be another one where kind isn't "
            "kExponential");
  Backoff backoff;
  backoff.kind = static_cast<Backoff::Kind>(9);
  EXPECT_EQ(Complaint(backoff),
            "Retry.backoff.kind is 9; it must be kConstant, kLinear or kExponential");
  backoff = {};
  backoff.jitter = static_cast<Jitter>(9);
  EXPECT_EQ(Complaint(backoff),
            "Retry.backoff.jitter is 9; it must be kNone, kFull, kEqual, kDecorrelated, "
            "kProportional, kUpward or kSmooth");
  EXPECT_EQ(Complaint(Constant(absl::Seconds(1), Jitter::kUpward)),
            "Retry.backoff.jitter is kUpward; it must be another one where kind isn't "
            "kExponential");
  EXPECT_EQ(Complaint(Exponential({.multiplier = 3, .jitter = Jitter::kSmooth})),
            "Retry.backoff.jitter is kSmooth; it must be another one where kind isn't "
            "kExponential with multiplier 2");
  EXPECT_EQ(Complaint(CustomBackoff(nullptr)),
            "Retry.backoff.function is empty; it must be callable");
  EXPECT_EQ(Complaint(CustomBackoff([](const BackoffTurn&) { return absl::Seconds(1); },
                                    -absl::Seconds(1))),
            "Retry.backoff.cap is -1s; it must not be negative");
}

// gRFC A6: min(initial * m^(n-1), max) times a random number from 0.8 to 1.2.
TEST(BackoffTest, GrpcsSpreadsByAFifth) {
  const Backoff backoff = GrpcBackoff(absl::Seconds(1), absl::Seconds(120), 1.6);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(1), 0), 800'000'000);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(2), 0.5), 1'600'000'000);
  EXPECT_EQ(internal::Jittered(backoff, backoff.PlainNanos(100), 1), 144'000'000'000);
}

// google-cloud-cpp, ExponentialBackoffPolicy: from the current delay to the next one, and at the
// largest still over a whole range.
TEST(BackoffTest, GoogleCloudsRangeSurvivesTheLargestDelay) {
  const Backoff backoff = GoogleCloudBackoff(absl::Seconds(1), absl::Seconds(10), 2);
  const auto range = [&](int attempts) {
    const int64_t plain = backoff.PlainNanos(attempts);
    return std::pair(absl::Nanoseconds(internal::Jittered(backoff, plain, 0)),
                     absl::Nanoseconds(internal::Jittered(backoff, plain, 1)));
  };
  EXPECT_EQ(range(1), std::pair(absl::Seconds(1), absl::Seconds(2)));
  EXPECT_EQ(range(2), std::pair(absl::Seconds(2), absl::Seconds(4)));
  EXPECT_EQ(range(4), std::pair(absl::Seconds(8), absl::Seconds(10)));
  EXPECT_EQ(range(5), std::pair(absl::Seconds(5), absl::Seconds(10)));
  EXPECT_EQ(range(50), std::pair(absl::Seconds(5), absl::Seconds(10)));
}

// Polly, RetryHelper.DecorrelatedJitterBackoffV2 with draws of a half.
TEST(BackoffTest, PollysStepsAlongItsCurve) {
  const Backoff backoff = PollyBackoff(absl::Seconds(1), absl::InfiniteDuration());
  const double expected[] = {0.8974049355792, 1.093003547381679, 2.0357479626216333,
                             4.0459794227837556, 8.083631609820253};
  for (int n = 0; n < 5; ++n) {
    EXPECT_NEAR(static_cast<double>(internal::Smooth(backoff, n + 1, 0.5, 0.5)), 1e9 * expected[n],
                1)
        << n;
  }
  EXPECT_EQ(internal::Smooth(backoff, 1, 0, 0), 1) << "never nothing";
  EXPECT_GT(internal::Smooth(backoff, std::numeric_limits<int>::max(), 0, 0.5), kMax / 2);
}

TEST(BackoffTest, NoDelayIsLongerThanTheLongest) {
  for (const Jitter jitter : kJitters) {
    const Backoff backoff =
        Exponential({.base = absl::Seconds(1), .cap = absl::Seconds(10), .jitter = jitter});
    for (int attempts = 1; attempts <= 8; ++attempts) {
      int64_t longest = 0;
      for (uint64_t seed = 1; seed <= 2000; ++seed) {
        longest = std::max(longest, Delay(backoff, attempts, seed));
      }
      EXPECT_LE(longest, backoff.LongestNanos(attempts)) << static_cast<int>(jitter);
      EXPECT_GT(longest, backoff.LongestNanos(attempts) * 3 / 4) << static_cast<int>(jitter);
    }
  }
}

TEST(BackoffTest, AFunctionOfOnesOwn) {
  const Outcome failed = FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED);
  const Backoff backoff = CustomBackoff(
      [](const BackoffTurn& turn) {
        EXPECT_EQ(turn.last->error, ECONNREFUSED);
        return absl::Milliseconds(100) * turn.attempts * (1 + turn.draw);
      },
      absl::Seconds(1));
  const View view = RetryView(failed, 3, 42);
  EXPECT_NEAR(static_cast<double>(backoff.DelayNanos(view)), 300e6 * (1 + view.Uniform()), 1);
  EXPECT_EQ(absl::Nanoseconds(backoff.DelayNanos(RetryView(failed, 100))), absl::Seconds(1));
  EXPECT_EQ(absl::Nanoseconds(backoff.LongestNanos(1)), absl::Seconds(1));
}

TEST(BackoffTest, AFunctionsResultIsHeldToItsRange) {
  const auto says = [](absl::Duration pause) {
    return Delay(CustomBackoff([pause](const BackoffTurn&) { return pause; }), 1);
  };
  EXPECT_EQ(says(-absl::Seconds(1)), 0);
  EXPECT_EQ(says(-absl::InfiniteDuration()), 0);
  EXPECT_EQ(says(absl::InfiniteDuration()), kMax);
  EXPECT_EQ(says(absl::Nanoseconds(1) / 4), 1);
}

TEST(BackoffTest, AFunctionIsNoneUntilOneIsGiven) {
  EXPECT_FALSE(Backoff().function);
  BackoffFunction given([](const BackoffTurn& turn) { return absl::Seconds(turn.attempts); });
  ASSERT_TRUE(given);
  EXPECT_FALSE(given.empty());
  BackoffFunction copy = given;
  EXPECT_EQ(copy({.attempts = 3, .draw = 0, .last = nullptr}), absl::Seconds(3));
  const BackoffFunction moved = std::move(given);
  EXPECT_EQ(moved({.attempts = 4, .draw = 0, .last = nullptr}), absl::Seconds(4));
  copy = BackoffFunction();
  EXPECT_FALSE(copy);
}

// As one writes it, with an option that may throw: optimized, g++ 12 must not warn of it.
TEST(BackoffTest, IsWrittenWithinAList) {
  const PolicyList policies = {Retry({.max_attempts = 5,
                                      .backoff = Constant(absl::Milliseconds(100)),
                                      .retry_on = OnAnyFailure()})};
  EXPECT_EQ(policies.front()->Validate(), absl::OkStatus());
}

TEST(BackoffTest, SaysWhatItIs) {
  EXPECT_EQ(Exponential().ToString(), "50ms, doubled each time, at most 20s, with full jitter");
  EXPECT_EQ(Constant(absl::Seconds(1)).ToString(), "1s, without jitter");
  EXPECT_EQ(Linear(absl::Seconds(1), absl::InfiniteDuration()).ToString(),
            "1s, as much more each time, with full jitter");
  EXPECT_EQ(GrpcBackoff(absl::Seconds(1), absl::Seconds(9), 1.6).ToString(),
            "1s, times 1.6 each time, at most 9s, with proportional jitter");
  EXPECT_EQ(Decorrelated(absl::Seconds(1)).ToString(),
            "1s, doubled each time, at most 20s, with decorrelated jitter");
  EXPECT_EQ(PollyBackoff(absl::Seconds(1)).ToString(),
            "1s, doubled each time, at most 20s, with smooth jitter");
  EXPECT_EQ(GoogleCloudBackoff(absl::Seconds(1), absl::Seconds(9)).ToString(),
            "1s, doubled each time, at most 9s, with upward jitter");
  EXPECT_EQ(CustomBackoff([](const BackoffTurn&) { return absl::Seconds(1); }, absl::Seconds(5))
                .ToString(),
            "as a function says, at most 5s");
}

}  // namespace
}  // namespace redial
