#include "redial/policies/chaos.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "redial/policy_set.h"

namespace redial {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using Kind = Fault::Kind;

ChaosOptions Switched(ChaosOptions options) {
  options.i_know_this_breaks_calls = true;
  return options;
}
View FirstView(uint64_t seed) {
  View view;
  view.seed = seed;
  view.identity = 7;
  return view;
}
std::vector<Kind> Ends(const Policy& chaos, uint64_t calls = 200) {
  std::vector<Kind> ends;
  ends.reserve(calls);
  for (uint64_t seed = 0; seed < calls; ++seed) ends.push_back(chaos.Disrupt(FirstView(seed)).kind);
  return ends;
}

TEST(ChaosTest, NeedsItsSwitch) {
  const absl::Status status = PolicySet::Create({Chaos({.error_probability = 0.1})}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "Chaos.i_know_this_breaks_calls is false; it must be true: Chaos makes calls fail on "
            "purpose, for tests and staging");
  EXPECT_TRUE(PolicySet::Create({Chaos({.i_know_this_breaks_calls = true})}).ok());
}

TEST(ChaosTest, SaysWhichOptionMakesNoSense) {
  const struct {
    ChaosOptions options;
    const char* message;
  } cases[] = {
      {{.latency_probability = 1.5}, "Chaos.latency_probability is 1.5; it must be from 0 to 1"},
      {{.error_probability = -0.1}, "Chaos.error_probability is -0.1; it must be from 0 to 1"},
      {{.reset_probability = std::nan("")},
       "Chaos.reset_probability is NaN; it must be from 0 to 1"},
      {{.stall_probability = 2}, "Chaos.stall_probability is 2; it must be from 0 to 1"},
      {{.error_probability = 0.5, .reset_probability = 0.5, .stall_probability = 0.25},
       "Chaos.error_probability + reset_probability + stall_probability is 1.25; it must be at "
       "most 1: an attempt ends in one way"},
      {{.min_latency = absl::Seconds(-1)}, "Chaos.min_latency is -1s; it must not be negative"},
      {{.min_latency = absl::Seconds(2)},
       "Chaos.max_latency is 1s; it must be at least min_latency, 2s"},
      {{.max_latency = absl::InfiniteDuration()},
       "Chaos.max_latency is inf; it must be finite; stall_probability is for what never ends"},
      {{.error_code = absl::StatusCode::kOk},
       "Chaos.error_code is OK; it must be the code of an error"},
  };
  for (const auto& c : cases) {
    const absl::Status status = PolicySet::Create({Chaos(Switched(c.options))}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), c.message);
  }
}

TEST(ChaosTest, ASumOfTenthsMayBeOne) {
  for (int error = 0; error <= 10; ++error) {
    for (int reset = 0; error + reset <= 10; ++reset) {
      const ChaosOptions options = {.i_know_this_breaks_calls = true,
                                    .error_probability = error * 0.1,
                                    .reset_probability = reset * 0.1,
                                    .stall_probability = (10 - error - reset) * 0.1};
      EXPECT_EQ(Chaos(options)->Validate(), absl::OkStatus()) << error << ' ' << reset;
    }
  }
}

TEST(ChaosTest, IsQuietUntilAProbabilityIsSet) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true});
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Fault fault = chaos->Disrupt(FirstView(seed));
    ASSERT_EQ(fault.kind, Kind::kNone);
    ASSERT_EQ(fault.delay_nanos, 0);
  }
}

TEST(ChaosTest, KeepsToItsProbabilities) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .latency_probability = 0.5,
                            .error_probability = 0.1,
                            .reset_probability = 0.2,
                            .stall_probability = 0.3});
  constexpr int kCalls = 100'000;
  std::map<Kind, int> ends;
  int delays = 0;
  int delayed_errors = 0;
  for (int seed = 0; seed < kCalls; ++seed) {
    const Fault fault = chaos->Disrupt(FirstView(static_cast<uint64_t>(seed)));
    ++ends[fault.kind];
    delays += fault.delay_nanos > 0 ? 1 : 0;
    delayed_errors += fault.kind == Kind::kError && fault.delay_nanos > 0 ? 1 : 0;
  }
  EXPECT_NEAR(ends[Kind::kError], 0.1 * kCalls, 400);
  EXPECT_NEAR(ends[Kind::kReset], 0.2 * kCalls, 600);
  EXPECT_NEAR(ends[Kind::kStall], 0.3 * kCalls, 700);
  EXPECT_NEAR(delays, 0.5 * kCalls, 700);
  EXPECT_NEAR(delayed_errors, 0.05 * kCalls, 300) << "drawn independently";

  const ChaosPolicy::Snapshot snapshot = chaos->snapshot();
  EXPECT_EQ(snapshot.errors, ends[Kind::kError]);
  EXPECT_EQ(snapshot.resets, ends[Kind::kReset]);
  EXPECT_EQ(snapshot.stalls, ends[Kind::kStall]);
  EXPECT_EQ(snapshot.delays, delays);
}

