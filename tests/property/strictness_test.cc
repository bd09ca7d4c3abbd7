// Law 5: an objector never permits. Verdicts join as a lattice, and at one decision point a set with
// one more policy is at least as strict.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/verdict.h"
#include "tests/support/law_kit.h"
#include "tests/support/law_world.h"

namespace redial::testing {
namespace {

std::vector<Verdict> Verdicts() {
  std::vector<Verdict> all = {Verdict::Admit()};
  const Instant now = Instant::VirtualOrigin();
  for (const Reason reason :
       {Reason::kNone, Reason::kBackoff, Reason::kQueued, Reason::kDeadline}) {
    for (const int64_t ms : {0, 1, 5}) {
      all.push_back(Verdict::NotBefore(Plus(now, ms * kMilli), reason));
      all.push_back(Verdict::RejectUntil(Plus(now, ms * kMilli), reason));
    }
    all.push_back(Verdict::Blocked(reason));
    all.push_back(Verdict::Reject(reason));
  }
  return all;
}

TEST(Verdict, IsTotallyOrderedByKindThenDelayThenReason) {
  const auto all = Verdicts();
  for (const Verdict& a : all) {
    for (const Verdict& b : all) {
      EXPECT_EQ((a < b) + (b < a) + (a == b), 1);
      EXPECT_TRUE(a.kind() >= b.kind() || a < b);
      for (const Verdict& c : all) {
        EXPECT_TRUE(!(a < b && b < c) || a < c);
      }
    }
  }
  const Instant now = Instant::VirtualOrigin();
  EXPECT_LT(Verdict::NotBefore(now, Reason::kRateLimited),
            Verdict::NotBefore(Plus(now, 1), Reason::kBackoff));
  EXPECT_LT(Verdict::RejectUntil(Plus(now, 1), Reason::kBudget), Verdict::Reject(Reason::kUnsafe));
}

TEST(Verdict, JoinsAsALattice) {
  const auto all = Verdicts();
  for (const Verdict& a : all) {
    EXPECT_EQ(Join(a, a), a);
    EXPECT_EQ(Join(a, Verdict::Admit()), a);
    for (const Verdict& b : all) {
      EXPECT_EQ(Join(a, b), Join(b, a));
      EXPECT_GE(Join(a, b), a);
      for (const Verdict& c : all) EXPECT_EQ(Join(Join(a, b), c), Join(a, Join(b, c)));
    }
  }
}

TEST(Verdict, AStricterOneAdmitsAtNoInstantAtWhichAMilderOneDoesNot) {
  const auto all = Verdicts();
  for (const int64_t ms : {0, 1, 3, 5, 9}) {
    const Instant now = Plus(Instant::VirtualOrigin(), ms * kMilli);
    for (const Verdict& a : all) {
      for (const Verdict& b : all) {
        EXPECT_EQ(Join(a, b).admits(now), a.admits(now) && b.admits(now));
      }
    }
  }
}

// Adds a policy that objects: not one that proposes attempts, or makes failures of successes.
LawPolicy* AddObjector(Choices& choices, LawKit& kit, bool retried) {
  constexpr uint32_t kProposes = Policy::kProposes | Policy::kExamines;
  const size_t before = kit.policies().size();
  while (kit.policies().size() == before) AddRandomPolicies(choices, 1, kit);
  LawPolicy* const added = kit.policies().back();
  const uint32_t capabilities = added->traits().capabilities;
  if ((capabilities & kProposes) != 0) return nullptr;
  return (capabilities & Policy::kRetries) != 0 && !retried ? nullptr : added;
}

// A world in which some calls have played with a set and one policy more, and are still in flight.
struct Scene {
  explicit Scene(uint64_t seed) {
    SeededChoices choices(seed);
    AddRandomPolicies(choices, 1 + static_cast<int>(choices.Below(5)), kit);
    fewer = *PolicySet::Create(kit.list());
    added = AddObjector(choices, kit, fewer.retries());
    if (added == nullptr) return;
    more = *PolicySet::Create(kit.list());
    world.emplace(more, LawWorld::Options{.seed = seed, .calls = 4});
    world->Play(Deadline(
        Plus(Instant::VirtualOrigin(), kMilli * static_cast<int64_t>(1000 + choices.Below(40)))));
    config.idempotent = !choices.OneIn(4);
    config.seed = choices.Below(1000);
    if (choices.OneIn(2)) {
      config.deadline = Deadline(Plus(world->now(), kMilli * (1 + choices.Below(40))));
    }
  }

