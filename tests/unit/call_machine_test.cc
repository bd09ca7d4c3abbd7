#include "src/core/call_machine.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/support/machine_trace.h"
#include "tests/unit/one_permit.h"

namespace redial {
namespace {

using testing::Fails;
using testing::Hangs;
using testing::kMillisecond;
using testing::MachineTrace;
using testing::OnePermit;
using testing::ScriptedOutcome;
using testing::Succeeds;

// Retries up to `attempts`, `pause_ms` after each failure.
class Again final : public Policy {
 public:
  Again(int attempts, int64_t pause_ms)
      : Policy({.name = "Again", .capabilities = kJudgesAgain | kRetries}),
        attempts_(attempts),
        pause_(pause_ms * kMillisecond) {}
  Verdict Judge(const View& view) const override {
    if (view.attempts >= attempts_) return Verdict::Reject(Reason::kExhausted);
    if (view.kind == AttemptKind::kHedge) return Verdict::Admit();
    return Verdict::NotBefore(Plus(view.last->ended, pause_), Reason::kBackoff);
  }

 private:
  const int attempts_;
  const int64_t pause_;
};

class Proposes final : public Policy {
 public:
  explicit Proposes(Proposal proposal)
      : Policy({.name = "Proposes", .capabilities = kProposes | kHedges}), proposal_(proposal) {}
  Proposal Propose(const View&) const override { return proposal_; }

 private:
  const Proposal proposal_;
};

class EndsOn final : public Policy {
 public:
  explicit EndsOn(absl::StatusCode code)
      : Policy({.name = "EndsOn", .capabilities = kJudgesAgain}), code_(code) {}
  Verdict Judge(const View& view) const override {
    return view.last != nullptr && view.last->code == code_ ? Verdict::Reject(Reason::kFailFast)
                                                            : Verdict::Admit();
  }

 private:
  const absl::StatusCode code_;
};

class Asks final : public Policy {
 public:
  Asks() : Policy({.name = "Asks", .capabilities = kJudgesAgain | kRetries | kAsks}) {}
  Verdict Judge(const View& view) const override {
    switch (view.answer) {
      case Answer::kNone:
        return Verdict::Blocked(Reason::kUndecided);
      case Answer::kGiveUp:
        return Verdict::Reject(Reason::kGaveUp);
      case Answer::kRetry:
        break;
    }
    return Verdict::Admit();
  }
};

class NeverWaits final : public Policy {
 public:
  NeverWaits() : Policy({.name = "NeverWaits", .capabilities = kNeverWaits}) {}
};

PolicySet Set(PolicyList list) { return *PolicySet::Create(std::move(list)); }
PolicyPtr HedgeAfter(int64_t ms, int most) {
  return std::make_shared<Proposes>(
      Proposal{.hedge_after_nanos = ms * kMillisecond, .max_hedges = most});
}

CallMachine::Config Idempotent(Deadline deadline = Deadline::Never()) {
  return {.deadline = deadline, .idempotent = true, .seed = 1, .wake = nullptr};
}
const Instant kBegan = Plus(Instant::VirtualOrigin(), 1000 * kMillisecond);
Deadline AtMs(int64_t ms) { return Deadline(Plus(kBegan, ms * kMillisecond)); }

TEST(CallMachine, DeliversTheFirstSuccess) {
  const PolicySet set;
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Succeeds(5); }),
            "0:start#1 5:ok#1 5:deliver#1 5:done");
  EXPECT_TRUE(call.machine().reasons().empty());
}

TEST(CallMachine, WithoutARetryAFailureEndsTheCall) {
  const PolicySet set;
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Fails(5); }),
            "0:start#1 5:failed#1 5:end:not_retried 5:done");
}

TEST(CallMachine, RetriesAfterThePauseUntilItIsExhausted) {
  const PolicySet set = Set({std::make_shared<Again>(3, 10)});
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Fails(5); }),
            "0:start#1 5:failed#1 5:wait(15,backoff) 15:start#2 20:failed#2 20:wait(30,backoff) "
            "30:start#3 35:failed#3 35:end:exhausted 35:done");
}