TEST(ChaosTest, OneIsAlways) {
  for (const auto& [options, kind] :
       {std::pair(ChaosOptions{.error_probability = 1}, Kind::kError),
        std::pair(ChaosOptions{.reset_probability = 1}, Kind::kReset),
        std::pair(ChaosOptions{.stall_probability = 1}, Kind::kStall)}) {
    const auto chaos = Chaos(Switched(options));
    EXPECT_THAT(Ends(*chaos, 1000), ::testing::Each(kind));
  }
}

TEST(ChaosTest, DelaysSpreadBetweenTheirLimits) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .latency_probability = 1,
                            .min_latency = absl::Milliseconds(100),
                            .max_latency = absl::Milliseconds(300)});
  int64_t shortest = INT64_MAX;
  int64_t longest = 0;
  int64_t sum = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const int64_t delay = chaos->Disrupt(FirstView(seed)).delay_nanos;
    shortest = std::min(shortest, delay);
    longest = std::max(longest, delay);
    sum += delay;
  }
  EXPECT_GE(shortest, 100'000'000);
  EXPECT_LT(shortest, 101'000'000);
  EXPECT_LE(longest, 300'000'000);
  EXPECT_GT(longest, 299'000'000);
  EXPECT_NEAR(static_cast<double>(sum) / 1000, 200e6, 6e6);
}

TEST(ChaosTest, SameSeedsSameFaults) {
  const ChaosOptions options = {
      .i_know_this_breaks_calls = true, .error_probability = 0.5, .seed = 1};
  ChaosOptions reseeded = options;
  reseeded.seed = 2;
  ChaosOptions unseeded = options;
  unseeded.seed = std::nullopt;
  const std::vector<Kind> ends = Ends(*Chaos(options));
  EXPECT_EQ(Ends(*Chaos(options)), ends);
  EXPECT_NE(Ends(*Chaos(reseeded)), ends);
  EXPECT_NE(Ends(*Chaos(unseeded)), ends);
  EXPECT_EQ(Ends(*Chaos(unseeded)), Ends(*Chaos(unseeded)));
}

TEST(ChaosTest, EachAttemptIsDrawnForAnew) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true, .error_probability = 0.5});
  int differ = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    View second = FirstView(seed);
    second.kind = AttemptKind::kRetry;
    second.attempts = 1;
    differ += chaos->Disrupt(FirstView(seed)).kind != chaos->Disrupt(second).kind ? 1 : 0;
  }
  EXPECT_NEAR(differ, 500, 60);
}

TEST(ChaosTest, FaultsJoinInAnyOrder) {
  const Fault late = {.delay_nanos = 5, .by = "A", .delayed_by = "A"};
  const Fault later = {.delay_nanos = 9, .by = "B", .delayed_by = "B"};
  const Fault reset = {.kind = Kind::kReset, .delay_nanos = 1, .by = "A", .delayed_by = "A"};
  const Fault busy = {
      .kind = Kind::kError, .code = absl::StatusCode::kResourceExhausted, .by = "A"};
  const Fault down = {.kind = Kind::kError, .code = absl::StatusCode::kUnavailable, .by = "B"};
  const Fault stall = {.kind = Kind::kStall, .by = "A"};
  const std::vector<Fault> all = {{}, late, later, reset, busy, down, stall};
  const auto told = [](const Fault& f) {
    return std::tuple(f.kind, f.code, f.delay_nanos, f.by, f.delayed_by);
  };
  for (const Fault& a : all) {
    EXPECT_EQ(told(Join(a, Fault{})), told(a));
    for (const Fault& b : all) {
      EXPECT_EQ(told(Join(a, b)), told(Join(b, a)));
      for (const Fault& c : all) EXPECT_EQ(told(Join(a, Join(b, c))), told(Join(Join(a, b), c)));
    }
  }
  EXPECT_EQ(Join(reset, later).kind, Kind::kReset);
  EXPECT_EQ(Join(reset, later).delay_nanos, 9);
  EXPECT_EQ(Join(reset, later).by, "A");
  EXPECT_EQ(Join(reset, later).delayed_by, "B");
  EXPECT_EQ(Join(down, stall).kind, Kind::kStall);
}

TEST(ChaosTest, CanBeSwitchedOff) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true, .error_probability = 1});
  EXPECT_TRUE(chaos->snapshot().enabled);
  chaos->set_enabled(false);
  EXPECT_FALSE(chaos->snapshot().enabled);
  EXPECT_THAT(Ends(*chaos, 100), ::testing::Each(Kind::kNone));
  EXPECT_EQ(chaos->snapshot().errors, 0);
  chaos->set_enabled(true);
  EXPECT_THAT(Ends(*chaos, 100), ::testing::Each(Kind::kError));
  EXPECT_EQ(chaos->snapshot().errors, 100);
}

