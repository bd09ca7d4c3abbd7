#include "src/net/dialer.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/time.h"
#include "src/net/happy_eyeballs.h"

namespace redial::internal {
namespace {

using Action = HappyEyeballs::Action;

constexpr absl::Duration kLongestPause = absl::Milliseconds(10);

}  // namespace

Dialer::Dialer(const Target& target, Deadline deadline, const std::stop_token& stop,
               const DialOptions& options, Network& network, absl::Span<const Address> avoid)
    : target_(target),
      deadline_(deadline),
      stop_(stop),
      options_(options),
      network_(network),
      runtime_(Runtime::Current()),
      began_(runtime_.Now()),
      now_(began_),
      machine_({.attempt_delay = options.attempt_delay,
                .resolution_delay = options.resolution_delay,
                .avoid = {avoid.begin(), avoid.end()}}) {}

absl::StatusOr<std::unique_ptr<Stream>> Dialer::Run() {
  if (absl::Status status = CheckLimits(); !status.ok()) return status;
  if (absl::Status status = Begin(); !status.ok()) return status;
  for (;;) {
    if (absl::Status status = CheckLimits(); !status.ok()) return status;
    TakeAnswers();
    const Action action = Drain();
    if (action.type == Action::Type::kFailed) return Failed();
    if (action.type == Action::Type::kWon) {
      winner_ = static_cast<size_t>(action.id);
      Attempt& won = attempts_[*winner_];
      connect_time_ = std::max(now_ - won.began, absl::ZeroDuration());
      return std::move(won.stream);
    }
    Wait(action.until);
    now_ = runtime_.Now();
    if (lookup_ != nullptr) lookup_->Advance(now_);
    TryPaused();
  }
}

absl::Status Dialer::Begin() {
  // A literal address of a family that is ruled out is the look-up's to refuse.
  if (target_.address().has_value() &&
      (options_.resolver.family == AddressFamily::kAny || !target_.address()->is_ip())) {
    const Address& address = *target_.address();
    // A Unix path goes the way of an IPv4 address: the machine only needs some family.
    const bool ipv6 = address.family() == Address::Family::kIpv6;
    const absl::Span<const Address> found(&address, 1);
    machine_.Answered(now_, Address::Family::kIpv6, ipv6 ? found : absl::Span<const Address>());
    machine_.Answered(now_, Address::Family::kIpv4, ipv6 ? absl::Span<const Address>() : found);
    return absl::OkStatus();
  }
  auto lookup = network_.StartLookup(
      {.host = target_.host(), .port = target_.port(), .deadline = deadline_, .stop = stop_},
      options_.resolver);
  now_ = runtime_.Now();
  if (!lookup.ok()) return lookup.status();
  lookup_ = *std::move(lookup);
  lookup_->Advance(now_);
  return absl::OkStatus();
}

void Dialer::TakeAnswers() {
  if (lookup_ == nullptr) return;
  if (!took_ipv6_ && lookup_->ipv6().done) {
    took_ipv6_ = true;
    machine_.Answered(now_, Address::Family::kIpv6, lookup_->ipv6().addresses);
  }
  if (!took_ipv4_ && lookup_->ipv4().done) {
    took_ipv4_ = true;
    machine_.Answered(now_, Address::Family::kIpv4, lookup_->ipv4().addresses);
  }
}

Action Dialer::Drain() {
  for (;;) {
    Action action = machine_.Next(now_);
    switch (action.type) {
      case Action::Type::kStart:
        Start(action.address);
        break;
      case Action::Type::kAbort:
        EndAttempt(static_cast<size_t>(action.id), ECANCELED);
        break;
      case Action::Type::kWaitUntil:
      case Action::Type::kWon:
      case Action::Type::kFailed:
        return action;
    }
  }
}

void Dialer::Start(const Address& address) {
  if (trying_) trying_(address);
  const size_t id = attempts_.size();
  attempts_.push_back({.address = address,
                       .began = runtime_.Now(),
                       .stream = nullptr,
                       .status = absl::OkStatus(),
                       .elapsed = absl::ZeroDuration()});
  auto stream = network_.StartConnect(address, options_.socket);
  if (stream.ok()) {
    attempts_[id].stream = *std::move(stream);
    Try(id);
    return;
  }
  const auto failure = FailureOf(stream.status());
  EndAttempt(id, failure.has_value() ? failure->error : 0, stream.status());
  machine_.AttemptFailed(now_, static_cast<int>(id));
}

void Dialer::Try(size_t id) {
  Attempt& attempt = attempts_[id];
  const Io io = attempt.stream->FinishConnect();
  if (io.error == EAGAIN) {
    attempt.want = io.want;
    attempt.try_again = Deadline::Never();
    if (io.want == nullptr) {
      attempt.try_again = Deadline::After(now_, attempt.pause);
      attempt.pause = std::min(2 * attempt.pause, kLongestPause);
    }
  } else if (io.error == 0) {
    machine_.Connected(now_, static_cast<int>(id));
  } else {
    EndAttempt(id, io.error);
    machine_.AttemptFailed(now_, static_cast<int>(id));
  }
}

void Dialer::TryPaused() {
  for (size_t id = 0; id < attempts_.size(); ++id) {
    if (attempts_[id].stream != nullptr && attempts_[id].try_again.expired(now_)) Try(id);
  }
}

void Dialer::Wait(Deadline until) {
  sources_.clear();
  until = Earlier(until, deadline_);
  if (lookup_ != nullptr) {
    lookup_->AppendSources(sources_);
    until = Earlier(until, lookup_->next_timer());
  }
  const size_t first_attempt = sources_.size();
  std::vector<size_t> waiting;
  for (size_t id = 0; id < attempts_.size(); ++id) {
    const Attempt& attempt = attempts_[id];
    if (attempt.stream == nullptr) continue;
    until = Earlier(until, attempt.try_again);
    if (attempt.want == nullptr) continue;
    sources_.push_back(attempt.want);
    waiting.push_back(id);
  }
  const int which = runtime_.WaitAny(sources_, until, stop_);
  if (which == Runtime::kStopped) stopped_ = true;
  if (which < 0 || static_cast<size_t>(which) < first_attempt) return;
  // The wait consumed this source's latch alone; the others keep theirs for the next one.
  now_ = runtime_.Now();
  Try(waiting[static_cast<size_t>(which) - first_attempt]);
}

void Dialer::EndAttempt(size_t id, int error, absl::Status status) {
  Attempt& attempt = attempts_[id];
  attempt.stream.reset();
  attempt.want = nullptr;
  attempt.try_again = Deadline::Never();
  attempt.error = error;
  attempt.status = std::move(status);
  attempt.elapsed = runtime_.Now() - attempt.began;
}

void Dialer::EndAll(int error) {
  for (size_t id = 0; id < attempts_.size(); ++id) {
    if (attempts_[id].stream != nullptr) EndAttempt(id, error);
  }
}

}  // namespace redial::internal
