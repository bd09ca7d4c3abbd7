// The policies of a call, checked and in one canonical order, so that the order in which they were
// listed doesn't matter.
//
//   auto set = redial::PolicySet::Create({redial::Retry({.max_attempts = 3}),
//                                         redial::FailFast(redial::OnErrno(ECONNREFUSED))});
//   // With max_attempts = 0: "Retry.max_attempts is 0; it must be at least 1".
//   if (!set.ok()) return set.status();
//
// Immutable, and cheap to copy: copies share the policies and their state. Safe between threads.
#ifndef REDIAL_POLICY_SET_H_
#define REDIAL_POLICY_SET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "redial/explanation.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

class CallMachine;

class REDIAL_EXPORT PolicySet {
 public:
  static constexpr int kMaxPolicies = 16;
  static constexpr int kMaxQueues = 4;  // of them, how many may queue
  static constexpr size_t kNoConfig = kMaxPolicies;

  // The empty set: one attempt, no objections.
  PolicySet();

  // kInvalidArgument when a policy is null or its configuration makes no sense (its own message),
  // when one is listed twice, or when there are more than `kMaxPolicies` of them or more than
  // `kMaxQueues` that queue.
  static absl::StatusOr<PolicySet> Create(PolicyList policies);

  struct Member {
    Policy* policy;
    uint64_t identity;  // of its random draws
    int place;          // its own in `all`
    int slot;           // its place among those that hold a token; -1 if it holds none
    int queue;          // its place among those that queue; -1 if it doesn't
    size_t config;      // its place among those that have one; kNoConfig if it has none
    bool counts_calls;
    bool leaves_lines_only;
  };

  // What a call with these policies will do, in plain words: the worst case, what is repeated, what
  // is shared, and warnings where two settings contradict each other. For people, when a client is
  // made; not cheap.
  Explanation Explain(const CallFacts& calls = {}) const;

  using Members = absl::Span<const Member>;
  // In canonical order.
  Members all() const { return rep_->all; }
  // Who is asked for what, in canonical order.
  Members judges_first() const { return rep_->judges_first; }
  Members judges_again() const { return rep_->judges_again; }
  // Before the first attempt, and before others: those that count calls have reserved then.
  Members reservers_first() const { return rep_->reservers_first; }
  Members reservers_again() const { return rep_->reservers_again; }
  Members queuers() const { return rep_->queuers; }
  // With a token, or kSettles: of attempts, and of calls.
  Members settlers() const { return rep_->settlers; }
  Members call_settlers() const { return rep_->call_settlers; }
  Members refusal_counters() const { return rep_->refusal_counters; }
  Members concluders() const { return rep_->concluders; }
  Members proposers() const { return rep_->proposers; }
  Members disruptors() const { return rep_->disruptors; }
  Members examiners() const { return rep_->examiners; }
  Members observers() const { return rep_->observers; }
  const Member* asker() const { return rep_->askers.empty() ? nullptr : rep_->askers.first; }
  int slots() const { return rep_->slots; }
  int queues() const { return rep_->queues; }
  bool retries() const { return rep_->retries; }
  bool hedges() const { return rep_->hedges; }  // some member may propose hedges
  bool never_waits() const { return rep_->never_waits; }
  bool wants_distinct_endpoints() const { return rep_->wants_distinct_endpoints; }
  // Infinite when nobody wants ticks.
  absl::Duration tick_interval() const { return rep_->tick_interval; }

 private:
  friend class CallMachine;
  // As a span, but ready to be walked.
  struct List {
    const Member* first = nullptr;
    const Member* last = nullptr;

    const Member* begin() const { return first; }
    const Member* end() const { return last; }
    bool empty() const { return first == last; }
    size_t size() const { return static_cast<size_t>(last - first); }
    operator Members() const { return Members(first, size()); }  // NOLINT
  };
  struct Rep {
    // What every call looks at comes first.
    int slots = 0;
    int queues = 0;
    bool retries = false;
    bool hedges = false;
    bool never_waits = false;
    bool wants_distinct_endpoints = false;
    // All who reserve for a first attempt may take instead, and at most one of them takes what others
    // then lack.
    bool takes = false;
    // Those who must be asked for their configuration: they publish none.
    List undisclosed;
    // Where configurations are published, in the order of `Member::config`; a word that holds nothing for
    // those who publish none.
    std::vector<const ConfigWord*> config_words;
    List judges_only, takers, judges_first, reservers_first, queuers, proposers, examiners,
        settlers, call_settlers, concluders, disruptors, observers, judges_again, reservers_again,
        refusal_counters, askers, all;
    absl::Duration tick_interval = absl::InfiniteDuration();
    // What the lists lie in, each after the other.
    std::vector<Member> members;
    PolicyList owners;

    void Gather(const std::vector<Member>& everybody);
  };
  explicit PolicySet(std::shared_ptr<const Rep> rep) : rep_(std::move(rep)) {}
  std::shared_ptr<const Rep> rep_;
};

}  // namespace redial

#endif  // REDIAL_POLICY_SET_H_
