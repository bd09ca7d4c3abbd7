#include "src/net/happy_eyeballs.h"

#include <algorithm>
#include <cstddef>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/time.h"

namespace redial::internal {

void HappyEyeballs::Answered(Instant now, Address::Family family,
                             absl::Span<const Address> addresses) {
  now_ = std::max(now_, now);
  const Side side = family == Address::Family::kIpv6 ? kIpv6 : kIpv4;
  if (!answered_[side]) answered_at_[side] = now_;
  answered_[side] = true;
  const std::vector<Address>& avoid = options_.avoid;
  for (const Address& address : addresses) {
    if (!seen_.insert(address).second) continue;
    const bool avoided = std::find(avoid.begin(), avoid.end(), address) != avoid.end();
    (avoided ? avoided_ : queue_)[side].push_back(address);
  }
}

void HappyEyeballs::Connected(Instant now, int id) {
  if (!End(now, id)) return;
  // Of two that connected, the first to be reported has won.
  if (winner_ < 0) winner_ = id;
}

void HappyEyeballs::AttemptFailed(Instant now, int id) {
  if (!End(now, id)) return;
  delay_over_ = Deadline::Past();
}

bool HappyEyeballs::End(Instant now, int id) {
  now_ = std::max(now_, now);
  if (id < 0 || static_cast<size_t>(id) >= attempts_.size()) return false;
  State& state = attempts_[static_cast<size_t>(id)];
  if (state != State::kLive) return false;
  state = State::kOver;
  --live_;
  return true;
}

Deadline HappyEyeballs::NextStart() const {
  if (attempts_.empty()) {
    if (answered_[kIpv6] && (answered_[kIpv4] || Any(queue_))) return Deadline::Past();
    const Side first = answered_[kIpv6] ? kIpv6 : kIpv4;
    return Deadline::After(answered_at_[first], options_.resolution_delay);
  }
  return live_ == 0 ? Deadline::Past() : delay_over_;
}

HappyEyeballs::Action HappyEyeballs::Start() {
  Queues& queues = Any(queue_) ? queue_ : avoided_;
  if (queues[turn_].empty()) turn_ = turn_ == kIpv6 ? kIpv4 : kIpv6;
  Action action{.type = Action::Type::kStart,
                .id = static_cast<int>(attempts_.size()),
                .address = queues[turn_].front(),
                .until = Deadline::Never()};
  queues[turn_].pop_front();
  turn_ = turn_ == kIpv6 ? kIpv4 : kIpv6;
  attempts_.push_back(State::kLive);
  ++live_;
  delay_over_ = Deadline::After(now_, options_.attempt_delay);
  return action;
}

HappyEyeballs::Action HappyEyeballs::AbortOrWin() {
  const auto live = std::find(attempts_.begin(), attempts_.end(), State::kLive);
  if (live == attempts_.end()) {
    return {.type = Action::Type::kWon, .id = winner_, .address = {}, .until = Deadline::Never()};
  }
  *live = State::kOver;
  --live_;
  return {.type = Action::Type::kAbort,
          .id = static_cast<int>(live - attempts_.begin()),
          .address = {},
          .until = Deadline::Never()};
}

HappyEyeballs::Action HappyEyeballs::Next(Instant now) {
  now_ = std::max(now_, now);
  if (winner_ >= 0) return AbortOrWin();
  Action wait{
      .type = Action::Type::kWaitUntil, .id = -1, .address = {}, .until = Deadline::Never()};
  if (AnythingQueued()) {
    const Deadline start = NextStart();
    if (start.expired(now_)) return Start();
    wait.until = start;
  } else if (live_ == 0 && answered_[kIpv6] && answered_[kIpv4]) {
    wait.type = Action::Type::kFailed;
  }
  return wait;
}

}  // namespace redial::internal
