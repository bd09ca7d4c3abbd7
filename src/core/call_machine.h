// The state machine of one logical call.
//
// Theory of operation. A call is a row of attempts. At any time there is at most one *candidate*,
// an attempt that might start: the first one, the retry that follows a failure, or a hedge. It is
// *considered* when its time has come or somebody woke the call: every policy judges, the verdicts
// are joined, and if all admit, those that reserve do so, all or nothing. Then it is launched; or
// it waits, for an instant or for a wake-up; or it is dropped, and with nothing else in flight the
// call ends with the last failure.
//
// The machine owns no thread, clock, socket or result. Time comes in with each event, randomness
// with the seed, and what it wants done comes out as actions. Protocol:
//
//   - Begin first, once. Drain `Next` after every event, until it answers kWait or kDone; kWait says
//     until when at most.
//   - Each kStart is answered by one AttemptDone with its id, whenever the attempt has returned.
//     kAbort asks for that to be soon.
//   - kAsk is answered by Answered with its id, or never.
//   - kDeliver comes exactly once, but not where BeginAtOnce has refused; kDone after every started
//     attempt was acknowledged.
//   - Late, duplicate and spurious events are ignored, and `now` never runs backwards.
//   - Destroying the machine at any time gives everything back: running attempts are settled as
//     aborted, tickets leave their queues, and a call that had no result yet is concluded without one.
//
// Not shared between threads.
#ifndef REDIAL_SRC_CORE_CALL_MACHINE_H_
#define REDIAL_SRC_CORE_CALL_MACHINE_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>

#include "absl/status/status.h"
#include "redial/conclusion.h"
#include "redial/fault.h"
#include "redial/policy.h"
#include "redial/policy_set.h"
#include "redial/time.h"
#include "redial/verdict.h"
#include "redial/view.h"

namespace redial {

class CallMachine {
 public:
  static constexpr int kMaxLive = 4;  // attempts in flight

  struct Config {
    Deadline deadline;
    bool idempotent = false;
    uint64_t seed = 0;
    WakeSource* wake = nullptr;  // needed where a policy queues; outlives the machine
    // Where policies tell of changes, to be taken out after each event; outlives the machine. Null
    // where nobody wants to know.
    Notices* notices = nullptr;
    int priority = 0;
  };

  struct Action {
    enum class Type : uint8_t { kStart, kAbort, kAsk, kDeliver, kWait, kDone };
    Type type = Type::kDone;
    AttemptKind kind = AttemptKind::kFirst;
    Reason reason = Reason::kNone;  // kDeliver: why the call is over; kWait: what it waits for
    int id = -1;                    // kStart, kAbort, kAsk; kDeliver: the winner, -1 if none
    Deadline until;                 // kStart: the attempt's deadline; kWait
  };

  // Nothing of it is constructed: calls make room for several, and few need more than one.
  struct Started {
    int id;
    AttemptKind kind;
    int64_t until_bits;  // a Deadline's

    Deadline until() const { return std::bit_cast<Deadline>(until_bits); }
    void set_until(Deadline until) { until_bits = std::bit_cast<int64_t>(until); }
  };

  CallMachine(const PolicySet& policies, const Config& config)
      : policies_(*policies.rep_), wake_(config.wake) {
    view_.idempotent = config.idempotent;
    view_.deadline = config.deadline;
    view_.seed = config.seed;
    view_.notices = config.notices;
    view_.priority = config.priority;
  }
  CallMachine(const CallMachine&) = delete;
  CallMachine& operator=(const CallMachine&) = delete;
  // Gives everything back, as `Abandon`.
  ~CallMachine() {
    if (live_count_ != 0 || !delivered_) Abandon();
  }

