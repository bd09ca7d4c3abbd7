#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "redial/prometheus.h"
#include "redial/redial.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using testing::VirtualRuntime;

PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

// A number for each series: "name{label=value,…}". Of histograms their counts and sums.
std::map<std::string, double> Read(const PrometheusCollector& collector) {
  std::map<std::string, double> all;
  for (const prometheus::MetricFamily& family : collector.Collect()) {
    EXPECT_FALSE(family.help.empty()) << family.name;
    for (const prometheus::ClientMetric& series : family.metric) {
      std::string labels;
      for (const auto& label : series.label) {
        labels += (labels.empty() ? "{" : ",") + label.name + "=" + label.value;
      }
      if (!labels.empty()) labels += "}";
      const auto put = [&](const std::string& name, double value) {
        EXPECT_TRUE(all.emplace(name + labels, value).second)
            << name << labels << " is there twice";
      };
      if (family.type == prometheus::MetricType::Histogram) {
        put(family.name + "_count", static_cast<double>(series.histogram.sample_count));
        put(family.name + "_sum", series.histogram.sample_sum);
      } else if (family.type == prometheus::MetricType::Counter) {
        put(family.name, series.counter.value);
      } else {
        put(family.name, series.gauge.value);
      }
    }
  }
  return all;
}

// Two attempts of 10 ms that fail, and one that doesn't.
void Play(VirtualRuntime& runtime, const PolicySet& set, bool ends_well) {
  int attempts = 0;
  (void)Call({.operation = "PING", .idempotent = true}, set, [&] {
    runtime.Advance(absl::Milliseconds(10));
    ++attempts;
    return ends_well && attempts == 3 ? absl::OkStatus() : absl::UnavailableError("down");
  });
}
PolicyPtr ThreeAtOnce() {
  return Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())});
}

TEST(PrometheusCollectorTest, ExposesWhatMetricsCounts) {
  VirtualRuntime runtime;
  const PolicySet set = Set({ThreeAtOnce(), Metrics()});
  PrometheusCollector collector;
  ASSERT_TRUE(collector.Add(set, {{"client", "cache"}}).ok());
  Play(runtime, set, true);
  Play(runtime, set, false);
  EXPECT_THAT(Read(collector),
              ::testing::UnorderedElementsAre(
                  Pair("redial_calls_total{client=cache,result=OK}", 1),
                  Pair("redial_calls_total{client=cache,result=UNAVAILABLE}", 1),
                  Pair("redial_attempts_total{client=cache,result=OK}", 1),
                  Pair("redial_attempts_total{client=cache,result=UNAVAILABLE}", 5),
                  Pair("redial_retries_total{client=cache,reason=UNAVAILABLE}", 4),
                  Pair("redial_hedges_total{client=cache}", 0),
                  Pair("redial_failed_calls_total{client=cache,why=exhausted}", 1),
                  Pair("redial_refusals_total{client=cache,policy=Retry}", 1),
                  Pair("redial_call_attempts_count{client=cache}", 2),
                  Pair("redial_call_attempts_sum{client=cache}", 6),
                  Pair("redial_call_duration_seconds_count{client=cache,outcome=ok}", 1),
                  Pair("redial_call_duration_seconds_sum{client=cache,outcome=ok}",
                       ::testing::DoubleEq(0.03)),
                  Pair("redial_call_duration_seconds_count{client=cache,outcome=failed}", 1),
                  Pair("redial_call_duration_seconds_sum{client=cache,outcome=failed}",
                       ::testing::DoubleEq(0.03)),
                  Pair("redial_attempt_duration_seconds_count{client=cache,outcome=ok}", 1),
                  Pair("redial_attempt_duration_seconds_sum{client=cache,outcome=ok}",
                       ::testing::DoubleEq(0.01)),
                  Pair("redial_attempt_duration_seconds_count{client=cache,outcome=failed}", 5),
                  Pair("redial_attempt_duration_seconds_sum{client=cache,outcome=failed}",
                       ::testing::DoubleEq(0.05))));
}

