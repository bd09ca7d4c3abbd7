// Random draws are a pure function of the call's seed, the attempt, its kind, the policy's identity
// and the draw's number; nothing else, and all of these.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <set>

#include "src/core/mix.h"
#include "tests/support/law_kit.h"

namespace redial::testing {
namespace {

View RandomView(Choices& choices, Outcome& last) {
  View view;
  view.kind = static_cast<AttemptKind>(choices.Below(3));
  view.attempts = static_cast<int>(choices.Below(8));
  view.seed = choices.Below(1'000'000);
  view.identity = internal::Mix64(choices.Below(1'000'000));  // as a set's are
  view.now = Plus(Instant::VirtualOrigin(), choices.Below(100) * kMilli);
  last.code = absl::StatusCode::kUnavailable;
  last.ended = view.now;
  if (view.kind != AttemptKind::kFirst) view.last = &last;
  return view;
}

TEST(Draw, JudgingTwiceGivesOneAnswer) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SeededChoices choices(seed);
    LawKit kit;
    AddRandomPolicies(choices, 6, kit);
    Outcome last;
    const View view = RandomView(choices, last);
    for (const LawPolicy* policy : kit.policies()) {
      if ((policy->traits().capabilities & Policy::kJudgesAgain) == 0) continue;
      if (view.last == nullptr && (policy->traits().capabilities & Policy::kJudgesFirst) == 0) {
        continue;
      }
      EXPECT_EQ(policy->Judge(view), policy->Judge(view)) << policy->name();
    }
  }
}

TEST(Draw, EachOfItsGroundsChangesIt) {
  for (uint64_t seed = 0; seed < 10'000; ++seed) {
    SeededChoices choices(seed);
    Outcome last;
    const View view = RandomView(choices, last);
    std::set<double> draws = {view.Uniform(), view.Uniform(1)};
    EXPECT_EQ(view.Uniform(), view.UniformAt(view.attempts));
    View other = view;
    other.now = Plus(view.now, 1);
    other.idempotent = !view.idempotent;
    EXPECT_EQ(other.Uniform(), view.Uniform());
    other.identity = internal::Mix64(view.identity);
    draws.insert(other.Uniform());
    other = view;
    ++other.seed;
    draws.insert(other.Uniform());
    other = view;
    ++other.attempts;
    draws.insert(other.Uniform());
    other = view;
    other.kind = static_cast<AttemptKind>((static_cast<int>(view.kind) + 1) % 3);
    draws.insert(other.Uniform());
    EXPECT_EQ(draws.size(), 6u) << "seed " << seed;
  }
}

TEST(Draw, IsUniform) {
  constexpr int kDraws = 100'000;
  int tenths[10] = {};
  View view;
  for (int i = 0; i < kDraws; ++i) {
    view.seed = static_cast<uint64_t>(i);
    const double draw = view.Uniform();
    ASSERT_GE(draw, 0.0);
    ASSERT_LT(draw, 1.0);
    ++tenths[static_cast<int>(draw * 10)];
  }
  // Five standard deviations of a binomial count.
  for (const int count : tenths) EXPECT_NEAR(count, kDraws / 10, 5 * std::sqrt(kDraws * 0.09));
}

TEST(Draw, PoliciesOfASetDoNotShareAnIdentity) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SeededChoices choices(seed);
    LawKit kit;
    AddRandomPolicies(choices, 6, kit);
    const PolicySet set = *PolicySet::Create(kit.list());
    std::set<uint64_t> identities;
    for (const auto& member : set.all()) identities.insert(member.identity);
    EXPECT_EQ(identities.size(), set.all().size()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace redial::testing
