#include "src/net/operation.h"

#include "absl/strings/str_cat.h"

namespace redial::internal {
namespace {

// Where nothing tells that trying again is worth it.
constexpr int64_t kPauseNanos = 1'000'000;

}  // namespace

absl::Status CheckTimeout(absl::Duration timeout) {
  if (timeout >= absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("operation_timeout is ", absl::FormatDuration(timeout),
                   "; it must be zero (never wait), positive, or infinite (wait without limit)"));
}

absl::Duration TimeoutFromNanos(int64_t nanos) {
  return nanos == Limits::kForever ? absl::InfiniteDuration() : absl::Nanoseconds(nanos);
}

Deadline Operation::Bound() const {
  Deadline bound = Earlier(limits_.deadline(), own_deadline_);
  const int64_t timeout = limits_.timeout_nanos();
  if (start_ && timeout != Limits::kForever) {
    bound = Earlier(bound, Deadline::AfterNanos(*start_, timeout));
  }
  return bound;
}

Operation::Outcome Operation::Check() {
  if (stop_.stop_requested()) return Outcome::kStopped;
  const int64_t timeout = limits_.timeout_nanos();
  // A zero timeout takes what is there and bounds nothing that doesn't wait.
  const bool timed = timeout != Limits::kForever && timeout != 0;
  const Deadline deadline = Earlier(limits_.deadline(), own_deadline_);
  if (!timed && deadline.is_never()) return Outcome::kGoOn;
  const Instant now = Runtime::Current().Now();
  if (!start_) start_ = now;
  return (timed ? Bound() : deadline).expired(now) ? Outcome::kTimedOut : Outcome::kGoOn;
}

Operation::Outcome Operation::Wait(Source* want) {
  if (limits_.timeout_nanos() == 0) return Outcome::kWouldWait;
  Runtime& runtime = Runtime::Current();
  const Instant now = runtime.Now();
  if (!start_) start_ = now;
  limits_.waiters_.fetch_add(1, std::memory_order_seq_cst);
  const Outcome outcome = WaitBounded(runtime, now, want);
  limits_.waiters_.fetch_sub(1, std::memory_order_seq_cst);
  return outcome;
}

Operation::Outcome Operation::WaitBounded(Runtime& runtime, Instant now, Source* want) {
  const Deadline bound = Bound();
  WaitResult result;
  if (want != nullptr) {
    result = runtime.WaitFrom(now, *want, bound, stop_);
  } else {
    const Deadline pause = Deadline::AfterNanos(now, kPauseNanos);
    result = runtime.SleepUntil(Earlier(bound, pause), stop_);
  }
  if (result == WaitResult::kStopped) return Outcome::kStopped;
  // Looked at anew: it may have been moved while we waited.
  if (result == WaitResult::kTimedOut && Bound().expired(runtime.Now())) return Outcome::kTimedOut;
  return Outcome::kGoOn;
}

absl::Duration Operation::elapsed() const {
  return start_ ? Runtime::Current().Now() - *start_ : absl::ZeroDuration();
}

}  // namespace redial::internal