  void Begin(Instant now);
  // In place of Begin, for nearly every call: one whose first attempt starts at once, or is refused. The
  // attempt has id 0 and is answered like that of a kStart. A call that is refused is over for the reason
  // `why`, and there is no action to take. With neither, go on as after Begin.
  struct Beginning {
    const Started* started = nullptr;
    bool refused = false;
    Reason why = Reason::kNone;
  };
  Beginning BeginAtOnce(Instant now);
  void Tick(Instant now);
  void Wake(Instant now);
  void Cancel(Instant now);
  void Answered(Instant now, int id, Answer answer);
  // `outcome.kind`, `follows`, `started`, `ended` and `failed_result` are filled in here. What `status`
  // and `result` point to stays valid until the next attempt is acknowledged or the machine is gone.
  void AttemptDone(Instant now, int id, Outcome& outcome);

  // The call is left, as by an exception: running attempts are settled as aborted, tickets leave their
  // queues. Nothing is asked of the machine after that.
  void Abandon();

  Action Next();
  // What policies want to go wrong with the attempt that starts. For the driver, once for each of them,
  // where the set has disruptors.
  Fault Disrupt(int id, AttemptKind kind);

  // Whether `Next` has more to say than kWait and kDone.
  bool has_actions() const { return out_head_ < out_count_; }
  bool delivered() const { return delivered_; }
  int attempts() const { return view_.attempts; }
  Instant now() const { return view_.now; }
  // Of the latest decision: everything that spoke against another attempt, and when the refuser
  // would next admit.
  ReasonSet reasons() const { return reasons_; }
  std::optional<Instant> next_admission() const { return next_admission_; }
  // Whether the latest failed attempt was a value that a policy counts as a failure.
  bool last_was_failed_result() const { return last_ && last_->failed_result; }
  // Reservations that were neither voided nor settled.
  int outstanding() const { return outstanding_; }

 private:
  // An action before `Next` hands it out. Three small fields in one word: written one by one and read
  // together, they would stall the processor's store buffer.
  struct Queued {
    uint32_t what;  // type, kind, reason: a byte each
    int id;
    int64_t until;  // a Deadline's bits, so that there is nothing to construct
  };
  struct Live : Started {
    bool aborted;
    uint8_t held;              // how many of its tokens were reserved
    absl::StatusCode follows;  // of a retry
    int64_t started_nanos;

    Instant started() const { return Instant::FromNanos(started_nanos); }
    alignas(16) std::array<Token, PolicySet::kMaxPolicies> tokens;
  };
  // One for each policy that queues, made for the first candidate that reserves: what a call that
  // nothing delays pays for them.
  class Tickets {
   public:
    Tickets() = default;
    Tickets(const Tickets&) = delete;
    Tickets& operator=(const Tickets&) = delete;
    ~Tickets() {
      for (int i = 0; i < made_; ++i) (*this)[i].~Ticket();
    }
    void Make(int n, WakeSource* wake) {
      for (; made_ < n; ++made_) {
        (new (bytes_ + sizeof(Ticket) * static_cast<size_t>(made_)) Ticket)->set_wake_source(wake);
      }
    }
    Ticket& operator[](int i) {
      return *std::launder(
          reinterpret_cast<Ticket*>(bytes_ + sizeof(Ticket) * static_cast<size_t>(i)));
    }

   private:
    int made_ = 0;
    alignas(Ticket) std::byte bytes_[PolicySet::kMaxQueues * sizeof(Ticket)];
  };
  struct Candidate {
    bool active = false;
    bool considered = false;  // so a wake-up may be about it
    AttemptKind kind = AttemptKind::kFirst;
    Reason waits_for = Reason::kNone;
    uint32_t entered = 0;  // a bit for each queue whose policy has seen the ticket
    Deadline at;           // when to consider it next, if nobody wakes the call before
    Tickets tickets;
  };
  class Reservation;

