#include "policies/wait_line.h"

#include <algorithm>

namespace redial::internal {
namespace {

uint8_t LaneOf(int priority) {
  return static_cast<uint8_t>(std::clamp(priority, kLowestPriority, kHighestPriority) -
                              kLowestPriority);
}

}  // namespace

Ticket* WaitLine::Next(bool newest_first) const {
  for (size_t i = lanes_.size(); i-- > 0;) {
    if (lanes_[i].oldest != nullptr) return newest_first ? lanes_[i].newest : lanes_[i].oldest;
  }
  return nullptr;
}

Ticket* WaitLine::LongestWaiting() const {
  Ticket* longest = nullptr;
  for (const Lane& lane : lanes_) {
    if (lane.oldest == nullptr) continue;
    if (longest == nullptr || WaitsSince(*lane.oldest) < WaitsSince(*longest))
      longest = lane.oldest;
  }
  return longest;
}

Ticket* WaitLine::LowestBelow(int priority) const {
  for (size_t i = 0; i < LaneOf(priority); ++i) {
    if (lanes_[i].newest != nullptr) return lanes_[i].newest;
  }
  return nullptr;
}

void WaitLine::Wait(Ticket& ticket, int priority, Instant now) {
  Join(ticket, priority);
  ticket.since_nanos_ = now.nanos();
  Move(ticket, Ticket::State::kWaiting);
}

void WaitLine::Park(Ticket& ticket, int priority, Instant now) {
  Join(ticket, priority);
  Rest(ticket, now);
  Move(ticket, Ticket::State::kParked);
}

void WaitLine::Offer(Ticket& ticket, Instant now, Wakeups& wake) {
  Rest(ticket, now);
  Move(ticket, Ticket::State::kOffered);
  wake.Add(ticket.target_);
}

void WaitLine::Refuse(Ticket& ticket, Reason why, Wakeups& wake) {
  ticket.refused_for_ = why;
  Move(ticket, Ticket::State::kRefused);
  wake.Add(ticket.target_);
}

void WaitLine::Leave(Ticket& ticket) {
  Move(ticket, Ticket::State::kOut);
  ticket.set_note(0);
}

void WaitLine::Join(Ticket& ticket, int priority) {
  if (InLine(ticket)) return;
  ticket.waited_nanos_ = 0;
  if (!ticket.target_) ticket.target_ = ticket.source_->wake_target();
  ticket.lane_ = LaneOf(priority);
  ticket.set_note(++arrivals_);
}

void WaitLine::Rest(Ticket& ticket, Instant now) {
  if (ticket.state_ != Ticket::State::kWaiting) return;
  ticket.waited_nanos_ += std::max<int64_t>(0, NanosBetween(WaitsSince(ticket), now));
}

void WaitLine::Move(Ticket& ticket, Ticket::State to) {
  using State = Ticket::State;
  if (ticket.state_ == State::kWaiting) Remove(ticket);
  if (ticket.state_ == State::kParked) --parked_;
  ticket.state_ = to;
  if (to == State::kParked) ++parked_;
  if (to == State::kWaiting) Insert(ticket);
}

// From the newest on: a newcomer is at its place at once.
void WaitLine::Insert(Ticket& ticket) {
  Lane& lane = lanes_[ticket.lane_];
  Ticket* before = lane.newest;
  while (before != nullptr && before->note_ > ticket.note_) before = before->prev_;
  Ticket* const after = before != nullptr ? before->next_ : lane.oldest;
  ticket.prev_ = before;
  ticket.next_ = after;
  (before != nullptr ? before->next_ : lane.oldest) = &ticket;
  (after != nullptr ? after->prev_ : lane.newest) = &ticket;
  ++waiting_;
}

void WaitLine::Remove(Ticket& ticket) {
  Lane& lane = lanes_[ticket.lane_];
  (ticket.prev_ != nullptr ? ticket.prev_->next_ : lane.oldest) = ticket.next_;
  (ticket.next_ != nullptr ? ticket.next_->prev_ : lane.newest) = ticket.prev_;
  ticket.prev_ = ticket.next_ = nullptr;
  --waiting_;
}

}  // namespace redial::internal
