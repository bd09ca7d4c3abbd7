// A call machine under guard: every action that it asks for is held against the laws of one call.
// What was broken first is kept as a sentence.
//
//   LawCall call(set, {.deadline = deadline, .idempotent = true, .seed = 1});
//   call.Begin(now);
//   call.AttemptDone(now, call.live().front().id, outcome);
//   EXPECT_EQ(call.problem(), "");
//
// The laws: nothing starts at or after the deadline, and nothing waits past it; an attempt's deadline
// is the call's or earlier; a wait is never for the past, and no delay ends when it is too late; at most one first attempt, numbers in a
// row; an operation that isn't idempotent is never hedged and never repeated after it may have run;
// one Deliver, of an attempt that has just succeeded if of any; Done once all is acknowledged, and
// not before; what is reserved is what is in flight. Not for more than one thread, its wake target
// excepted.
#ifndef REDIAL_TESTS_SUPPORT_LAW_CALL_H_
#define REDIAL_TESTS_SUPPORT_LAW_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redial/policy_set.h"
#include "src/core/call_machine.h"

namespace redial::testing {

class LawCall final : public WakeSource {
 public:
  struct Live {
    int id;
    AttemptKind kind;
    Deadline until;
    bool aborted = false;
  };

  // `policies` outlives the call.
  LawCall(const PolicySet& policies, CallMachine::Config config);
  LawCall(const LawCall&) = delete;
  LawCall& operator=(const LawCall&) = delete;

  // `at_once`: by BeginAtOnce.
  void Begin(Instant now, bool at_once = false);
  void Tick(Instant now);
  void Wake(Instant now);
  void Cancel(Instant now);
  void Answered(Instant now, int id, Answer answer);
  void AttemptDone(Instant now, int id, Outcome outcome);
  // The machine goes, as when an exception passes through.
  void Drop();

  // The first law that was broken, empty if none.
  const std::string& problem() const { return problem_; }
  const std::vector<Live>& live() const { return live_; }
  // Those that were started by the latest event.
  int started() const { return started_; }
  bool begun() const { return begun_; }
  bool delivered() const { return delivered_; }
  bool done() const { return done_; }
  bool dropped() const { return !machine_; }
  int question() const { return question_; }  // the open one; -1 if none
  Deadline wait() const { return wait_; }
  Reason wait_reason() const { return wait_reason_; }
  Reason end_reason() const { return end_reason_; }
  int winner() const { return winner_; }
  int attempts() const { return attempts_; }
  ReasonSet reasons() const { return machine_->reasons(); }
  // Whether somebody woke the call since it was last asked.
  bool TakeWake();

  // A word an action: "+1" starts, "h2" hedges, "x1" aborts, "?1" asks, "=1" delivers, "!5" ends,
  // "~7:3" waits, "." is done. Cleared by whoever reads it.
  std::string words;

 private:
  class Target;

  std::shared_ptr<WakeTarget> wake_target() override;
  void Drain(Instant now);
  bool Take(const CallMachine::Action& action, Instant now);
  void TakeStart(const CallMachine::Action& action, Instant now);
  void TakeAbort(const CallMachine::Action& action);
  void TakeDeliver(const CallMachine::Action& action);
  void TakeWait(const CallMachine::Action& action);
  void Check(bool holds, const char* law);

  const PolicySet& policies_;
  const CallMachine::Config config_;
  std::shared_ptr<Target> target_;
  std::optional<CallMachine> machine_;
  std::string problem_;
  std::vector<Live> live_;
  bool begun_ = false;
  bool delivered_ = false;
  bool done_ = false;
  bool may_have_run_ = false;
  int succeeded_ = -1;  // the attempt whose success is being told
  int attempts_ = 0;
  int started_ = 0;
  int question_ = -1;
  int winner_ = -1;
  Deadline wait_;
  Reason wait_reason_ = Reason::kNone;
  Reason end_reason_ = Reason::kNone;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LAW_CALL_H_