  // The call's first moment.
  void Enter(Instant now);
  void Advance(Instant now) { view_.now = std::max(view_.now, now); }
  void Step();
  void Consider();
  bool TakeAndLaunch();
  void ClearTokens(Live& live) const;
  Verdict TryToLaunch();
  Verdict ReserveAndLaunch(Live& live, PolicySet::Members reservers);
  Verdict JudgeAll(AttemptKind kind);
  Verdict EnginesOwn(AttemptKind kind);
  Verdict Restrict(Verdict verdict);
  Proposal ProposeAll();
  // Who is asked next.
  void Address(const PolicySet::Member& member) {
    view_.identity = member.identity;
    view_.config = configs_[member.config];
  }
  void Launch(Live& live, const Proposal& proposal);
  void Refuse(const Verdict& verdict);
  void TellRefusers();
  void AfterFailure();
  void Activate(AttemptKind kind, Deadline at);
  void Reconsider();
  void Drop() {
    candidate_.active = false;
    if (candidate_.entered != 0) LeaveQueues();
  }
  void LeaveQueues();
  void ParkTickets();
  // Whether a policy that queues has seen it.
  bool HasTicket(const PolicySet::Member& member) const;
  // To the policy that is asked next, in the view, if it has seen it.
  void ShowTicket(const PolicySet::Member& member);
  int Find(int id) const;
  // Which attempt it is of.
  static void Identify(const Live& live, Outcome& outcome);
  bool IsFailure(Outcome& outcome) const;
  void SettleAll(const Live& live, Outcome& outcome);
  void Settle(const PolicySet::Member& member, Token token, Outcome& outcome);
  // Settles with those that count calls.
  void SettleCall(Reason reason, const Outcome* outcome);
  void Note(const Verdict& verdict);
  void Note(const Verdict& verdict, const PolicySet::Member& member);
  // Tells those that count calls how this one ended; `outcome` as in `Finish`.
  void Conclude(Reason reason, const Outcome* outcome);
  void ConcludeFailed(Conclusion& end);
  void ConcludeLeft();
  void TellConcluders(Conclusion& end);
  // The call's first attempt, without an action.
  Reason RefuseFirst(const Verdict& verdict);
  // `outcome`: the winner's, or of the failure that the call ends with; null if there is none.
  void Decide(Reason reason, const Outcome* outcome);
  void Finish(Reason reason, int winner, const Outcome* outcome);
  void FinishFailed(Reason reason) { Finish(reason, -1, last_ ? &*last_ : nullptr); }
  void Push(Action::Type type, AttemptKind kind, Reason reason, int id,
            Deadline until = Deadline::Never()) {
    if (out_count_ == static_cast<int>(out_.size())) [[unlikely]] {
      NotDrained();
    }
    out_[static_cast<size_t>(out_count_++)] = {static_cast<uint32_t>(type) |
                                                   static_cast<uint32_t>(kind) << 8 |
                                                   static_cast<uint32_t>(reason) << 16,
                                               id, std::bit_cast<int64_t>(until)};
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void NotDrained();

  const PolicySet::Rep& policies_;
  WakeSource* const wake_;
  View view_;
  std::optional<Outcome> last_;
  bool begun_ = false;
  bool delivered_ = false;
  int next_id_ = 0;
  int asked_ = -1;  // the id of the question that is open or answered
  int live_count_ = 0;
  int hedges_ = 0;
  int max_hedges_ = 0;
  int outstanding_ = 0;
  bool holds_call_ = false;  // what those that count calls gave
  ReasonSet reasons_;
  uint32_t rejected_ = 0;  // a bit for the place of each member that rejected the latest decision
  Instant latest_delay_;   // the latest NotBefore of this decision
  Deadline first_end_;     // the first end of a BlockedUntil of this decision
  std::optional<Instant> next_admission_;
  Candidate candidate_;
  std::array<Live, kMaxLive> live_;
  std::array<Token, PolicySet::kMaxPolicies> call_tokens_;
  std::array<const void*, PolicySet::kNoConfig + 1> configs_;
  int out_head_ = 0;
  int out_count_ = 0;
  std::array<Queued, 2 * kMaxLive + 4> out_;
};

}  // namespace redial

#endif  // REDIAL_SRC_CORE_CALL_MACHINE_H_
