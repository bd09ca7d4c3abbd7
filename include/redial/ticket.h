// How a call waits for its turn in a policy: tickets, and a queue of them.
//
// A ticket belongs to one candidate attempt. A policy that queues (`Policy::kQueues`) gets it with
// `Reserve`, puts it into its queue, and answers `Blocked` until its turn has come. The turn is
// given under the policy's lock; waking the owner comes after unlocking, and only means "judge
// again":
//
//   class Bulkhead final : public redial::Policy {
//     redial::Verdict Reserve(const redial::View&, redial::Token&, redial::Ticket* ticket) override {
//       redial::Wakeups wake;  // wakes in its destructor, after the lock is gone
//       std::lock_guard lock(mu_);
//       if (queue_.Claim(*ticket, free_, wake)) return redial::Verdict::Admit();
//       return redial::Verdict::Blocked(redial::Reason::kQueued);
//     }
//     std::mutex mu_;
//     redial::TicketQueue queue_;
//     int64_t free_ = 10;
//   };
//
// A ticket whose owner is held up by another policy keeps its place and is passed over (`Park`);
// one whose owner vanished passes its turn on (`Leave`). Neither type locks: the policy's own lock
// guards both.
#ifndef REDIAL_TICKET_H_
#define REDIAL_TICKET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "redial/export.h"
#include "redial/reason.h"

namespace redial {

namespace internal {
class WaitLine;
}  // namespace internal

// Wakes the call that waits. Safe from any thread, doesn't block or throw, may come late or more
// than once.
class REDIAL_EXPORT WakeTarget {
 public:
  virtual ~WakeTarget();
  virtual void Wake() = 0;
};

// Gives the call's wake target when its first ticket enters a queue.
class REDIAL_EXPORT WakeSource {
 public:
  virtual ~WakeSource();
  virtual std::shared_ptr<WakeTarget> wake_target() = 0;
};

// Targets to be woken after the policy's lock is released: declare it before the lock.
class REDIAL_EXPORT Wakeups {
 public:
  Wakeups() = default;
  Wakeups(const Wakeups&) = delete;
  Wakeups& operator=(const Wakeups&) = delete;
  ~Wakeups();
  void Add(std::shared_ptr<WakeTarget> target) { targets_.push_back(std::move(target)); }

 private:
  std::vector<std::shared_ptr<WakeTarget>> targets_;
};

class REDIAL_EXPORT Ticket {
 public:
  enum class State : uint8_t {
    kOut,      // in no queue
    kWaiting,  // in line
    kOffered,  // a permit is set aside for it; its owner has been woken
    kGranted,  // its owner reserved, and hasn't launched yet
    kParked,   // in line, passed over: another policy holds its owner up
    kRefused,  // put out of line by the policy; its owner has been woken
  };

  Ticket() = default;
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  State state() const { return state_; }
  // A number of the policy's own: an instant it reserved, a priority. 0 for each new candidate.
  int64_t note() const { return note_; }
  void set_note(int64_t note) { note_ = note; }

  // For the engine.
  void set_wake_source(WakeSource* source) { source_ = source; }

 private:
  friend class TicketQueue;
  friend class internal::WaitLine;
  Ticket* prev_ = nullptr;
  Ticket* next_ = nullptr;
  State state_ = State::kOut;
  // Of a WaitLine, which keeps the number of its arrival in the note.
  uint8_t lane_ = 0;
  Reason refused_for_ = Reason::kNone;
  int64_t note_ = 0;
  int64_t since_nanos_ = 0;
  int64_t waited_nanos_ = 0;  // before that
  WakeSource* source_ = nullptr;
  std::shared_ptr<WakeTarget> target_;
};

// First in, first out, with permits: `free` is the policy's count of permits that nobody holds. The
// policy's lock guards all of it. Destroying a queue with tickets in it is a bug of the caller's.
class REDIAL_EXPORT TicketQueue {
 public:
  TicketQueue() = default;
  TicketQueue(const TicketQueue&) = delete;
  TicketQueue& operator=(const TicketQueue&) = delete;

  // From `Reserve`: takes a permit for `ticket` if it is its turn, else puts it in line (or back in
  // line, at its place, if it was parked). True: the caller holds a permit.
  bool Claim(Ticket& ticket, int64_t& free, Wakeups& wake);
  // From `Void`: the permit comes back, and the ticket keeps its place, parked (see `Park`); one
  // that was served without standing in line now gets a place.
  void Unclaim(Ticket& ticket, int64_t& free, Wakeups& wake);
  // From `Park`: passed over until it claims again; a permit set aside for it goes to the next.
  void Park(Ticket& ticket, int64_t& free, Wakeups& wake);
  // From `Leave`: out of line for good. A permit that was set aside goes on; one that was granted
  // stays with the attempt.
  void Leave(Ticket& ticket, int64_t& free, Wakeups& wake);
  // From `Settle`, after `free` was raised: sets permits aside for those in line and wakes them.
  void Offer(int64_t& free, Wakeups& wake);

  // In line, parked ones included.
  size_t size() const { return size_; }
  // Of them, those that a permit would serve at once. With a free permit there are none.
  size_t waiting() const { return waiting_; }

 private:
  void Append(Ticket& ticket);
  void Unlink(Ticket& ticket);
  void Offer(int64_t& free, Wakeups& wake, const Ticket* caller);
  void SetState(Ticket& ticket, Ticket::State state);

  Ticket* head_ = nullptr;
  Ticket* tail_ = nullptr;
  size_t size_ = 0;
  size_t waiting_ = 0;
};

}  // namespace redial

#endif  // REDIAL_TICKET_H_
