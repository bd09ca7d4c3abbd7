// Drives a CallMachine on the calling thread: the one place that acts on decisions. It runs
// attempts, waits, asks, tells observers, and at the end turns codes back into a status with its
// story.
#ifndef REDIAL_SRC_CLIENT_CALL_DRIVER_H_
#define REDIAL_SRC_CLIENT_CALL_DRIVER_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "redial/call.h"
#include "redial/call_event.h"
#include "redial/failure.h"
#include "redial/ticket.h"
#include "src/core/call_machine.h"

namespace redial::internal {

class CallDriver final : WakeSource, AttemptNotes::Listener {
 public:
  CallDriver(const CallContext& context, AttemptFunction attempt, Instant began, Deadline deadline,
             uint64_t seed);
  CallDriver(const CallDriver&) = delete;
  CallDriver& operator=(const CallDriver&) = delete;
  // After an exception of the operation's: gives everything back, and tells observers that the call
  // is over.
  ~CallDriver() override;

  absl::Status Run();

 private:
  class Waker;
  // What failed attempts leave behind for the story.
  struct Failures {
    std::vector<AttemptRecord> records;
    Failure last;
    absl::Status last_status;
  };

  std::shared_ptr<WakeTarget> wake_target() override;
  void Connected(std::string_view address) override;

  void RunAttempt(const CallMachine::Action& start);
  [[gnu::cold]] void KeepFailure(const Attempt& attempt, const AttemptNotes* notes,
                                 const absl::Status& status, Instant started, Outcome& outcome);
  [[gnu::cold]] void TellAttemptEnded(const Attempt& attempt, const absl::Status& status,
                                      Instant started, bool failed_result);
  [[gnu::cold]] void Wait(const CallMachine::Action& wait);
  WaitResult WaitUntil(Deadline until);
  [[gnu::cold]] void Ask(int id);
  absl::Status End(const CallMachine::Action& deliver);
  [[gnu::cold]] absl::Status Error(Reason why);

  [[gnu::cold]] void TellNotices();
  CallEvent NewEvent(CallEvent::Type type) const;
  void Tell(const CallEvent& event) const;

  const CallContext& context_;
  const AttemptFunction attempt_;
  Runtime& runtime_;
  const Instant began_;
  const Deadline deadline_;
  const uint64_t seed_;
  const bool observed_;
  bool ended_ = false;
  Deadline told_wait_ = Deadline::Past();
  int running_ = 0;                 // the number of the attempt that runs
  std::optional<Notices> notices_;  // where somebody looks on
  std::optional<CallMachine> machine_;
  std::shared_ptr<Waker> waker_;        // made when a ticket first enters a queue
  std::unique_ptr<Failures> failures_;  // made when the first attempt failed
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_CALL_DRIVER_H_