TEST(PrometheusCollectorTest, BucketsAreCumulativeSeconds) {
  VirtualRuntime runtime;
  const auto metrics = Metrics({.buckets = {absl::Milliseconds(20), absl::Milliseconds(30)}});
  const PolicySet set = Set({ThreeAtOnce(), metrics});
  Play(runtime, set, true);
  PrometheusCollector collector;
  ASSERT_TRUE(collector.Add(set).ok());
  for (const prometheus::MetricFamily& family : collector.Collect()) {
    if (family.name == "redial_call_duration_seconds") {
      const auto& buckets = family.metric[0].histogram.bucket;
      ASSERT_EQ(buckets.size(), 3u);
      EXPECT_EQ(buckets[0].upper_bound, 0.02);
      EXPECT_EQ(buckets[0].cumulative_count, 0u);
      EXPECT_EQ(buckets[1].upper_bound, 0.03);
      EXPECT_EQ(buckets[1].cumulative_count, 1u);
      EXPECT_TRUE(std::isinf(buckets[2].upper_bound));
      EXPECT_EQ(buckets[2].cumulative_count, 1u);
    }
    if (family.name == "redial_call_attempts") {
      const auto& buckets = family.metric[0].histogram.bucket;
      ASSERT_EQ(buckets.size(), 10u);
      EXPECT_EQ(buckets[2].upper_bound, 2);
      EXPECT_EQ(buckets[2].cumulative_count, 0u);
      EXPECT_EQ(buckets[3].cumulative_count, 1u);
    }
  }
}

TEST(PrometheusCollectorTest, ExposesTheStateOfPolicies) {
  PrometheusCollector collector;
  ASSERT_TRUE(collector.Add(Set({CircuitBreaker({.label = "one"}), RetryBudget()})).ok());
  const auto read = Read(collector);
  EXPECT_THAT(read, IsSupersetOf({Pair("redial_circuit_breaker_state{label=one,state=closed}", 1),
                                  Pair("redial_circuit_breaker_state{label=one,state=open}", 0),
                                  Pair("redial_circuit_breaker_opened_total{label=one}", 0),
                                  Pair("redial_retry_budget_tokens", 2)}));
  EXPECT_THAT(read, Not(Contains(Key("redial_calls_total{result=OK}"))));
}

// Once, under what its clients have in common: summing the series must not count it twice.
TEST(PrometheusCollectorTest, WhatClientsShareIsExposedOnce) {
  const auto budget = RetryBudget();
  const PolicySet first = Set({budget, Metrics()});
  const PolicySet second = Set({Metrics(), budget});
  PrometheusCollector collector;
  ASSERT_TRUE(collector.Add(first, {{"client", "a"}, {"target", "cache"}}).ok());
  EXPECT_THAT(Read(collector),
              Contains(Pair("redial_retry_budget_tokens{client=a,target=cache}", 2)));
  ASSERT_TRUE(collector.Add(second, {{"client", "b"}, {"target", "cache"}}).ok());
  const auto read = Read(collector);
  EXPECT_THAT(read, IsSupersetOf({Pair("redial_retry_budget_tokens{target=cache}", 2),
                                  Pair("redial_calls_total{client=a,result=OK,target=cache}", 0),
                                  Pair("redial_calls_total{client=b,result=OK,target=cache}", 0)}));
  EXPECT_THAT(read, Not(Contains(Key("redial_retry_budget_tokens{client=a,target=cache}"))));
  EXPECT_THAT(read, Not(Contains(Key("redial_retry_budget_tokens{client=b,target=cache}"))));
}

TEST(PrometheusCollectorTest, WhatNothingElseTellsApartIsNumbered) {
  PrometheusCollector collector;
  ASSERT_TRUE(collector.Add(Set({RetryBudget({.initial_tokens = 1})})).ok());
  ASSERT_TRUE(collector.Add(Set({RetryBudget({.initial_tokens = 2})})).ok());
  EXPECT_THAT(Read(collector), IsSupersetOf({Pair("redial_retry_budget_tokens", 1),
                                             Pair("redial_retry_budget_tokens{number=2}", 2)}));
}

