// A call that succeeds allocates nothing, whichever policies it runs under: counted, not timed.
#include <gtest/gtest.h>

#include <cerrno>
#include <ostream>

#include "redial/redial.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/unit/counted_calls.h"

namespace redial {
namespace {

using testing::counts;
using testing::Counts;
using testing::VirtualRuntime;

PolicyPtr AMillionASecond() { return RateLimit({.rate = 1'000'000, .burst = 1000}); }

PolicyPtr IdleChaos() {
  return Chaos({.i_know_this_breaks_calls = true, .error_probability = 1e-15});
}

PolicyList Five(PolicyList more = {}) {
  PolicyList five = {Retry(), RetryBudget(), CircuitBreaker(),
                     AttemptTimeout(absl::Milliseconds(500)), Bulkhead()};
  five.insert(five.end(), more.begin(), more.end());
  return five;
}

PolicyList Ten() {
  return Five({AMillionASecond(), AdaptiveLimit(), AdaptiveThrottle(), Hedge(),
               FailFast(OnErrno(ECONNREFUSED))});
}

struct Case {
  const char* name;
  PolicyList (*policies)();
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

class CountingPoliciesTest : public ::testing::TestWithParam<Case> {};

// Ten milliseconds apart, for twenty seconds of virtual time: windows and their slices end meanwhile.
void MakeCalls(VirtualRuntime& runtime, const PolicySet& policies) {
  const CallOptions options{
      .operation = "nothing", .timeout = absl::Seconds(1), .idempotent = true};
  for (int i = 0; i < 2000; ++i) {
    const absl::Status status = Call(options, policies, [&] {
      runtime.Advance(absl::Microseconds(500));
      return absl::OkStatus();
    });
    if (!status.ok()) ADD_FAILURE() << status;
    runtime.Advance(absl::Microseconds(9500));
  }
}

TEST_P(CountingPoliciesTest, ACallThatSucceedsAllocatesNothing) {
  const auto policies = PolicySet::Create(GetParam().policies());
  ASSERT_TRUE(policies.ok()) << policies.status();
  VirtualRuntime runtime;
  MakeCalls(runtime, *policies);  // what a thread has once, and what is learnt first
  counts = Counts();
  MakeCalls(runtime, *policies);
  EXPECT_EQ(counts.allocations, 0);
}

INSTANTIATE_TEST_SUITE_P(
    , CountingPoliciesTest,
    ::testing::Values(
        Case{"None", [] { return PolicyList{}; }},
        Case{"Retry", [] { return PolicyList{Retry()}; }},
        Case{"RetryBudget", [] { return PolicyList{RetryBudget()}; }},
        Case{"RetryBudgetThatForgets",
             [] { return PolicyList{RetryBudget(FinagleRetryBudget())}; }},
        Case{"BreakerOfACount",
             [] { return PolicyList{CircuitBreaker({.window = CountWindow(100)})}; }},
        Case{"BreakerOfATime",
             [] { return PolicyList{CircuitBreaker({.window = TimeWindow(absl::Seconds(1))})}; }},
        Case{"BreakerOfAnAverage",
             [] { return PolicyList{CircuitBreaker({.window = MovingAverage(100)})}; }},
        Case{"AttemptTimeout", [] { return PolicyList{AttemptTimeout(absl::Milliseconds(500))}; }},
        Case{"AdaptiveTimeout", [] { return PolicyList{AttemptTimeout({.quantile = 0.99})}; }},
        Case{"Hedge", [] { return PolicyList{Hedge()}; }},
        Case{"Bulkhead", [] { return PolicyList{Bulkhead()}; }},
        Case{"RateLimit", [] { return PolicyList{AMillionASecond()}; }},
        Case{"AdaptiveLimit", [] { return PolicyList{AdaptiveLimit()}; }},
        Case{"Vegas",
             [] { return PolicyList{AdaptiveLimit({.algorithm = LimitAlgorithm::kVegas})}; }},
        Case{"AdaptiveThrottle",
             [] { return PolicyList{AdaptiveThrottle({.window = absl::Seconds(10)})}; }},
        Case{"Metrics", [] { return PolicyList{Metrics()}; }},
        Case{"IdleChaos", [] { return PolicyList{IdleChaos()}; }},
        Case{"FivePolicies", [] { return Five(); }},
        Case{"FivePoliciesAndMetrics", [] { return Five({Metrics()}); }},
        Case{"TenPolicies", [] { return Ten(); }}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace redial