TEST(CallMachine, NothingThatMayHaveRunIsReplayed) {
  const PolicySet set = Set({std::make_shared<Again>(3, 10)});
  for (Sent sent : {Sent::kMaybe, Sent::kAnswered}) {
    MachineTrace call(set, {.deadline = {}, .idempotent = false, .seed = 1, .wake = nullptr});
    EXPECT_EQ(call.Play([&](int, AttemptKind) { return Fails(5, sent); }),
              "0:start#1 5:failed#1 5:end:unsafe 5:done");
  }
  for (Sent sent : {Sent::kNo, Sent::kRejected}) {
    MachineTrace call(set, {.deadline = {}, .idempotent = false, .seed = 1, .wake = nullptr});
    EXPECT_EQ(
        call.Play([&](int id, AttemptKind) { return id == 0 ? Fails(5, sent) : Succeeds(1); }),
        "0:start#1 5:failed#1 5:wait(15,backoff) 15:start#2 16:ok#2 16:deliver#2 16:done");
  }
}

TEST(CallMachine, NobodySleepsToFailLater) {
  const PolicySet set = Set({std::make_shared<Again>(3, 100)});
  MachineTrace call(set, Idempotent(AtMs(50)));
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Fails(5); }),
            "0:start#1 5:failed#1 5:end:deadline 5:done");
  EXPECT_TRUE(call.machine().reasons().Has(Reason::kBackoff));
}

TEST(CallMachine, AnExpiredDeadlineStartsNothing) {
  const PolicySet set;
  MachineTrace call(set, Idempotent(Deadline::Past()));
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Succeeds(5); }), "0:end:deadline 0:done");
}

TEST(CallMachine, TheDeadlineCutsAnAttemptShort) {
  const PolicySet set = Set({std::make_shared<Again>(3, 1)});
  MachineTrace call(set, Idempotent(AtMs(50)));
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Hangs(); }),
            "0:start#1 50:failed#1 50:end:deadline 50:done");
}

TEST(CallMachine, TheFirstSuccessOfHedgesWinsAndTheLosersAreAborted) {
  const PolicySet set = Set({HedgeAfter(10, 2)});
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int id, AttemptKind) { return id == 1 ? Succeeds(5) : Hangs(); }),
            "0:start#1 10:hedge#2 15:ok#2 15:abort#1 15:deliver#2 15:gone#1 15:done");
}

TEST(CallMachine, TheFirstFailureOfHedgesDoesNotWin) {
  const PolicySet set = Set({HedgeAfter(10, 2)});
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int id, AttemptKind) { return id == 0 ? Succeeds(30) : Fails(5); }),
            "0:start#1 10:hedge#2 15:failed#2 15:hedge#3 20:failed#3 30:ok#1 30:deliver#1 30:done");
}

TEST(CallMachine, WhatIsNotIdempotentIsNeverHedged) {
  const PolicySet set = Set({HedgeAfter(10, 2)});
  MachineTrace call(set, {.deadline = {}, .idempotent = false, .seed = 1, .wake = nullptr});
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Succeeds(30); }),
            "0:start#1 30:ok#1 30:deliver#1 30:done");
}

TEST(CallMachine, FailFastAbortsWhatIsInFlight) {
  const PolicySet set =
      Set({HedgeAfter(10, 1), std::make_shared<EndsOn>(absl::StatusCode::kNotFound)});
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int id, AttemptKind) {
    return id == 0 ? Hangs() : Fails(5, Sent::kNo, absl::StatusCode::kNotFound);
  }),
            "0:start#1 10:hedge#2 15:failed#2 15:abort#1 15:end:fail_fast 15:gone#1 15:done");
  EXPECT_TRUE(call.machine().reasons().Has(Reason::kFailFast));
}

TEST(CallMachine, NeverWaitsTurnsADelayIntoAnEnd) {
  const PolicySet set = Set({std::make_shared<Again>(3, 10), std::make_shared<NeverWaits>()});
  MachineTrace call(set, Idempotent());
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Fails(5); }),
            "0:start#1 5:failed#1 5:end:fail_fast 5:done");
}

