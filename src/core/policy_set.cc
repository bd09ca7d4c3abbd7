#include "redial/policy_set.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/core/mix.h"
#include "src/core/strings.h"

namespace redial {
namespace {

// What is read in the place of a word, of a policy that must be asked.
const ConfigWord kUnpublished{nullptr};

bool Has(const Policy& policy, uint32_t capability) {
  return (policy.traits().capabilities & capability) != 0;
}

// Capabilities that mean nothing without another.
constexpr struct {
  uint32_t capability;
  uint32_t needs;
  const char* complaint;
} kNeeds[] = {
    {Policy::kQueues, Policy::kReserves, " has kQueues without kReserves, which gives tickets"},
    {Policy::kCountsCalls, Policy::kReserves,
     " has kCountsCalls without kReserves, which admits the call"},
    {Policy::kHedges, Policy::kProposes, " has kHedges without kProposes, which says when"},
    {Policy::kReservesAgain, Policy::kReserves,
     " has kReservesAgain without kReserves, which reserves"},
    {Policy::kLeavesLinesOnly, Policy::kQueues,
     " has kLeavesLinesOnly without kQueues, which gives tickets"},
    {Policy::kTakes, Policy::kReserves,
     " has kTakes without kReserves, which it is a shortcut for"},
};

absl::Status CheckCapabilities(const Policy& policy) {
  for (const auto& need : kNeeds) {
    if (Has(policy, need.capability) && !Has(policy, need.needs)) {
      return absl::InvalidArgumentError(
          absl::StrCat(internal::ToAbsl(policy.name()), need.complaint));
    }
  }
  if (Has(policy, Policy::kTakes) && Has(policy, Policy::kReservesAgain)) {
    return absl::InvalidArgumentError(
        absl::StrCat(internal::ToAbsl(policy.name()),
                     " has kTakes, which is for first attempts, and kReservesAgain, which isn't"));
  }
  if (Has(policy, Policy::kCountsCalls) && Has(policy, Policy::kReservesAgain)) {
    return absl::InvalidArgumentError(absl::StrCat(
        internal::ToAbsl(policy.name()),
        " has kCountsCalls, which reserves with the first attempt, and kReservesAgain, "
        "which doesn't"));
  }
  return absl::OkStatus();
}

absl::Status Check(const PolicyList& policies) {
  if (policies.size() > PolicySet::kMaxPolicies) {
    return absl::InvalidArgumentError(absl::StrCat("a call takes at most ", PolicySet::kMaxPolicies,
                                                   " policies; ", policies.size(), " were listed"));
  }
  int queues = 0;
  int askers = 0;
  for (size_t i = 0; i < policies.size(); ++i) {
    const PolicyPtr& policy = policies[i];
    if (policy == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("policy ", i + 1, " of the list is null"));
    }
    if (std::find(policies.begin(), policies.begin() + static_cast<ptrdiff_t>(i), policy) !=
        policies.begin() + static_cast<ptrdiff_t>(i)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the same ", internal::ToAbsl(policy->name()), " is listed twice"));
    }
    if (absl::Status valid = policy->Validate(); !valid.ok()) return valid;
    if (absl::Status valid = CheckCapabilities(*policy); !valid.ok()) return valid;
    if (Has(*policy, Policy::kQueues)) ++queues;
    if (Has(*policy, Policy::kAsks)) ++askers;
  }
  if (queues > PolicySet::kMaxQueues) {
    return absl::InvalidArgumentError(absl::StrCat(
        "at most ", PolicySet::kMaxQueues, " policies may queue; ", queues, " of those listed do"));
  }
  if (askers > 1) {
    return absl::InvalidArgumentError("only one policy may ask a person; two were listed");
  }
  return absl::OkStatus();
}

// Rank, then configuration. Two that are alike in both differ only in the state that they share
// with other calls; any fixed order will do for them, and where they lie in memory is one.
void SortCanonically(PolicyList& policies) {
  std::sort(policies.begin(), policies.end(), [](const PolicyPtr& a, const PolicyPtr& b) {
    if (a->traits().rank != b->traits().rank) return a->traits().rank < b->traits().rank;
    const uint64_t fa = a->Fingerprint();
    const uint64_t fb = b->Fingerprint();
    if (fa != fb) return fa < fb;
    return std::less<>()(a.get(), b.get());
  });
}

// Whether a first attempt may take what it needs in one go. Where two take what is scarce, the first
// would have to give it back for the second, and another call might have missed it meanwhile: these judge
// first.
bool MayTake(PolicySet::Members reservers) {
  int scarce = 0;
  for (const auto& member : reservers) {
    if (!Has(*member.policy, Policy::kTakes) || member.counts_calls) return false;
    if (member.policy->traits().rank >= Rank::kRateLimit) ++scarce;
  }
  return scarce <= 1;
}

}  // namespace

