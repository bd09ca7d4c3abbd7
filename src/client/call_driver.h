// Drives a CallMachine on the calling thread: the one place that acts on decisions. It runs
// attempts, waits, asks, tells observers, and at the end turns codes back into a status with its
// story.
//
// Where hedges may come, the attempt that runs on the calling thread serves the call in its own waits
// (`WaitGuest`): no watcher thread is needed, and only a hedge that fires costs a task. An attempt
// that blocks outside redial isn't served, and so can't be hedged. What policies and observers throw
// meanwhile is kept until the attempt has returned: it is no business of the operation's.
#ifndef REDIAL_SRC_CLIENT_CALL_DRIVER_H_
#define REDIAL_SRC_CLIENT_CALL_DRIVER_H_

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "redial/call.h"
#include "redial/call_event.h"
#include "redial/failure.h"
#include "redial/ticket.h"
#include "src/client/call_waker.h"
#include "src/client/disruption.h"
#include "src/client/first_exception.h"
#include "src/client/hedges.h"
#include "src/core/call_machine.h"

namespace redial::internal {

inline bool MayHedge(const CallContext& context) {
  return context.policies.hedges() && context.options.idempotent;
}
inline bool MayDisrupt(const CallContext& context) {
  return !context.policies.disruptors().empty();
}

class CallDriver final : public AttemptNotes::Listener, public WaitGuest, public AttemptStop {
 public:
  // Of one call. `notices` is the machine's, null where nobody looks on.
  struct Parts {
    const CallContext& context;
    AttemptFunction attempt;
    CallMachine& machine;
    CallWaker& waker;
    Notices* notices;
    Instant began;
    Deadline deadline;
    uint64_t seed;
  };
  explicit CallDriver(const Parts& parts);
  CallDriver(const CallDriver&) = delete;
  CallDriver& operator=(const CallDriver&) = delete;
  // After an exception: gives everything back, and tells observers that the call is over.
  ~CallDriver();

  // The whole call.
  CallEnd Run();
  // The rest of a call whose machine has begun, from this action on.
  CallEnd GoOn(CallMachine::Action action);
  // The same, where the first attempt starts and policies have said what is to go wrong with it.
  CallEnd GoOnWith(const CallMachine::Started& start, const Fault& fault);
  // The rest of one whose first attempt runs on this thread already; `due` is when the machine wants to
  // be asked again.
  void TakeOver(int id, Deadline due) noexcept;
  // The rest of one whose first attempt has returned: an error, or after `TakeOver` anything.
  CallEnd GoOnAfter(const Attempt& first, const AttemptResult& result, Instant ended);
  // The same after `TakeOver`, where it threw when it was over already.
  CallEnd GoOnAfterException(const Attempt& first, Instant ended);
  // The same, where it returned a value that counts as a failure, as the machine knows.
  CallEnd GoOnAfterFailedValue();

  // Of a call that ended before its first attempt, which needs no driver.
  [[gnu::cold]] static absl::Status ErrorWithoutAttempt(const Parts& parts, Reason why);

  // What the attempt on this thread does.
  void Connecting(std::string_view address) override;
  void Connected(std::string_view address) override;
  // As the guest of the attempt on this thread.
  bool over() const override { return primary_over_; }
  Source* source() override;
  Deadline due() const override { return serve_at_; }
  void Serve(Instant now) noexcept override;
  // As its stop.
  const std::stop_token& token() override;

 private:
  // Where an attempt's result is kept, and the attempt, -1 if none.
  using Slots = std::array<int, kAttemptSlots>;
  using Disruptions = std::array<Disruption, kAttemptSlots>;  // likewise
  // Where an attempt is, or tries to be.
  struct AttemptPlace {
    int number;
    std::string address;
  };
  // What failed attempts leave behind for the story.
  struct Failures {
    std::vector<AttemptRecord> records;
    Failure last;
    absl::Status last_status;
  };

