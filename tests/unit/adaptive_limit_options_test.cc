// What AdaptiveLimit makes of its options, also of new ones, and what it says of itself.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/description.h"
#include "redial/policies/adaptive_limit.h"
#include "redial/policy_set.h"
#include "src/core/strings.h"
#include "tests/support/limit_load.h"
#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Hourly;
using testing::LimitLoad;

constexpr absl::Duration kUsual = absl::Seconds(1);

AdaptiveLimitOptions Vegas() { return Hourly({.algorithm = LimitAlgorithm::kVegas}); }

TEST(AdaptiveLimitOptionsTest, ReconfiguresWithoutLosingWhatItLearned) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  for (int i = 0; i < 5; ++i) load.PlayWindow(20, kUsual);
  ASSERT_EQ(limit->snapshot().limit, 25);
  AdaptiveLimitOptions options = Vegas();
  options.initial_limit = options.max_limit = 24;
  const std::vector<Token> old = load.TakeAll(1);
  ASSERT_TRUE(limit->Reconfigure(options).ok());
  EXPECT_EQ(limit->snapshot().limit, 24) << "as far as the bounds let it";
  EXPECT_EQ(limit->snapshot().usual_rtt, kUsual);
  load.Pass(absl::Hours(2));
  load.Settle(old, 9 * kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, kUsual) << "lowered: another epoch";

  options.max_limit = 100;
  options.initial_limit = 7;
  ASSERT_TRUE(limit->Reconfigure(options).ok());
  EXPECT_EQ(limit->snapshot().limit, 24) << "the initial limit is for the beginning";
}

TEST(AdaptiveLimitOptionsTest, AReplacementBeginsAnotherWindow) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(20, kUsual);
  load.Settle(load.TakeAll(5), 5 * kUsual, FailedWith(absl::StatusCode::kDeadlineExceeded));
  load.Settle(load.TakeAll(5), 5 * kUsual);
  AdaptiveLimitOptions options = Vegas();
  options.initial_limit = options.max_limit = 20;
  ASSERT_TRUE(limit->Reconfigure(options).ok());
  load.Pass(absl::Hours(2));
  load.Settle(load.TakeAll(1), kUsual);
  EXPECT_EQ(limit->snapshot().limit, 20);
  load.PlayWindow(1, 3 * kUsual);
  EXPECT_EQ(limit->snapshot().latest_rtt, 2 * kUsual) << "of these two";
  EXPECT_EQ(limit->snapshot().limit, 20) << "without a drop";
}

TEST(AdaptiveLimitOptionsTest, AnotherAlgorithmLearnsAnew) {
  const auto limit = AdaptiveLimit(Vegas());
  LimitLoad load(*limit);
  load.PlayWindow(20, kUsual);
  ASSERT_TRUE(limit->Reconfigure(Hourly()).ok());
  EXPECT_EQ(limit->snapshot().limit, 21);
  EXPECT_EQ(limit->snapshot().usual_rtt, absl::ZeroDuration());
  load.PlayWindow(20, 4 * kUsual);
  EXPECT_EQ(limit->snapshot().usual_rtt, 4 * kUsual);
}

TEST(AdaptiveLimitOptionsTest, AReplacementThatMakesNoSenseChangesNothing) {
  const auto limit = AdaptiveLimit();
  const absl::Status bad = limit->Reconfigure({.max_limit = 10});
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bad.message(), "AdaptiveLimit.initial_limit is 20; it must be from 1 to 10");
  LimitLoad load(*limit);
  EXPECT_EQ(load.TakeAll().size(), 20u);
}

TEST(AdaptiveLimitOptionsTest, SaysWhichOptionMakesNoSense) {
  const struct {
    AdaptiveLimitOptions options;
    const char* message;
  } cases[] = {
      {{.min_limit = 0}, "AdaptiveLimit.min_limit is 0; it must be from 1 to 1000000"},
      {{.min_limit = 21}, "AdaptiveLimit.initial_limit is 20; it must be from 21 to 200"},
      {{.initial_limit = 201}, "AdaptiveLimit.initial_limit is 201; it must be from 1 to 200"},
      {{.max_limit = 1000001}, "AdaptiveLimit.max_limit is 1000001; it must be from 1 to 1000000"},
      {{.min_limit = 5, .initial_limit = 5, .max_limit = 4},
       "AdaptiveLimit.max_limit is 4; it must be from 5 to 1000000"},
      {{.window = absl::ZeroDuration()},
       "AdaptiveLimit.window is 0; it must be positive and finite"},
      {{.window = absl::InfiniteDuration()},
       "AdaptiveLimit.window is inf; it must be positive and finite"},
      {{.window_results = 0}, "AdaptiveLimit.window_results is 0; it must be from 1 to 1000000000"},
      {{.tolerance = 0.9}, "AdaptiveLimit.tolerance is 0.9; it must be from 1 to 100"},
      {{.tolerance = std::nan("")}, "AdaptiveLimit.tolerance is NaN; it must be from 1 to 100"},
      {{.queue = -1}, "AdaptiveLimit.queue is -1; it must be from 0 to 1000000"},
  };
  for (const auto& c : cases) {
    const auto set = PolicySet::Create({AdaptiveLimit(c.options)});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(set.status().message(), c.message);
  }
}

TEST(AdaptiveLimitOptionsTest, DescribesItself) {
  Description description;
  AdaptiveLimit()->Describe(description);
  ASSERT_EQ(description.does.size(), 1u);
  EXPECT_EQ(
      description.does[0],
      "refuses attempts above a limit of 1 to 200 in flight, which follows the round-trip times");
  EXPECT_EQ(description.shares, "its limit");
  EXPECT_TRUE(description.warnings.empty());

  Description fixed;
  AdaptiveLimit({.min_limit = 20, .max_limit = 20})->Describe(fixed);
  ASSERT_EQ(fixed.warnings.size(), 1u);
  EXPECT_EQ(fixed.warnings[0],
            "AdaptiveLimit can't adapt: min_limit and max_limit are both 20; a Bulkhead says that "
            "plainly.");
}

TEST(AdaptiveLimitOptionsTest, MeasuresItself) {
  const auto limit = AdaptiveLimit(Hourly({.initial_limit = 10}));
  LimitLoad load(*limit);
  load.PlayWindow(4, kUsual);
  load.PlayWindow(1, 3 * kUsual);
  ASSERT_EQ(load.TakeAll().size(), 10u);
  limit->Refused(View());
  std::string text;
  limit->Measure([&](const Gauge& gauge) {
    absl::StrAppend(&text, internal::ToAbsl(gauge.name), gauge.counts_up ? "+" : "", "=",
                    gauge.value, " ");
  });
  EXPECT_EQ(text, "limit=10 in_flight=10 latest_rtt_seconds=3 usual_rtt_seconds=2 refused+=1 ");
}

}  // namespace
}  // namespace redial
