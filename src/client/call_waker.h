// What wakes a call that waits: made when a ticket first enters a queue, or a hedge starts, since
// most calls never wait.
//
//   CallWaker waker;
//   ticket.set_wake_source(&waker);
//   if (Source* event = waker.event()) runtime.Wait(*event, deadline, stop);
//
// Used by the call's thread alone; what it gives out may be woken from any.
#ifndef REDIAL_SRC_CLIENT_CALL_WAKER_H_
#define REDIAL_SRC_CLIENT_CALL_WAKER_H_

#include <memory>

#include "redial/source.h"
#include "redial/ticket.h"

namespace redial::internal {

class CallWaker final : public WakeSource {
 public:
  CallWaker() = default;
  CallWaker(const CallWaker&) = delete;
  CallWaker& operator=(const CallWaker&) = delete;

  std::shared_ptr<WakeTarget> wake_target() override {
    if (target_ == nullptr) target_ = std::make_shared<Target>();
    return target_;
  }
  // Null until somebody has asked for the target.
  Source* event() { return target_ == nullptr ? nullptr : &target_->event; }

 private:
  struct Target final : WakeTarget {
    void Wake() override { event.Set(); }
    Event event;
  };
  std::shared_ptr<Target> target_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_CALL_WAKER_H_