  LawKit kit;
  PolicySet fewer;
  PolicySet more;
  LawPolicy* added = nullptr;
  std::optional<LawWorld> world;
  CallMachine::Config config;
};

bool WaitsForATicket(const LawCall& call) {
  const ReasonSet reasons = call.reasons();
  return reasons.Has(Reason::kQueued) || reasons.Has(Reason::kParked) ||
         reasons.Has(Reason::kRateLimited);
}

// What is wrong with what `more` decided where `fewer` decided as it did; empty if nothing.
std::string Compare(const LawCall& fewer, const LawCall& more) {
  if (more.started() > fewer.started()) return "started what was not admitted without it";
  if (fewer.delivered() && !more.delivered()) return "went on where the call ended without it";
  const bool both_wait = !fewer.delivered() && !more.delivered() && fewer.started() == 0;
  if (both_wait && !WaitsForATicket(fewer) && !WaitsForATicket(more) &&
      more.wait() < fewer.wait()) {
    return "waits for less than without it";
  }
  return "";
}

bool DecidedAlike(const LawCall& a, const LawCall& b) {
  return a.started() == b.started() && a.delivered() == b.delivered() && a.wait() == b.wait();
}

// One event for both calls; false when there is nothing left to do.
bool Step(uint64_t draw, Instant& now, LawCall& a, LawCall& b) {
  now = Plus(now, kMilli * static_cast<int64_t>(draw % 4));
  if (!a.live().empty()) {
    SeededChoices choices(draw);
    Outcome outcome;
    outcome.error = static_cast<int>(choices.Below(3));
    outcome.code = absl::StatusCode::kUnavailable;
    outcome.sent = choices.OneIn(3) ? Sent::kMaybe : Sent::kNo;
    const int id = a.live()[choices.Below(static_cast<uint32_t>(a.live().size()))].id;
    a.AttemptDone(now, id, outcome);
    b.AttemptDone(now, id, outcome);
    return true;
  }
  if (a.question() >= 0 && b.question() >= 0) {
    a.Answered(now, a.question(), Answer::kRetry);
    b.Answered(now, b.question(), Answer::kRetry);
    return true;
  }
  if (a.done() || a.wait().is_never()) return false;
  now = std::max(now, a.wait().instant());
  a.Tick(now);
  b.Tick(now);
  return true;
}

TEST(Strictness, OneMorePolicyNeverLoosensADecision) {
  int compared = 0;
  int stricter = 0;
  for (uint64_t seed = 0; seed < 60'000; ++seed) {
    Scene without(seed);
    if (without.added == nullptr) continue;
    Scene with(seed);
    ASSERT_EQ(without.kit.State(), with.kit.State());
    Instant now = without.world->now();
    LawCall fewer(without.fewer, without.config);
    LawCall more(with.more, with.config);
    fewer.Begin(now);
    more.Begin(now);
    // They are in the same state for as long as they decide alike.
    for (int step = 0; step < 8; ++step) {
      ++compared;
      ASSERT_EQ(Compare(fewer, more), "")
          << "seed " << seed << ": with " << with.added->name() << "(" << with.added->config()
          << ")\nwithout:" << fewer.words << "\nwith:" << more.words;
      if (!DecidedAlike(fewer, more)) {
        ++stricter;
        break;
      }
      if (!Step(seed * 8 + static_cast<uint64_t>(step), now, fewer, more)) break;
    }
    ASSERT_EQ(fewer.problem() + more.problem(), "") << "seed " << seed;
  }
  EXPECT_GT(compared, 50'000);
  EXPECT_GT(stricter, 5'000);
}

}  // namespace
}  // namespace redial::testing
