#include "tests/support/law_kit.h"

#include "absl/strings/str_cat.h"
#include "src/core/mix.h"
#include "src/core/strings.h"

namespace redial::testing {
namespace {

int Count(const LawKit& kit, uint32_t capability) {
  int count = 0;
  for (const LawPolicy* policy : kit.policies()) {
    if ((policy->traits().capabilities & capability) != 0) ++count;
  }
  return count;
}

// From few values, so that policies meet that are alike, and delays that are equal.
int64_t Delay(Choices& choices) {
  constexpr int64_t kDelays[] = {0, 2 * kMilli, 5 * kMilli, 5 * kMilli, 12 * kMilli};
  return kDelays[choices.Below(5)];
}

void AddThatQueues(Choices& choices, LawKit& kit) {
  if (Count(kit, Policy::kQueues) == PolicySet::kMaxQueues) return;
  switch (choices.Below(3)) {
    case 0:
      kit.Add<LawBulkhead>(1 + static_cast<int>(choices.Below(2)), size_t{2 * choices.Below(3)});
      return;
    case 1:
      kit.Add<LawLimiter>(2 * kMilli * (1 + choices.Below(3)),
                          1 + static_cast<int>(choices.Below(2)), 10 * kMilli * choices.Below(3));
      return;
    default:
      kit.Add<LawPacer>(1 + static_cast<int>(choices.Below(2)));
  }
}

void AddThatHolds(Choices& choices, LawKit& kit) {
  switch (choices.Below(3)) {
    case 0:
      kit.Add<LawBreaker>(1 + static_cast<int>(choices.Below(3)),
                          5 * kMilli * (1 + choices.Below(3)));
      return;
    case 1:
      kit.Add<LawThrottle>(choices.OneIn(2) ? 1.1 : 2.0);
      return;
    default:
      kit.Add<LawBudget>(1 + static_cast<int>(choices.Below(3)));
  }
}

void AddThatDecides(Choices& choices, LawKit& kit) {
  constexpr Reason kReasons[] = {Reason::kBackoff, Reason::kServerHint};
  switch (choices.Below(8)) {
    case 0:
    case 1:
      kit.Add<LawPause>(Delay(choices), kReasons[choices.Below(2)]);
      return;
    case 2:
      kit.Add<LawHedge>(Delay(choices), 1 + static_cast<int>(choices.Below(3)));
      return;
    case 3:
      kit.Add<LawTimeout>(2 * kMilli * (1 + choices.Below(3)));
      return;
    case 4:
      kit.Add<LawFailFast>(1 + static_cast<int>(choices.Below(2)));
      return;
    case 5:
      kit.Add<LawExaminer>(1 + static_cast<int>(choices.Below(2)));
      return;
    case 6:
      if (Count(kit, Policy::kAsks) == 0) kit.Add<LawAsker>();
      return;
    default:
      if (choices.OneIn(2)) kit.Add<LawNeverWaits>();
  }
}

}  // namespace

uint32_t SeededChoices::Below(uint32_t n) {
  state_ += 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>((internal::Mix64(state_) >> 32) * n >> 32);
}

LawKit::~LawKit() {
  for (LawPolicy* policy : policies_) policy->~LawPolicy();
}

PolicyList LawKit::list() const {
  PolicyList list;
  list.reserve(policies_.size());
  for (LawPolicy* policy : policies_) list.emplace_back(std::shared_ptr<void>(), policy);
  return list;
}

std::string LawKit::Audit(bool idle) const {
  for (const LawPolicy* policy : policies_) {
    const std::string problem = policy->Audit(idle);
    if (!problem.empty()) {
      return absl::StrCat(internal::ToAbsl(policy->name()), "(", policy->config(), "): ", problem);
    }
  }
  return "";
}

std::string LawKit::State() const {
  std::string state;
  for (const LawPolicy* policy : policies_) absl::StrAppend(&state, " ", policy->State());
  return state;
}

void AddRandomPolicies(Choices& choices, int count, LawKit& kit) {
  for (int i = 0; i < count; ++i) {
    switch (choices.Below(5)) {
      case 0:
        kit.Add<LawRetry>(2 + static_cast<int>(choices.Below(3)), Delay(choices), Delay(choices));
        break;
      case 1:
        AddThatHolds(choices, kit);
        break;
      case 2:
      case 3:
        AddThatQueues(choices, kit);
        break;
      default:
        AddThatDecides(choices, kit);
    }
  }
}

}  // namespace redial::testing
