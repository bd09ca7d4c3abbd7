// No wake-up is lost, and none that comes for nothing changes anything: drivers that touch a call
// only when there is cause finish all calls.

#include <gtest/gtest.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "tests/support/law_kit.h"
#include "tests/support/law_world.h"

namespace redial::testing {
namespace {

bool MayHoldForEver(const LawKit& kit) {
  for (const LawPolicy* policy : kit.policies()) {
    if (policy->may_hold_for_ever()) return true;
  }
  return false;
}

TEST(Waiting, CallsWithADeadlineFinishAndGiveEverythingBack) {
  for (uint64_t seed = 0; seed < 20'000; ++seed) {
    SeededChoices choices(seed);
    LawKit kit;
    AddRandomPolicies(choices, 1 + static_cast<int>(choices.Below(6)), kit);
    const PolicySet set = *PolicySet::Create(kit.list());
    LawWorld world(set, {.seed = seed, .calls = 6, .finite = true});
    world.Play();
    ASSERT_EQ(world.problem(), "") << "seed " << seed << "\n" << world.trace();
    ASSERT_EQ(kit.Audit(/*idle=*/true), "") << "seed " << seed << "\n" << world.trace();
  }
}

TEST(Waiting, CallsWithoutADeadlineFinishOnWakeUpsAlone) {
  int played = 0;
  for (uint64_t seed = 0; seed < 20'000; ++seed) {
    SeededChoices choices(seed);
    LawKit kit;
    kit.Add<LawBulkhead>(1 + static_cast<int>(choices.Below(2)), size_t{100});
    if (choices.OneIn(2)) kit.Add<LawBulkhead>(1 + static_cast<int>(choices.Below(3)), size_t{100});
    AddRandomPolicies(choices, 4, kit);
    if (MayHoldForEver(kit)) continue;
    ++played;
    const PolicySet set = *PolicySet::Create(kit.list());
    LawWorld world(set, {.seed = seed, .calls = 8, .endless = true});
    world.Play();
    ASSERT_EQ(world.problem(), "") << "seed " << seed << "\n" << world.trace();
    ASSERT_EQ(kit.Audit(/*idle=*/true), "") << "seed " << seed << "\n" << world.trace();
  }
  EXPECT_GT(played, 5'000);
}

TEST(Waiting, SpuriousLateAndDuplicateEventsChangeNothing) {
  for (uint64_t seed = 0; seed < 10'000; ++seed) {
    std::string traces[2];
    for (const bool noise : {false, true}) {
      SeededChoices choices(seed);
      LawKit kit;
      AddRandomPolicies(choices, 1 + static_cast<int>(choices.Below(6)), kit);
      const PolicySet set = *PolicySet::Create(kit.list());
      LawWorld world(set, {.seed = seed, .calls = 4, .prompt = true, .noise = noise});
      world.Play();
      traces[noise ? 1 : 0] = absl::StrCat(world.problem(), "\n", world.trace());
    }
    ASSERT_EQ(traces[0], traces[1]) << "seed " << seed;
  }
}

const Instant kBegan = Plus(Instant::VirtualOrigin(), kMilli);
Instant At(int64_t ms) { return Plus(kBegan, ms * kMilli); }
CallMachine::Config Config(uint64_t seed) {
  return {.deadline = {}, .idempotent = true, .seed = seed, .wake = nullptr};
}

TEST(Waiting, AWakeUpDoesNotBringAHedgeForward) {
  LawKit kit;
  kit.Add<LawHedge>(10 * kMilli, 1);
  const PolicySet set = *PolicySet::Create(kit.list());
  LawCall call(set, Config(1));
  call.Begin(At(0));
  call.Wake(At(5));
  EXPECT_EQ(call.attempts(), 1);
  EXPECT_EQ(call.wait(), Deadline(At(10)));
  call.Tick(At(10));
  EXPECT_EQ(call.attempts(), 2);
  EXPECT_EQ(call.problem(), "");
}

// Delays the call of one seed until it is told.
class Gate final : public LawPolicy {
 public:
  explicit Gate(uint64_t seed)
      : LawPolicy({.name = "Gate", .capabilities = kJudgesFirst}, ""), seed_(seed) {}
  Verdict Judge(const View& view) const override {
    return view.seed == seed_ ? Verdict::NotBefore(until, Reason::kBackoff) : Verdict::Admit();
  }
  Instant until = kBegan;

 private:
  const uint64_t seed_;
};

TEST(Waiting, AHeadThatAnotherPolicyHoldsUpIsPassedOverAndKeepsItsPlace) {
  LawKit kit;
  kit.Add<LawBulkhead>(1, size_t{10});
  Gate* const gate = kit.Add<Gate>(2);
  const PolicySet set = *PolicySet::Create(kit.list());
  LawCall running(set, Config(1));
  LawCall head(set, Config(2));
  LawCall second(set, Config(3));
  LawCall third(set, Config(4));
  for (LawCall* call : {&running, &head, &second, &third}) call->Begin(At(0));
  EXPECT_EQ(running.attempts(), 1);

  gate->until = At(10);
  running.AttemptDone(At(1), 0, Outcome());
  EXPECT_TRUE(head.TakeWake());
  EXPECT_FALSE(second.TakeWake());
  head.Wake(At(1));  // it is delayed now: the permit goes on
  EXPECT_EQ(head.attempts(), 0);
  EXPECT_TRUE(second.TakeWake());
  second.Wake(At(1));
  EXPECT_EQ(second.attempts(), 1);

  head.Tick(At(10));  // back in line, before the third
  second.AttemptDone(At(11), 0, Outcome());
  EXPECT_TRUE(head.TakeWake());
  EXPECT_FALSE(third.TakeWake());
  head.Wake(At(11));
  EXPECT_EQ(head.attempts(), 1);
  EXPECT_EQ(kit.Audit(/*idle=*/false), "");
  for (LawCall* call : {&running, &head, &second, &third}) call->Drop();
  EXPECT_EQ(kit.Audit(/*idle=*/true), "");
}

}  // namespace
}  // namespace redial::testing
