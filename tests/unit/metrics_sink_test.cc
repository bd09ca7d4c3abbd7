#include "redial/metrics_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/call.h"
#include "redial/policies/bulkhead.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/metrics.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/testing/virtual_runtime.h"
#include "src/core/strings.h"

namespace redial {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using testing::VirtualRuntime;

// Keeps a line for each: "name{label=value,…}" and what it says.
class Kept final : public MetricsSink {
 public:
  void Write(const Metric& metric) override {
    EXPECT_FALSE(metric.help.empty()) << metric.name;
    std::string key(metric.name);
    for (const MetricLabel& label : metric.labels) {
      absl::StrAppend(&key, &label == metric.labels.data() ? "{" : ",",
                      internal::ToAbsl(label.name), "=", internal::ToAbsl(label.value));
    }
    if (!metric.labels.empty()) key += "}";
    EXPECT_TRUE(lines_.emplace(key, Said(metric)).second) << key << " is there twice";
  }
  const std::map<std::string, std::string>& lines() const { return lines_; }

 private:
  static std::string Said(const Metric& metric) {
    if (metric.type == Metric::Type::kCounter) return absl::StrCat("counter ", metric.value);
    if (metric.type == Metric::Type::kGauge) return absl::StrCat("gauge ", metric.value);
    EXPECT_EQ(metric.counts.size(), metric.bounds.size() + 1) << metric.name;
    std::string buckets;
    for (size_t i = 0; i < metric.counts.size(); ++i) {
      if (metric.counts[i] == 0) continue;
      absl::StrAppend(&buckets, metric.counts[i],
                      i < metric.bounds.size() ? absl::StrCat(" up to ", metric.bounds[i])
                                               : std::string(" above"),
                      ", ");
    }
    return absl::StrCat(buckets, "sum ", metric.sum);
  }

  std::map<std::string, std::string> lines_;
};

PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

TEST(MetricsSinkTest, GetsWhatMetricsCounts) {
  VirtualRuntime runtime;
  const PolicySet set =
      Set({Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())}),
           Metrics({.buckets = {absl::Milliseconds(10), absl::Milliseconds(25)}})});
  int attempts = 0;
  const absl::Status status = Call({.idempotent = true}, set, [&] {
    runtime.Advance(absl::Milliseconds(10));
    return ++attempts == 3 ? absl::OkStatus() : absl::UnavailableError("down");
  });
  ASSERT_TRUE(status.ok()) << status;

  Kept kept;
  WriteMetrics(set, kept);
  EXPECT_THAT(
      kept.lines(),
      ::testing::UnorderedElementsAre(
          Pair("redial_calls_total{result=OK}", "counter 1"),
          Pair("redial_attempts_total{result=OK}", "counter 1"),
          Pair("redial_attempts_total{result=UNAVAILABLE}", "counter 2"),
          Pair("redial_retries_total{reason=UNAVAILABLE}", "counter 2"),
          Pair("redial_hedges_total", "counter 0"),
          Pair("redial_call_attempts", "1 up to 3, sum 3"),
          Pair("redial_call_duration_seconds{outcome=ok}", "1 above, sum 0.03"),
          Pair("redial_call_duration_seconds{outcome=failed}", "sum 0"),
          Pair("redial_attempt_duration_seconds{outcome=ok}", "1 up to 0.01, sum 0.01"),
          Pair("redial_attempt_duration_seconds{outcome=failed}", "2 up to 0.01, sum 0.02")));
}

TEST(MetricsSinkTest, GetsTheStateOfPolicies) {
  Kept kept;
  WriteMetrics(Set({CircuitBreaker({.label = "one"}), RetryBudget()}), kept);
  EXPECT_THAT(kept.lines(),
              IsSupersetOf({Pair("redial_circuit_breaker_state{label=one,state=closed}", "gauge 1"),
                            Pair("redial_circuit_breaker_state{label=one,state=open}", "gauge 0"),
                            Pair("redial_circuit_breaker_opened_total{label=one}", "counter 0"),
                            Pair("redial_retry_budget_tokens", "gauge 2")}));
}

