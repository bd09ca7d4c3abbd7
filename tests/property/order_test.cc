// Law 4: the order of policies does not matter. Every permutation of a set, shared by calls that
// overlap, gives the same trace and leaves the same state.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/law_kit.h"
#include "tests/support/law_world.h"
#include "tests/support/sanitized.h"

namespace redial::testing {
namespace {

constexpr size_t kMostPermutations = 12;

void Shuffle(Choices& choices, std::vector<size_t>& order) {
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[choices.Below(static_cast<uint32_t>(i))]);
  }
}

std::vector<std::vector<size_t>> AllPermutations(size_t size) {
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<size_t>> all;
  do all.push_back(order);
  while (std::next_permutation(order.begin(), order.end()));
  return all;
}

// All permutations of up to three, a dozen random ones of more; the given order comes first.
std::vector<std::vector<size_t>> Permutations(Choices& choices, size_t size) {
  if (size <= 3) return AllPermutations(size);
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<size_t>> all;
  for (size_t i = 0; i < kMostPermutations; ++i) {
    all.push_back(order);
    Shuffle(choices, order);
  }
  return all;
}

// `at_once`: calls begin so, unless a policy would notice.
std::string TraceOf(uint64_t seed, const std::vector<size_t>& order, bool at_once = false) {
  SeededChoices choices(seed);
  LawKit kit;
  AddRandomPolicies(choices, static_cast<int>(order.size()), kit);
  for (const LawPolicy* policy : kit.policies()) at_once &= !policy->remembers_being_asked();
  const PolicyList list = kit.list();
  PolicyList permuted;
  for (const size_t at : order) {
    if (at < list.size()) permuted.push_back(list[at]);
  }
  const PolicySet set = *PolicySet::Create(std::move(permuted));
  LawWorld world(set, {.seed = seed, .calls = 5, .at_once = at_once});
  world.Play();
  return absl::StrCat(world.problem(), world.trace(), kit.State());
}

TEST(Order, APermutationGivesTheSameTrace) {
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    SeededChoices choices(~seed);
    const auto orders = Permutations(choices, 1 + seed % 6);
    const std::string first = TraceOf(seed, orders.front());
    for (const auto& order : orders) {
      ASSERT_EQ(TraceOf(seed, order), first) << "seed " << seed;
    }
  }
}

// Up to six: 720 orders of the same.
TEST(Order, EveryPermutationGivesTheSameTrace) {
  constexpr uint64_t kSeeds = kSanitized ? 60 : 900;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto orders = AllPermutations(4 + seed % 3);
    const std::string first = TraceOf(seed, orders.front());
    for (const auto& order : orders) {
      ASSERT_EQ(TraceOf(seed, order), first) << "seed " << seed;
    }
  }
}

// The short way into a call is a short way, and no other.
TEST(Order, BeginningAtOnceGivesTheSameTrace) {
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    std::vector<size_t> order(1 + seed % 6);
    std::iota(order.begin(), order.end(), 0);
    ASSERT_EQ(TraceOf(seed, order, /*at_once=*/true), TraceOf(seed, order)) << "seed " << seed;
  }
}

class SameDelay final : public LawPolicy {
 public:
  explicit SameDelay(Reason reason)
      : LawPolicy({.name = "SameDelay", .capabilities = kJudgesAgain | kRetries},
                  absl::StrCat(static_cast<int>(reason))),
        reason_(reason) {}
  Verdict Judge(const View& view) const override {
    if (view.attempts == 3) return Verdict::Reject(reason_);
    return Verdict::NotBefore(Plus(view.last->ended, 5 * kMilli), reason_);
  }

 private:
  const Reason reason_;
};

// Where two delay alike, or refuse alike, the later reason is told, and all are kept.
TEST(Order, EqualDelaysOfDifferentReasonsAreToldAlike) {
  std::array<Reason, 3> reasons = {Reason::kBackoff, Reason::kServerHint, Reason::kRateLimited};
  do {
    LawKit kit;
    for (const Reason reason : reasons) kit.Add<SameDelay>(reason);
    const PolicySet set = *PolicySet::Create(kit.list());
    LawCall call(set, {.deadline = {}, .idempotent = true, .seed = 1, .wake = nullptr});
    Instant now = Plus(Instant::VirtualOrigin(), kMilli);
    call.Begin(now);
    Outcome failure;
    failure.code = absl::StatusCode::kUnavailable;
    for (int attempt = 0; attempt < 3; ++attempt) {
      call.AttemptDone(now, attempt, failure);
      if (call.done()) break;
      EXPECT_EQ(call.wait(), Deadline(Plus(now, 5 * kMilli)));
      EXPECT_EQ(call.wait_reason(), Reason::kRateLimited);
      now = call.wait().instant();
      call.Tick(now);
    }
    EXPECT_EQ(call.end_reason(), Reason::kRateLimited);
    for (const Reason reason : reasons) EXPECT_TRUE(call.reasons().Has(reason));
    EXPECT_EQ(call.problem(), "");
  } while (std::next_permutation(reasons.begin(), reasons.end()));
}

}  // namespace
}  // namespace redial::testing