TEST(CallMachine, APersonDecidesOnceForEachAttempt) {
  const PolicySet set = Set({std::make_shared<Asks>()});
  MachineTrace call(set, Idempotent());
  call.Play([](int, AttemptKind) { return Fails(5); });
  EXPECT_EQ(call.trace(), "0:start#1 5:failed#1 5:ask#1 5:wait(ever,undecided)");
  call.machine().Answered(call.now(), 7, Answer::kGiveUp);  // another question's
  call.machine().Answered(call.now(), 1, Answer::kRetry);
  call.machine().Answered(call.now(), 1, Answer::kGiveUp);  // a duplicate
  call.Drain();
  call.Continue();
  EXPECT_EQ(call.trace(),
            "0:start#1 5:failed#1 5:ask#1 5:wait(ever,undecided) 5:start#2 10:failed#2 10:ask#2 "
            "10:wait(ever,undecided)");
  call.machine().Answered(call.now(), 2, Answer::kGiveUp);
  call.Drain();
  EXPECT_TRUE(call.done());
  EXPECT_TRUE(call.machine().reasons().Has(Reason::kGaveUp));
}

TEST(CallMachine, NobodyIsAskedAboutWhatMayNotBeRepeated) {
  const PolicySet set = Set({std::make_shared<Asks>()});
  MachineTrace call(set, {.deadline = {}, .idempotent = false, .seed = 1, .wake = nullptr});
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Fails(5, Sent::kMaybe); }),
            "0:start#1 5:failed#1 5:end:unsafe 5:done");
}

TEST(CallMachine, NobodyIsAskedInVain) {
  const PolicySet set = Set({std::make_shared<Asks>(), std::make_shared<Again>(3, 100)});
  MachineTrace call(set, Idempotent(AtMs(50)));
  EXPECT_EQ(call.Play([](int, AttemptKind) { return Fails(5); }),
            "0:start#1 5:failed#1 5:end:deadline 5:done");
}

TEST(CallMachine, ATicketWaitsItsTurnAndIsServedInOrder) {
  auto permit = std::make_shared<OnePermit>();
  const PolicySet set = Set({permit});
  MachineTrace first(set, Idempotent());
  MachineTrace second(set, Idempotent());
  MachineTrace third(set, Idempotent());
  const auto hang = [](int, AttemptKind) { return Hangs(); };
  first.machine().Begin(kBegan);
  EXPECT_EQ(first.machine().Next().type, CallMachine::Action::Type::kStart);
  EXPECT_EQ(second.Play(hang), "0:wait(ever,queued)");
  EXPECT_EQ(third.Play(hang), "0:wait(ever,queued)");
  EXPECT_EQ(permit->queued(), 2u);
  Outcome answered;
  first.machine().AttemptDone(kBegan, 0, answered);
  third.machine().Wake(kBegan);  // not its turn
  third.Drain();
  EXPECT_EQ(third.trace(), "0:wait(ever,queued)");
  second.machine().Cancel(kBegan);  // its turn vanishes with it, and goes on
  second.Drain();
  EXPECT_EQ(second.trace(), "0:wait(ever,queued) 0:end:cancelled 0:done");
  third.machine().Wake(kBegan);
  third.Drain();
  EXPECT_EQ(third.trace(), "0:wait(ever,queued) 0:start#1");
  EXPECT_EQ(permit->queued(), 0u);
}

TEST(CallMachine, ADroppedMachineGivesEverythingBack) {
  auto permit = std::make_shared<OnePermit>();
  const PolicySet set = Set({permit});
  {
    MachineTrace running(set, Idempotent());
    MachineTrace waiting(set, Idempotent());
    running.machine().Begin(kBegan);
    waiting.machine().Begin(kBegan);
    EXPECT_EQ(permit->free(), 0);
    EXPECT_EQ(permit->queued(), 1u);
  }
  EXPECT_EQ(permit->free(), 1);
  EXPECT_EQ(permit->queued(), 0u);
}

TEST(CallMachine, LateDuplicateAndSpuriousEventsAreIgnored) {
  const PolicySet set = Set({std::make_shared<Again>(3, 10)});
  MachineTrace call(set, Idempotent());
  call.Play([](int, AttemptKind) { return Succeeds(5); });
  const std::string before = call.trace();
  Outcome late;
  call.machine().AttemptDone(call.now(), 0, late);
  call.machine().AttemptDone(call.now(), 99, late);
  call.machine().Tick(kBegan);
  call.machine().Wake(kBegan);
  call.machine().Cancel(kBegan);
  call.machine().Answered(kBegan, 1, Answer::kRetry);
  EXPECT_EQ(call.machine().Next().type, CallMachine::Action::Type::kDone);
  EXPECT_EQ(call.trace(), before);
}

}  // namespace
}  // namespace redial