  CallMachine::Action Next();
  void Act(const CallMachine::Action& action);
  void Start(const CallMachine::Action& start);
  void RunAttempt(const CallMachine::Action& start);
  // One that may be hedged, or that is to go wrong.
  AttemptResult RunWatched(const CallMachine::Action& start, Attempt& attempt,
                           std::optional<AttemptNotes>& notes);
  AttemptResult RunServing(const Attempt& attempt, Disruption* disruption);
  // May be null, where the attempt goes as it would.
  Disruption* DisruptionOf(const CallMachine::Action& start, int slot);
  // The attempt has returned; what it came to goes to the machine.
  void Conclude(const Attempt& attempt, const AttemptResult& result, Instant started,
                Instant ended);
  void TellStarted(const CallMachine::Action& start);
  void TellConnected(int number, std::string_view address);

  // Hedges, all of them cold: a call without any never comes here.
  void StartHedge(const CallMachine::Action& start);
  void ConcludeHedge(Hedges::Hedge& hedge);
  void TakeInHedges();
  void TellConnections();
  void Place(int number, std::string_view address, bool stands);
  void Displace(int number);
  void EndPrimary();
  int TakeSlot(int id);
  int SlotOf(int id) const;
  // It failed; its result stays until another attempt has failed.
  void ReleaseSlot(int id);
  // Acts until the machine waits.
  void Pump();

  [[gnu::cold]] void KeepFailure(const Attempt& attempt, const AttemptNotes* notes,
                                 const absl::Status& status, Instant started, Outcome& outcome);
  AttemptRecord NewRecord(int number, AttemptKind kind, const absl::Status& status,
                          Instant started) const;
  [[gnu::cold]] AttemptRecord RecordOfSuccess(const Attempt& attempt, Instant started) const;
  [[gnu::cold]] void TellAttemptEnded(const AttemptRecord& record, const absl::Status& status,
                                      bool failed_result);
  [[gnu::cold]] void Wait(const CallMachine::Action& wait);
  WaitResult WaitUntil(Deadline until);
  [[gnu::cold]] void Ask(int id);
  CallEnd End(const CallMachine::Action& deliver);
  [[gnu::cold]] absl::Status Error(Reason why);

  [[gnu::cold]] void TellNotices();
  CallEvent NewEvent(CallEvent::Type type) const;
  // Everybody, also after one who throws.
  void Tell(const CallEvent& event) const { TellAll(event).Rethrow(); }
  FirstException TellAll(const CallEvent& event) const;

  const CallContext& context_;
  const AttemptFunction attempt_;
  Runtime& runtime_;
  const Instant began_;
  const Deadline deadline_;
  const uint64_t seed_;
  const bool observed_;
  const bool hedging_;
  const bool plain_;  // its attempts are run as they are: neither hedged nor disrupted
  bool ended_ = false;
  Deadline told_wait_ = Deadline::Past();
  int running_ = 0;  // the number of the attempt that runs
  Notices* const notices_;
  CallMachine* const machine_;
  CallWaker& waker_;
  std::unique_ptr<Failures> failures_;  // made when the first attempt failed
  std::optional<CallMachine::Action> deliver_;

  std::unique_ptr<Disruptions> disruptions_;  // made when the first attempt is to go wrong
  std::optional<Fault> foreseen_;             // of the attempt that starts next

  // Of a call that may hedge.
  int primary_ = -1;           // the attempt on this thread
  bool primary_over_ = false;  // it is to end: the call has no use for it
  Deadline serve_at_;
  Slots slots_;
  int failed_slot_ = -1;              // of the latest failure, which the machine may still look at
  std::vector<AttemptPlace> places_;  // of attempts in flight
  std::optional<LinkedStop> primary_stop_;
  absl::Status left_;      // of the primary, if it threw when it was over
  FirstException thrown_;  // while the primary was served
  std::unique_ptr<Hedges> hedges_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_CALL_DRIVER_H_
