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
      if (free > 0 && !AnyWaitingBefore(nullptr)) {
        --free;
        return true;  // nobody is ahead: no need to stand in line
      }
      if (!ticket.target_) ticket.target_ = ticket.source_->wake_target();
      Append(ticket);
      ticket.state_ = State::kWaiting;
      break;
    case State::kParked:
      ticket.state_ = State::kWaiting;
      break;
    case State::kOffered:
      ticket.state_ = State::kGranted;
      return true;
    case State::kGranted:
      return true;
    case State::kWaiting:
      break;
  }
  if (free > 0 && !AnyWaitingBefore(&ticket)) {
    --free;
    ticket.state_ = State::kGranted;
    Offer(free, wake);
    return true;
  }
  return false;
}

void TicketQueue::Unclaim(Ticket& ticket, int64_t& free, Wakeups& wake) {
  ++free;
  if (ticket.state_ == Ticket::State::kGranted) ticket.state_ = Ticket::State::kParked;
  Offer(free, wake);
}

void TicketQueue::Park(Ticket& ticket, int64_t& free, Wakeups& wake) {
  using State = Ticket::State;
  if (ticket.state_ == State::kOut || ticket.state_ == State::kParked) return;
  const bool offered = ticket.state_ == State::kOffered;
  ticket.state_ = State::kParked;
  if (offered) ++free;
  Offer(free, wake);
}

void TicketQueue::Leave(Ticket& ticket, int64_t& free, Wakeups& wake) {
  using State = Ticket::State;
  if (ticket.state_ == State::kOut) return;
  const bool offered = ticket.state_ == State::kOffered;
  Unlink(ticket);
  ticket.state_ = State::kOut;
  if (offered) ++free;
  Offer(free, wake);
}

void TicketQueue::Offer(int64_t& free, Wakeups& wake) {
  for (Ticket* t = head_; t != nullptr && free > 0; t = t->next_) {
    if (t->state_ != Ticket::State::kWaiting) continue;
    t->state_ = Ticket::State::kOffered;
    --free;
    wake.Add(t->target_);
  }
}

void TicketQueue::Append(Ticket& ticket) {
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

// Whether somebody ahead of `ticket` (anybody, for null) could use a permit now.
bool TicketQueue::AnyWaitingBefore(const Ticket* ticket) const {
  for (const Ticket* t = head_; t != nullptr && t != ticket; t = t->next_) {
    if (t->state_ == Ticket::State::kWaiting) return true;
  }
  return false;
}

}  // namespace redial