TEST(PrometheusCollectorTest, ASetIsAddedOnceAndCanBeRemoved) {
  PrometheusCollector collector;
  const PolicySet set = Set({RetryBudget()});
  const PolicySet copy = set;
  EXPECT_FALSE(collector.Remove(set));
  ASSERT_TRUE(collector.Add(set).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(collector.Add(copy, {{"client", "b"}})));
  EXPECT_FALSE(collector.Collect().empty());
  EXPECT_TRUE(collector.Remove(copy));
  EXPECT_TRUE(collector.Collect().empty());
}

TEST(PrometheusCollectorTest, KeepsTheCountsOfAClientThatIsGone) {
  PrometheusCollector collector;
  {
    VirtualRuntime runtime;
    const PolicySet set = Set({ThreeAtOnce(), Metrics()});
    ASSERT_TRUE(collector.Add(set).ok());
    Play(runtime, set, true);
  }
  EXPECT_THAT(Read(collector), Contains(Pair("redial_calls_total{result=OK}", 1)));
}

class Named final : public Policy {
 public:
  Named(std::string_view name, std::string_view gauge) : Policy({.name = name}), gauge_(gauge) {}
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override {
    visit({.name = gauge_, .value = 1});
  }

 private:
  const std::string_view gauge_;
};

TEST(PrometheusCollectorTest, NamesAreInSnakeCase) {
  const struct {
    std::string_view policy;
    std::string_view gauge;
    const char* name;
  } cases[] = {
      {"RateLimit", "tokens", "redial_rate_limit_tokens"},
      {"HTTPLimit", "queueSize", "redial_http_limit_queue_size"},
      {"my own-policy!", "_odd__", "redial_my_own_policy_odd"},
      {"V2", "%", "redial_v2_unnamed"},
  };
  for (const auto& c : cases) {
    PrometheusCollector collector;
    ASSERT_TRUE(collector.Add(Set({std::make_shared<Named>(c.policy, c.gauge)})).ok());
    EXPECT_THAT(Read(collector), Contains(Key(c.name)));
  }
}

// Names that differ may be the same to Prometheus.
TEST(PrometheusCollectorTest, NamesThatBecomeOneAreNumbered) {
  PrometheusCollector collector;
  ASSERT_TRUE(
      collector.Add(Set({std::make_shared<Named>("A-B", "x"), std::make_shared<Named>("A_B", "x")}))
          .ok());
  EXPECT_THAT(Read(collector),
              IsSupersetOf({Pair("redial_a_b_x", 1), Pair("redial_a_b_x{number=2}", 1)}));
}

TEST(PrometheusCollectorTest, SaysWhichLabelIsntAllowed) {
  PrometheusCollector collector;
  const std::pair<const char*, const char*> cases[] = {
      {"", "the label name '' isn't one of Prometheus's: letters, digits and _, no digit first"},
      {"2nd",
       "the label name '2nd' isn't one of Prometheus's: letters, digits and _, no digit first"},
      {"a-b",
       "the label name 'a-b' isn't one of Prometheus's: letters, digits and _, no digit first"},
      {"__name__", "the label name '__name__' is Prometheus's own: it begins with __"},
      {"state", "the label 'state' is one that redial sets itself"},
      {"le", "the label 'le' is one that redial sets itself"},
  };
  for (const auto& [name, message] : cases) {
    const absl::Status status = collector.Add(PolicySet(), {{name, "x"}});
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << name;
    EXPECT_EQ(std::string(status.message()), message);
  }
  EXPECT_TRUE(collector.Add(PolicySet(), {{"Client_1", "any \"value\" will do\n"}}).ok());
}

TEST(PrometheusCollectorTest, ClientsMayComeAndGoWhilePrometheusScrapes) {
  PrometheusCollector collector;
  const auto shared = Metrics();
  std::thread scraping([&] {
    for (int i = 0; i < 100; ++i) (void)collector.Collect();
  });
  for (int i = 0; i < 300; ++i) {
    const PolicySet set = Set({shared, RetryBudget()});
    EXPECT_TRUE(collector.Add(set, {{"client", std::to_string(i)}}).ok());
    EXPECT_TRUE(collector.Remove(set));
  }
  scraping.join();
  EXPECT_TRUE(collector.Collect().empty());
}

}  // namespace
}  // namespace redial
