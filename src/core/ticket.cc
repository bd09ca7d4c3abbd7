#include "redial/ticket.h"

namespace redial {

WakeTarget::~WakeTarget() = default;
WakeSource::~WakeSource() = default;

Wakeups::~Wakeups() {
  for (auto& target : targets_) target->Wake();
}

bool TicketQueue::Claim(Ticket& ticket, int64_t& free, Wakeups& wake) {
  using State = Ticket::State;
  switch (ticket.state_) {
    case State::kOut:
      if (free > 0 && waiting_ == 0) {
        --free;
        return true;  // nobody is ahead: no need to stand in line
      }
      Append(ticket);
      SetState(ticket, State::kWaiting);
      break;
    case State::kParked:
      SetState(ticket, State::kWaiting);
      break;
    case State::kOffered:
    case State::kGranted:
      SetState(ticket, State::kGranted);
      return true;
    case State::kWaiting:
    case State::kRefused:  // never: this queue refuses nobody
      break;
  }
  Offer(free, wake, &ticket);
  if (ticket.state_ != State::kOffered) return false;
  SetState(ticket, State::kGranted);
  return true;
}

void TicketQueue::Unclaim(Ticket& ticket, int64_t& free, Wakeups& wake) {
  ++free;
  if (ticket.state_ == Ticket::State::kOut)
    Append(ticket);  // it was served without standing in line
  SetState(ticket, Ticket::State::kParked);
  Offer(free, wake);
}

void TicketQueue::Park(Ticket& ticket, int64_t& free, Wakeups& wake) {
  using State = Ticket::State;
  if (ticket.state_ == State::kOut || ticket.state_ == State::kParked) return;
  if (ticket.state_ == State::kOffered) ++free;
  SetState(ticket, State::kParked);
  Offer(free, wake);
}

void TicketQueue::Leave(Ticket& ticket, int64_t& free, Wakeups& wake) {
  using State = Ticket::State;
  if (ticket.state_ == State::kOut) return;
  if (ticket.state_ == State::kOffered) ++free;
  Unlink(ticket);
  SetState(ticket, State::kOut);
  Offer(free, wake);
}

void TicketQueue::Offer(int64_t& free, Wakeups& wake) { Offer(free, wake, nullptr); }

// `caller` is told by its state alone: who asks needs no wake-up.
void TicketQueue::Offer(int64_t& free, Wakeups& wake, const Ticket* caller) {
  for (Ticket* t = head_; free > 0 && waiting_ > 0; t = t->next_) {
    if (t->state_ != Ticket::State::kWaiting) continue;
    SetState(*t, Ticket::State::kOffered);
    --free;
    if (t != caller) wake.Add(t->target_);
  }
}

void TicketQueue::SetState(Ticket& ticket, Ticket::State state) {
  if (ticket.state_ == Ticket::State::kWaiting) --waiting_;
  if (state == Ticket::State::kWaiting) ++waiting_;
  ticket.state_ = state;
}

void TicketQueue::Append(Ticket& ticket) {
  if (!ticket.target_) ticket.target_ = ticket.source_->wake_target();
  ticket.prev_ = tail_;
  ticket.next_ = nullptr;
  (tail_ != nullptr ? tail_->next_ : head_) = &ticket;
  tail_ = &ticket;
  ++size_;
}

void TicketQueue::Unlink(Ticket& ticket) {
  (ticket.prev_ != nullptr ? ticket.prev_->next_ : head_) = ticket.next_;
  (ticket.next_ != nullptr ? ticket.next_->prev_ : tail_) = ticket.prev_;
  ticket.prev_ = ticket.next_ = nullptr;
  --size_;
}

}  // namespace redial
