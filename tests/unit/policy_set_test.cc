#include "redial/policy_set.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "redial/policy.h"

namespace redial {
namespace {

class Plain final : public Policy {
 public:
  explicit Plain(uint32_t capabilities = 0, Rank rank = Rank::kDecision, bool valid = true)
      : Policy({.name = "Plain", .capabilities = capabilities, .rank = rank}), valid_(valid) {}
  absl::Status Validate() const override {
    return valid_ ? absl::OkStatus() : absl::InvalidArgumentError("Plain.field is 0");
  }

 private:
  const bool valid_;
};

PolicyPtr Make(uint32_t capabilities = 0, Rank rank = Rank::kDecision) {
  return std::make_shared<Plain>(capabilities, rank);
}

std::string Refusal(PolicyList policies) {
  const auto set = PolicySet::Create(std::move(policies));
  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(set.status().message());
}

TEST(PolicySet, SaysWhatIsWrongWithAList) {
  const PolicyPtr twice = Make();
  constexpr uint32_t kQueues = Policy::kReserves | Policy::kQueues;
  EXPECT_EQ(Refusal({Make(), nullptr}), "policy 2 of the list is null");
  EXPECT_EQ(Refusal({twice, Make(), twice}), "the same Plain is listed twice");
  EXPECT_EQ(Refusal({std::make_shared<Plain>(0, Rank::kDecision, false)}), "Plain.field is 0");
  EXPECT_EQ(Refusal({Make(Policy::kQueues)}),
            "Plain has kQueues without kReserves, which gives tickets");
  EXPECT_EQ(Refusal({Make(Policy::kReservesAgain)}),
            "Plain has kReservesAgain without kReserves, which reserves");
  EXPECT_EQ(Refusal({Make(Policy::kReserves | Policy::kLeavesLinesOnly)}),
            "Plain has kLeavesLinesOnly without kQueues, which gives tickets");
  EXPECT_EQ(Refusal({Make(Policy::kTakes)}),
            "Plain has kTakes without kReserves, which it is a shortcut for");
  EXPECT_EQ(Refusal({Make(Policy::kReserves | Policy::kTakes | Policy::kReservesAgain)}),
            "Plain has kTakes, which is for first attempts, and kReservesAgain, which isn't");
  EXPECT_EQ(
      Refusal({Make(Policy::kReserves | Policy::kReservesAgain | Policy::kCountsCalls)}),
      "Plain has kCountsCalls, which reserves with the first attempt, and kReservesAgain, which "
      "doesn't");
  EXPECT_EQ(Refusal({Make(kQueues), Make(kQueues), Make(kQueues), Make(kQueues), Make(kQueues)}),
            "at most 4 policies may queue; 5 of those listed do");
  EXPECT_EQ(Refusal({Make(Policy::kAsks), Make(Policy::kAsks)}),
            "only one policy may ask a person; two were listed");
  PolicyList many;
  for (int i = 0; i < 17; ++i) many.push_back(Make());
  EXPECT_EQ(Refusal(std::move(many)), "a call takes at most 16 policies; 17 were listed");
}

TEST(PolicySet, KeepsItsMembersByRankAndKnowsWhoDoesWhat) {
  const PolicyPtr late = Make(Policy::kReserves | Policy::kRetries, Rank::kBudget);
  const PolicyPtr early = Make(Policy::kSettles | Policy::kJudgesFirst, Rank::kTimeout);
  const auto set = PolicySet::Create({late, early});
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->all().size(), 2u);
  EXPECT_EQ(set->all()[0].policy, early.get());
  EXPECT_EQ(set->all()[1].policy, late.get());
  ASSERT_EQ(set->judges_first().size(), 1u);
  EXPECT_EQ(set->judges_first()[0].policy, early.get());
  ASSERT_EQ(set->reservers_first().size(), 1u);
  EXPECT_EQ(set->reservers_first()[0].policy, late.get());
  EXPECT_EQ(set->settlers().size(), 2u);
  EXPECT_TRUE(set->judges_again().empty());
  EXPECT_TRUE(set->retries());
  EXPECT_FALSE(set->hedges());
  EXPECT_EQ(set->asker(), nullptr);
  EXPECT_EQ(set->tick_interval(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace redial
