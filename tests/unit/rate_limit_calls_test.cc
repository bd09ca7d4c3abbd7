#include <gtest/gtest.h>

#include <memory>

#include "redial/policies/fail_fast.h"
#include "redial/policies/rate_limit.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/policy_view.h"
#include "tests/unit/one_permit.h"

namespace redial {
namespace {

using testing::Fails;
using testing::kEnded;
using testing::MachineTrace;
using testing::Succeeds;

TEST(RateLimitTest, CallsGoInTheOrderInWhichTheyCame) {
  const auto limit = RateLimit({.rate = 10});
  const auto set = PolicySet::Create({limit});
  ASSERT_TRUE(set.ok()) << set.status();
  const auto succeeds = [](int, AttemptKind) { return Succeeds(5); };
  MachineTrace first(*set, {}), second(*set, {});
  EXPECT_EQ(first.Play(succeeds), "0:start#1 5:ok#1 5:deliver#1 5:done");
  EXPECT_EQ(second.Play(succeeds),
            "0:wait(100,rate_limited) 100:start#1 105:ok#1 105:deliver#1 105:done");
  MachineTrace third(*set, {.deadline = Deadline(second.At(150))});
  EXPECT_EQ(third.Play(succeeds), "0:end:rate_limited 0:done");
  EXPECT_EQ(third.machine().next_admission(), third.At(200));
  EXPECT_EQ(limit->snapshot().refused, 1);
  EXPECT_EQ(limit->snapshot().delayed, 1);
}

TEST(RateLimitTest, RetriesTakeTurnsUnlessItCountsCalls) {
  const auto fails = [](int, AttemptKind) { return Fails(10); };
  const auto retry = Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())});
  const auto attempts = PolicySet::Create({RateLimit({.rate = 10}), retry});
  ASSERT_TRUE(attempts.ok()) << attempts.status();
  MachineTrace each(*attempts, {});
  EXPECT_EQ(each.Play(fails),
            "0:start#1 10:failed#1 10:wait(100,rate_limited) 100:start#2 110:failed#2 "
            "110:wait(200,rate_limited) 200:start#3 210:failed#3 210:end:exhausted 210:done");

  const auto limit = RateLimit({.rate = 10, .counts = RateLimitOptions::Counts::kCalls});
  const auto calls = PolicySet::Create({limit, retry});
  ASSERT_TRUE(calls.ok()) << calls.status();
  MachineTrace first(*calls, {}), second(*calls, {});
  EXPECT_EQ(first.Play(fails),
            "0:start#1 10:failed#1 10:start#2 20:failed#2 20:start#3 30:failed#3 30:end:exhausted "
            "30:done");
  second.Play(fails);
  EXPECT_EQ(second.trace().substr(0, 34), "0:wait(100,rate_limited) 100:start");
}

TEST(RateLimitTest, WhoMustNotWaitTakesNothing) {
  const auto limit = RateLimit({.rate = 10});
  const auto set = PolicySet::Create({limit, FailFast()});
  ASSERT_TRUE(set.ok()) << set.status();
  const auto succeeds = [](int, AttemptKind) { return Succeeds(5); };
  MachineTrace first(*set, {}), second(*set, {});
  first.Play(succeeds);
  EXPECT_EQ(second.Play(succeeds), "0:end:fail_fast 0:done");
  EXPECT_EQ(limit->snapshot().waiting, 0);
  EXPECT_EQ(limit->snapshot().next_start, first.At(100));
}

TEST(RateLimitTest, ACallThatIsCancelledGivesItsTurnBack) {
  const auto limit = RateLimit({.rate = 10});
  const auto set = PolicySet::Create({limit});
  ASSERT_TRUE(set.ok()) << set.status();
  CallMachine first(*set, {}), second(*set, {});
  const Instant now = kEnded;
  first.Begin(now);
  second.Begin(now);
  EXPECT_EQ(limit->snapshot().waiting, 1);
  second.Cancel(now);
  EXPECT_EQ(limit->snapshot().waiting, 0);
  EXPECT_EQ(limit->snapshot().next_start, now + absl::Milliseconds(100));
}

// Held up for want of a permit, a call takes its turn when it can use it.
TEST(RateLimitTest, ACallThatIsHeldUpHoldsNoTurn) {
  const auto limit = RateLimit({.rate = 10});
  const auto permit = std::make_shared<testing::OnePermit>();
  const auto set = PolicySet::Create({permit, limit});
  ASSERT_TRUE(set.ok()) << set.status();
  permit->TakeAway();
  MachineTrace held(*set, {});
  EXPECT_EQ(held.Play([](int, AttemptKind) { return Succeeds(5); }), "0:wait(ever,queued)");
  EXPECT_LE(limit->snapshot().next_start, held.At(0)) << "the next one needn't wait";
  permit->GiveBack();
  held.AdvanceTo(250);
  held.machine().Wake(held.At(250));
  held.Drain();
  held.Continue();
  EXPECT_EQ(held.trace(), "0:wait(ever,queued) 250:start#1 255:ok#1 255:deliver#1 255:done");
  EXPECT_EQ(limit->snapshot().next_start, held.At(350));
}

}  // namespace
}  // namespace redial