TEST(ChaosTest, ReconfiguresForCallsThatBeginAfterwards) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true, .error_probability = 1});
  View begun = FirstView(1);
  begun.config = chaos->CurrentConfig();
  ASSERT_EQ(chaos->Reconfigure({.i_know_this_breaks_calls = true, .stall_probability = 1}),
            absl::OkStatus());
  EXPECT_EQ(chaos->Disrupt(begun).kind, Kind::kError);
  EXPECT_EQ(chaos->Disrupt(FirstView(1)).kind, Kind::kStall);

  const absl::Status bad = chaos->Reconfigure({.stall_probability = 0});
  EXPECT_THAT(std::string(bad.message()), HasSubstr("Chaos.i_know_this_breaks_calls is false"));
  EXPECT_EQ(chaos->Disrupt(FirstView(1)).kind, Kind::kStall) << "nothing has changed";
  EXPECT_EQ(chaos->snapshot().errors, 1) << "and nothing was lost";
}

TEST(ChaosTest, Describes) {
  const auto described = [](const ChaosPolicy& chaos) {
    Description d;
    chaos.Describe(d);
    return d;
  };
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .latency_probability = 0.05,
                            .error_probability = 0.07,
                            .error_code = absl::StatusCode::kInternal,
                            .reset_probability = 0.5,
                            .stall_probability = 0.001});
  EXPECT_THAT(described(*chaos).does,
              ElementsAre("makes attempts go wrong on purpose, for tests and staging",
                          "delays 5% of attempts by 100ms to 1s",
                          "fails 7% of attempts with INTERNAL, unrun",
                          "loses the answers of 50% of attempts",
                          "lets 0.1% of attempts hang until their deadline"));
  EXPECT_THAT(described(*chaos).warnings, IsEmpty());
  EXPECT_EQ(described(*chaos).shares, "its switch");

  const auto quiet = Chaos({.i_know_this_breaks_calls = true});
  EXPECT_THAT(described(*quiet).warnings,
              ElementsAre("Chaos has no probability set: nothing goes wrong."));
  quiet->set_enabled(false);
  EXPECT_THAT(described(*quiet).does, Contains("is switched off now"));
}

TEST(ChaosTest, Measures) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .latency_probability = 0.5,
                            .error_probability = 0.2,
                            .reset_probability = 0.3,
                            .stall_probability = 0.4});
  (void)Ends(*chaos);
  const auto measured = [&] {
    std::map<std::string, double> values;
    chaos->Measure([&](const Gauge& gauge) {
      EXPECT_EQ(gauge.counts_up, gauge.name != "enabled") << gauge.name;
      values[std::string(gauge.name)] = gauge.value;
    });
    return values;
  };
  const ChaosPolicy::Snapshot s = chaos->snapshot();
  EXPECT_THAT(measured(),
              ElementsAre(Pair("delays", s.delays), Pair("enabled", 1), Pair("errors", s.errors),
                          Pair("resets", s.resets), Pair("stalls", s.stalls)));
  EXPECT_GT(s.errors, 0);
  chaos->set_enabled(false);
  EXPECT_EQ(measured()["enabled"], 0);
}

// Of two configurations that have nothing in common: a fault is of one of them, never of both.
TEST(ChaosTest, ThreadsCountEveryFault) {
  constexpr absl::Duration kLate = absl::Milliseconds(1);
  const ChaosOptions late_and_aborted = {.i_know_this_breaks_calls = true,
                                         .latency_probability = 1,
                                         .min_latency = kLate,
                                         .max_latency = kLate,
                                         .error_probability = 1,
                                         .error_code = absl::StatusCode::kAborted};
  const ChaosOptions stalled = {.i_know_this_breaks_calls = true, .stall_probability = 1};
  const auto chaos = Chaos(stalled);
  std::atomic<int64_t> errors = 0;
  std::atomic<int64_t> stalls = 0;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 5000; ++i) {
        const Fault fault = chaos->Disrupt(FirstView(t * 5000 + i));
        if (fault.kind == Kind::kStall) {
          ++stalls;
          EXPECT_EQ(fault.delay_nanos, 0);
        } else {
          ++errors;
          EXPECT_EQ(fault.kind, Kind::kError);
          EXPECT_EQ(fault.code, absl::StatusCode::kAborted);
          EXPECT_EQ(fault.delay_nanos, ToNanos(kLate));
        }
        if (i % 10 == t) {
          EXPECT_TRUE(chaos->Reconfigure(i % 20 < 10 ? late_and_aborted : stalled).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(errors + stalls, 20'000);
  EXPECT_GT(errors, 0);
  EXPECT_EQ(chaos->snapshot().errors, errors);
  EXPECT_EQ(chaos->snapshot().delays, errors);
  EXPECT_EQ(chaos->snapshot().stalls, stalls);
}

}  // namespace
}  // namespace redial
