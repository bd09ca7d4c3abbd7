// The first attempt of a call that may be hedged, as long as nobody has need of a driver: as soon as it
// waits until a hedge is due, asks for a stop that hedges share, dials, or fails, one is made, and
// takes over.
//
//   CallEnd end = HedgedFirst(parts, start.id, hedge_at).Run(start);
#ifndef REDIAL_SRC_CLIENT_HEDGED_FIRST_H_
#define REDIAL_SRC_CLIENT_HEDGED_FIRST_H_

#include <optional>
#include <stop_token>
#include <string_view>

#include "redial/attempt.h"
#include "redial/runtime.h"
#include "redial/time.h"
#include "src/client/call_driver.h"
#include "src/core/call_machine.h"

namespace redial::internal {

class HedgedFirst final : AttemptNotes::Listener, WaitGuest, AttemptStop {
 public:
  // `due`: when the machine wants to be asked again.
  HedgedFirst(const CallDriver::Parts& parts, int id, Deadline due)
      : parts_(parts), id_(id), due_(due) {
    notes_.listener = this;
    notes_.tells_tries = true;
  }
  HedgedFirst(const HedgedFirst&) = delete;
  HedgedFirst& operator=(const HedgedFirst&) = delete;

  // The rest of the call, whose first attempt starts.
  CallEnd Run(const CallMachine::Started& start);

 private:
  // Made when it is first needed, which takes no memory and can't fail.
  CallDriver& Driver() noexcept;
  // With a null status where an exception left it.
  AttemptResult RunServed(const Attempt& first, FirstException& left);
  [[gnu::cold, gnu::noinline]] CallEnd GoOn(const Attempt& first, const AttemptResult& result,
                                            Instant ended, const FirstException& left);

  void Connecting(std::string_view address) override { Driver().Connecting(address); }
  void Connected(std::string_view address) override { Driver().Connected(address); }
  bool over() const override { return driver_ && driver_->over(); }
  Source* source() override { return driver_ ? driver_->source() : parts_.waker.event(); }
  Deadline due() const override { return driver_ ? driver_->due() : due_; }
  void Serve(Instant now) noexcept override { Driver().Serve(now); }
  const std::stop_token& token() override { return Driver().token(); }

  const CallDriver::Parts& parts_;
  const int id_;
  const Deadline due_;
  AttemptNotes notes_;
  std::optional<CallDriver> driver_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_HEDGED_FIRST_H_