// Lists of those who are asked for the same. They lie side by side, in the order in which a call goes
// through them.
void PolicySet::Rep::Gather(const std::vector<Member>& everybody) {
  const auto with = [](uint32_t capability) {
    return [capability](const Member& member) { return Has(*member.policy, capability); };
  };
  const auto reserves_but = [](uint32_t capability) {
    return [capability](const Member& member) {
      return Has(*member.policy, Policy::kReserves) && !Has(*member.policy, capability);
    };
  };
  const auto settles = [](bool calls) {
    return [calls](const Member& m) { return m.slot >= 0 && m.counts_calls == calls; };
  };
  const auto must_be_asked = [](const Member& member) {
    return member.config != kNoConfig && member.policy->config_word() == nullptr;
  };
  const auto only_judges = [](const Member& member) {
    return Has(*member.policy, Policy::kJudgesFirst) && !Has(*member.policy, Policy::kTakes);
  };
  const struct {
    List Rep::* list;
    std::function<bool(const Member&)> belongs;
  } lists[] = {
      {&Rep::judges_only, only_judges},
      {&Rep::takers, with(Policy::kTakes)},
      {&Rep::judges_first, with(Policy::kJudgesFirst)},
      {&Rep::reservers_first, reserves_but(Policy::kReservesAgain)},
      {&Rep::queuers, with(Policy::kQueues)},
      {&Rep::proposers, with(Policy::kProposes)},
      {&Rep::disruptors, with(Policy::kDisrupts)},
      {&Rep::examiners, with(Policy::kExamines)},
      {&Rep::settlers, settles(false)},
      {&Rep::call_settlers, settles(true)},
      {&Rep::concluders, with(Policy::kConcludes)},
      {&Rep::judges_again, with(Policy::kJudgesAgain)},
      {&Rep::reservers_again, reserves_but(Policy::kCountsCalls)},
      {&Rep::refusal_counters, with(Policy::kCountsRefusals)},
      {&Rep::observers, with(Policy::kObserves)},
      {&Rep::askers, with(Policy::kAsks)},
      {&Rep::undisclosed, must_be_asked},
      {&Rep::all, [](const Member&) { return true; }},
  };
  members.reserve(std::size(lists) * everybody.size());
  for (const auto& each : lists) {
    const size_t begin = members.size();
    std::copy_if(everybody.begin(), everybody.end(), std::back_inserter(members), each.belongs);
    this->*each.list = {members.data() + begin, members.data() + members.size()};
  }
}

PolicySet::PolicySet() : rep_(std::make_shared<const Rep>()) {}

absl::StatusOr<PolicySet> PolicySet::Create(PolicyList policies) {
  if (absl::Status valid = Check(policies); !valid.ok()) return valid;
  SortCanonically(policies);
  auto rep = std::make_shared<Rep>();
  std::vector<Member> all;
  uint64_t previous = 0;
  uint64_t ordinal = 0;
  for (const PolicyPtr& owner : policies) {
    Policy& policy = *owner;
    const uint64_t fingerprint = policy.Fingerprint();
    ordinal = !all.empty() && fingerprint == previous ? ordinal + 1 : 0;
    previous = fingerprint;
    const bool has_token = Has(policy, Policy::kReserves) || Has(policy, Policy::kSettles);
    const bool has_config = Has(policy, Policy::kReconfigures);
    all.push_back({.policy = &policy,
                   .identity = internal::Mix64(internal::Mix64(fingerprint + ordinal)),
                   .place = static_cast<int>(all.size()),
                   .slot = has_token ? rep->slots++ : -1,
                   .queue = Has(policy, Policy::kQueues) ? rep->queues++ : -1,
                   .config = has_config ? rep->config_words.size() : kNoConfig,
                   .counts_calls = Has(policy, Policy::kCountsCalls),
                   .leaves_lines_only = Has(policy, Policy::kLeavesLinesOnly)});
    if (has_config) {
      const ConfigWord* const word = policy.config_word();
      rep->config_words.push_back(word != nullptr ? word : &kUnpublished);
    }
    rep->retries |= Has(policy, Policy::kRetries);
    rep->never_waits |= Has(policy, Policy::kNeverWaits);
    rep->hedges |= Has(policy, Policy::kHedges);
    rep->wants_distinct_endpoints |= Has(policy, Policy::kWantsDistinctEndpoints);
    rep->tick_interval = std::min(rep->tick_interval, policy.tick_interval());
  }
  rep->Gather(all);
  rep->takes = MayTake(rep->reservers_first);
  rep->owners = std::move(policies);
  return PolicySet(std::shared_ptr<const Rep>(std::move(rep)));
}

}  // namespace redial
