#include "redial/policy_set.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/mix.h"
#include "src/core/strings.h"

namespace redial {
namespace {

bool Has(const Policy& policy, uint32_t capability) {
  return (policy.traits().capabilities & capability) != 0;
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
    if (Has(*policy, Policy::kQueues)) {
      ++queues;
      if (!Has(*policy, Policy::kReserves)) {
        return absl::InvalidArgumentError(
            absl::StrCat(internal::ToAbsl(policy->name()),
                         " has kQueues without kReserves, which gives tickets"));
      }
    }
    if (Has(*policy, Policy::kCountsCalls) && !Has(*policy, Policy::kReserves)) {
      return absl::InvalidArgumentError(
          absl::StrCat(internal::ToAbsl(policy->name()),
                       " has kCountsCalls without kReserves, which admits the call"));
    }
    if (Has(*policy, Policy::kHedges) && !Has(*policy, Policy::kProposes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          internal::ToAbsl(policy->name()), " has kHedges without kProposes, which says when"));
    }
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

}  // namespace

PolicySet::PolicySet() : rep_(std::make_shared<const Rep>()) {}

absl::StatusOr<PolicySet> PolicySet::Create(PolicyList policies) {
  if (absl::Status valid = Check(policies); !valid.ok()) return valid;
  SortCanonically(policies);
  auto rep = std::make_shared<Rep>();
  uint64_t previous = 0;
  uint64_t ordinal = 0;
  for (const PolicyPtr& owner : policies) {
    Policy& policy = *owner;
    const uint64_t fingerprint = policy.Fingerprint();
    ordinal = !rep->all.empty() && fingerprint == previous ? ordinal + 1 : 0;
    previous = fingerprint;
    Member member{.policy = &policy,
                  .identity = internal::Mix64(fingerprint + ordinal),
                  .place = static_cast<int>(rep->all.size()),
                  .slot = -1,
                  .queue = -1,
                  .config = -1,
                  .counts_calls = false};
    const bool reserves = Has(policy, Policy::kReserves);
    member.counts_calls = Has(policy, Policy::kCountsCalls);
    if (reserves || Has(policy, Policy::kSettles)) member.slot = rep->slots++;
    if (Has(policy, Policy::kQueues)) member.queue = rep->queues++;
    if (Has(policy, Policy::kReconfigures)) {
      member.config = static_cast<int>(rep->reconfigured.size());
      rep->reconfigured.push_back(member);
    }

    rep->all.push_back(member);
    if (Has(policy, Policy::kJudgesFirst)) rep->judges_first.push_back(member);
    if (Has(policy, Policy::kJudgesAgain)) rep->judges_again.push_back(member);
    if (reserves) rep->reservers.push_back(member);
    if (reserves && !member.counts_calls) ++rep->attempt_reservers;
    if (member.slot >= 0) {
      (member.counts_calls ? rep->call_settlers : rep->settlers).push_back(member);
    }
    if (Has(policy, Policy::kCountsRefusals)) rep->refusal_counters.push_back(member);
    if (Has(policy, Policy::kConcludes)) rep->concluders.push_back(member);
    if (Has(policy, Policy::kProposes)) rep->proposers.push_back(member);
    if (Has(policy, Policy::kDisrupts)) rep->disruptors.push_back(member);
    if (Has(policy, Policy::kExamines)) rep->examiners.push_back(member);
    if (Has(policy, Policy::kObserves)) rep->observers.push_back(member);
    if (Has(policy, Policy::kAsks)) {
      rep->asker = member;
      rep->has_asker = true;
    }
    rep->retries |= Has(policy, Policy::kRetries);
    rep->never_waits |= Has(policy, Policy::kNeverWaits);
    rep->hedges |= Has(policy, Policy::kHedges);
    rep->wants_distinct_endpoints |= Has(policy, Policy::kWantsDistinctEndpoints);
    rep->tick_interval = std::min(rep->tick_interval, policy.tick_interval());
  }
  rep->owners = std::move(policies);
  return PolicySet(std::shared_ptr<const Rep>(std::move(rep)));
}

}  // namespace redial
