#include "tests/support/law_kit.h"

#include "absl/strings/str_cat.h"
#include "src/core/mix.h"
#include "src/core/strings.h"
#include "tests/support/law_shipped.h"

namespace redial::testing {
namespace {

// From few values, so that policies meet that are alike, and delays that are equal.
int64_t Delay(Choices& choices) {
  constexpr int64_t kDelays[] = {0, 2 * kMilli, 5 * kMilli, 5 * kMilli, 12 * kMilli};
  return kDelays[choices.Below(5)];
}

// `first` to `first + n - 1`. Arguments that are drawn get a name first: the order in which a
// call's own are evaluated is the compiler's, and a seed must mean the same everywhere.
int From(int first, uint32_t n, Choices& choices) {
  return first + static_cast<int>(choices.Below(n));
}

void AddThatQueues(Choices& choices, LawKit& kit) {
  if (kit.Count(Policy::kQueues) == PolicySet::kMaxQueues) return;
  switch (choices.Below(3)) {
    case 0: {
      const int permits = From(1, 2, choices);
      const size_t places = size_t{2} * choices.Below(3);
      kit.Add<LawBulkhead>(permits, places);
      return;
    }
    case 1: {
      const int64_t interval = 2 * kMilli * From(1, 3, choices);
      const int burst = From(1, 2, choices);
      const int64_t longest_wait = 10 * kMilli * From(0, 3, choices);
      kit.Add<LawLimiter>(interval, burst, longest_wait);
      return;
    }
    default:
      kit.Add<LawPacer>(From(1, 2, choices));
  }
}

void AddThatHolds(Choices& choices, LawKit& kit) {
  switch (choices.Below(3)) {
    case 0: {
      const int failures = From(1, 3, choices);
      const int64_t open_for = 5 * kMilli * From(1, 3, choices);
      kit.Add<LawBreaker>(failures, open_for);
      return;
    }
    case 1:
      kit.Add<LawThrottle>(choices.OneIn(2) ? 1.1 : 2.0);
      return;
    default:
      kit.Add<LawBudget>(From(1, 3, choices));
  }
}

void AddRetry(Choices& choices, LawKit& kit) {
  const int attempts = From(2, 3, choices);
  const int64_t pause = Delay(choices);
  const int64_t jitter = Delay(choices);
  kit.Add<LawRetry>(attempts, pause, jitter);
}

void AddThatDecides(Choices& choices, LawKit& kit) {
  switch (choices.Below(8)) {
    case 0:
    case 1: {
      const int64_t pause = Delay(choices);
      kit.Add<LawPause>(pause, choices.OneIn(2) ? Reason::kBackoff : Reason::kServerHint);
      return;
    }
    case 2: {
      const int64_t after = Delay(choices);
      kit.Add<LawHedge>(after, From(1, 3, choices));
      return;
    }
    case 3:
      kit.Add<LawTimeout>(2 * kMilli * From(1, 3, choices));
      return;
    case 4:
      kit.Add<LawFailFast>(From(1, 2, choices));
      return;
    case 5:
      kit.Add<LawExaminer>(From(1, 2, choices));
      return;
    case 6:
      if (kit.Count(Policy::kAsks) == 0) kit.Add<LawAsker>();
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

int LawKit::Count(uint32_t capability) const {
  int count = 0;
  for (const LawPolicy* policy : policies_) {
    if ((policy->traits().capabilities & capability) != 0) ++count;
  }
  return count;
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
    if (choices.OneIn(2)) {
      AddShipped(choices, kit);
      continue;
    }
    switch (choices.Below(5)) {
      case 0:
        AddRetry(choices, kit);
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