TEST(MetricsSinkTest, LabelsThatAreGivenComeWithEverything) {
  Kept kept;
  WriteMetrics(
      {{Set({CircuitBreaker({.label = "one"}), Metrics()}), {{"client", "cache"}, {"zone", "b"}}}},
      kept);
  for (const auto& [key, said] : kept.lines()) {
    EXPECT_THAT(key, ::testing::HasSubstr("client=cache,")) << said;
    EXPECT_THAT(key, ::testing::HasSubstr("zone=b")) << said;
  }
  EXPECT_THAT(
      kept.lines(),
      IsSupersetOf({Key("redial_circuit_breaker_opened_total{client=cache,label=one,zone=b}"),
                    Key("redial_hedges_total{client=cache,zone=b}")}));
}

TEST(MetricsSinkTest, WhatNothingElseTellsApartIsNumbered) {
  Kept kept;
  WriteMetrics(Set({RetryBudget({.initial_tokens = 1}), RetryBudget({.initial_tokens = 1}),
                    Bulkhead({.label = "a", .max_concurrent = 1}),
                    Bulkhead({.label = "b", .max_concurrent = 2})}),
               kept);
  EXPECT_THAT(kept.lines(), IsSupersetOf({Pair("redial_retry_budget_tokens", "gauge 1"),
                                          Pair("redial_retry_budget_tokens{number=2}", "gauge 1"),
                                          Pair("redial_bulkhead_permits{label=a}", "gauge 1"),
                                          Pair("redial_bulkhead_permits{label=b}", "gauge 2")}));
}

// Once, under what its clients have in common: a sum must not count it twice.
TEST(MetricsSinkTest, WhatClientsShareIsWrittenOnce) {
  const auto budget = RetryBudget();
  Kept kept;
  WriteMetrics({{Set({budget, Metrics()}), {{"client", "a"}, {"target", "cache"}}},
                {Set({Metrics(), budget}), {{"client", "b"}, {"target", "cache"}}}},
               kept);
  EXPECT_THAT(kept.lines(), IsSupersetOf({Key("redial_retry_budget_tokens{target=cache}"),
                                          Key("redial_hedges_total{client=a,target=cache}"),
                                          Key("redial_hedges_total{client=b,target=cache}")}));
  EXPECT_THAT(kept.lines(),
              Not(Contains(Key("redial_retry_budget_tokens{client=a,target=cache}"))));
}

class Named final : public Policy {
 public:
  Named(std::string_view name, Gauge gauge) : Policy({.name = name}), gauge_(gauge) {}
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override { visit(gauge_); }

 private:
  const Gauge gauge_;
};

// Names that differ may become the same.
TEST(MetricsSinkTest, PoliciesOfOnesOwnAppear) {
  Kept kept;
  WriteMetrics(Set({std::make_shared<Named>("A-B", Gauge{.name = "x", .value = 1}),
                    std::make_shared<Named>("A_B", Gauge{.name = "x", .value = 1}),
                    std::make_shared<Named>("C", Gauge{.name = "seenTotal", .counts_up = true})}),
               kept);
  EXPECT_THAT(kept.lines(),
              ::testing::UnorderedElementsAre(Pair("redial_a_b_x", "gauge 1"),
                                              Pair("redial_a_b_x{number=2}", "gauge 1"),
                                              Pair("redial_c_seen_total", "counter 0")));
}

#if defined(__cpp_exceptions)

class Thrower final : public MetricsSink {
 public:
  void Write(const Metric&) override { throw std::runtime_error("full"); }
};

TEST(MetricsSinkTest, WhatASinkThrowsGoesThrough) {
  const PolicySet set = Set({CircuitBreaker(), Metrics(), RetryBudget()});
  Thrower thrower;
  EXPECT_THROW(WriteMetrics(set, thrower), std::runtime_error);
  Kept kept;
  WriteMetrics(set, kept);
  EXPECT_THAT(kept.lines(), Contains(Key("redial_retry_budget_tokens")));
}

#endif  // __cpp_exceptions

}  // namespace
}  // namespace redial
