// FailFast, and how to write a policy: this is the shortest whole one, so read it for the pattern.
//
// 1. Say what it does for its user, in a header below include/redial/policies/: two or three
//    sentences, an example, a function that makes it. The class stays here: nobody needs its name.
// 2. Derive from `Policy` and tell its constructor, by capabilities, what the policy takes part in.
//    The engine asks it for nothing else, so a bit that is missing is a method that is never
//    called, and one too many costs every call a little. redial/policy.h lists them.
// 3. Keep the configuration in const members. `Validate` answers for it once, when the policy joins
//    a set, with a sentence that names the field, its value and what is allowed.
// 4. Answer `Judge` from the view alone (and from the state that calls share, in a policy that has
//    some). It is asked any number of times for one attempt and must not wait, print, call out
//    under a lock or read a clock: the time is in the view, and so is chance (`View::Uniform`).
//    Object as mildly as is true: a pause is `NotBefore`, a queue `Blocked`, an end `Reject`. Never
//    try to overrule another policy's objection. There is no way to, and so the order in which
//    policies are listed can't matter.
// 5. A policy that counts or holds something (a permit, a token, a half-open breaker's probe)
//    takes it in `Reserve`, where the attempt is certain to start if all others agree, and gives it
//    back in exactly one of `Void` and `Settle`. This one holds nothing.
//
// Its test is tests/unit/fail_fast_test.cc, its page for users docs/policies/fail_fast.md.
#include "redial/policies/fail_fast.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace redial {
namespace {

// Ends the call on a failure that matches. Immutable: safe between threads.
class FailFastOn final : public Policy {
 public:
  explicit FailFastOn(Predicate when)
      : Policy({.name = "FailFast", .capabilities = CapabilitiesFor(when)}),
        when_(std::move(when)) {}

  absl::Status Validate() const override {
    if (when_) return absl::OkStatus();
    return absl::InvalidArgumentError("FailFast.when is empty; it must be a predicate");
  }

  // Asked after every failure. To the engine kFailFast is more than a reason to start no other
  // attempt: it ends the call at once, and aborts what is in flight.
  Verdict Judge(const View& view) const override {
    if (view.last == nullptr || !when_(*view.last)) return Verdict::Admit();
    return Verdict::Reject(Reason::kFailFast);
  }

  // Makes a value that matches (an HTTP 403) the failure that `Judge` is then asked about.
  bool IsFailure(const Outcome& outcome) const override { return when_(outcome); }

  void Describe(Description& description) const override {
    description.does.push_back(absl::StrCat("ends the call at the first of: ", when_.ToString()));
  }

 private:
  // A predicate that looks at no value has no use for being shown every one.
  static uint32_t CapabilitiesFor(const Predicate& when) {
    return kJudgesAgain | (when.examines() ? kExamines : 0u);
  }

  const Predicate when_;
};

// Never twice, never wait. Immutable: safe between threads.
//
// "Never wait" can't be a verdict, since it is about other policies' verdicts: kNeverWaits has the
// engine turn their delays and queues into the end of the call.
class FailFastAlways final : public Policy {
 public:
  FailFastAlways() : Policy({.name = "FailFast", .capabilities = kJudgesAgain | kNeverWaits}) {}

  // Of a hedge it is asked too: that one is dropped, and the attempt in flight goes on.
  Verdict Judge(const View&) const override { return Verdict::Reject(Reason::kFailFast); }

  void Describe(Description& description) const override {
    description.does.emplace_back(
        "ends the call at its first failure, and whatever would have to wait");
    description.max_attempts = 1;
  }
};

}  // namespace

PolicyPtr FailFast() { return std::make_shared<FailFastAlways>(); }

PolicyPtr FailFast(Predicate when) { return std::make_shared<FailFastOn>(std::move(when)); }

}  // namespace redial
