// The line of a bulkhead: tickets by priority, and among equals by when they came. What `TicketQueue`
// is to policies that serve first in, first out, with what an overloaded line needs besides: the
// newest can be served first, anybody can be refused, and since when each waits is known.
//
//   WaitLine line;
//   line.Wait(ticket, view.priority, view.now);                // a newcomer
//   line.Offer(*line.Next(/*newest_first=*/false), now, wake);  // the policy has a permit for it
//   line.Grant(ticket);                                    // its owner came and took it
//   line.Leave(ticket);                                    // and has launched
//
// Theory of operation. The lists hold those who wait and nobody else, so that whoever is next is at an
// end of one. A ticket that was offered a permit, has taken it or is parked is in no list; it keeps
// the number of its arrival (in its note), and goes back to where that belongs when it waits again.
// While another policy holds it up it isn't waiting for this one: `WaitsSince` begins anew, and the
// time before that stands in `WaitedBefore`.
// Permits are the policy's to count.
//
// The policy's lock guards all of it, but for `InLine`.
#ifndef REDIAL_POLICIES_WAIT_LINE_H_
#define REDIAL_POLICIES_WAIT_LINE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "redial/reason.h"
#include "redial/ticket.h"
#include "redial/time.h"
#include "redial/view.h"

namespace redial::internal {

class WaitLine {
 public:
  // Whether it has come and not left. For its owner, whose calls alone change that: needs no lock.
  static bool InLine(const Ticket& ticket) { return ticket.note() != 0; }
  // Of one that waits.
  static Instant WaitsSince(const Ticket& ticket) {
    return Instant::FromNanos(ticket.since_nanos_);
  }
  // In nanoseconds, when it stood in line before that.
  static int64_t WaitedBefore(const Ticket& ticket) { return ticket.waited_nanos_; }
  // Of a refused one.
  static Reason RefusedFor(const Ticket& ticket) { return ticket.refused_for_; }

  size_t waiting() const { return waiting_; }
  // Those who have no permit and want one: who waits or is parked.
  size_t size() const { return waiting_ + parked_; }

  // Who is to be served: of the highest priority, the oldest or the newest. Null if nobody waits.
  Ticket* Next(bool newest_first) const;
  // Of the oldest of each priority, the one that has waited longest.
  Ticket* LongestWaiting() const;
  // The newest of the lowest priority, if that is below this one.
  Ticket* LowestBelow(int priority) const;

  // A newcomer, or one that was parked and keeps its priority; the same of `Park`.
  void Wait(Ticket& ticket, int priority, Instant now);
  void Park(Ticket& ticket, int priority, Instant now);
  void Offer(Ticket& ticket, Instant now, Wakeups& wake);
  void Grant(Ticket& ticket) { Move(ticket, Ticket::State::kGranted); }
  void Refuse(Ticket& ticket, Reason why, Wakeups& wake);
  void Leave(Ticket& ticket);

 private:
  struct Lane {
    Ticket* oldest = nullptr;
    Ticket* newest = nullptr;
  };

  void Join(Ticket& ticket, int priority);
  // Adds up how long it has waited, if it does.
  void Rest(Ticket& ticket, Instant now);
  // The one place where a ticket changes its state.
  void Move(Ticket& ticket, Ticket::State to);
  void Insert(Ticket& ticket);
  void Remove(Ticket& ticket);

  std::array<Lane, kHighestPriority - kLowestPriority + 1> lanes_;
  size_t waiting_ = 0;
  size_t parked_ = 0;
  int64_t arrivals_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_WAIT_LINE_H_
