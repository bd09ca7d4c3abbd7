#include "src/client/disruption.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "redial/runtime.h"
#include "src/core/format.h"
#include "src/core/status.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

std::string Injected(std::string_view what, std::string_view by) {
  return absl::StrCat(ToAbsl(what), " injected by ", ToAbsl(by));
}

// An error that is none would pass for the value that the operation never returned.
absl::StatusCode ErrorCode(const Fault& fault) {
  return fault.code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : fault.code;
}

// OK once `until` has come; an error that tells of `what` where the attempt's deadline or a stop came
// first.
absl::Status WaitWithin(const Attempt& attempt, Deadline until, const std::string& what) {
  const bool in_time = until < attempt.deadline();
  const WaitResult result =
      Runtime::Current().SleepUntil(Earlier(until, attempt.deadline()), attempt.stop_token());
  if (result == WaitResult::kStopped) return absl::CancelledError(what);
  return in_time ? absl::OkStatus() : absl::DeadlineExceededError(what);
}

}  // namespace

AttemptResult Disruption::Run(const Attempt& attempt, AttemptFunction operation) {
  if (fault_.delay_nanos > 0) {
    const absl::Duration delay = absl::Nanoseconds(fault_.delay_nanos);
    const Deadline over = Deadline::After(Runtime::Current().Now(), delay);
    absl::Status waited =
        WaitWithin(attempt, over,
                   Injected(absl::StrCat("a delay of ", DurationText(delay)), fault_.delayed_by));
    if (!waited.ok()) return Inject(attempt, Sent::kNo, std::move(waited));
  }
  switch (fault_.kind) {
    case Fault::Kind::kNone:
      break;
    case Fault::Kind::kReset:
      return LoseAnswer(attempt, operation(attempt));
    case Fault::Kind::kError:
      return Inject(attempt, Sent::kNo,
                    absl::Status(ErrorCode(fault_), Injected("an error", fault_.by)));
    case Fault::Kind::kStall:
      return Inject(attempt, Sent::kNo,
                    WaitWithin(attempt, Deadline::Never(), Injected("a stall", fault_.by)));
  }
  return operation(attempt);
}

std::string Disruption::Remark() const {
  if (injected_ || fault_.delay_nanos <= 0) return {};
  return absl::StrCat(" (begun ", DurationText(absl::Nanoseconds(fault_.delay_nanos)), " late,",
                      Injected("", fault_.delayed_by), ")");
}

AttemptResult Disruption::Inject(const Attempt& attempt, Sent sent, absl::Status status) {
  injected_ = true;
  status_ = std::move(status);
  attempt.set_sent(sent);
  return View(status_);
}

// The peer has acted and answered, but its answer doesn't arrive. An operation that failed by itself
// had none to lose.
AttemptResult Disruption::LoseAnswer(const Attempt& attempt, const AttemptResult& result) {
  if (!result.status->ok()) return result;
  attempt.set_retry_after(-absl::InfiniteDuration());  // none: it was in the answer
  Failure failure{.error = ECONNRESET};
  const AttemptNotes& notes = *attempt.notes();
  if (notes.address.empty()) {
    return Inject(attempt, Sent::kMaybe,
                  WithFailure(absl::UnavailableError(Injected("a reset", fault_.by)), failure));
  }
  failure.phase = Phase::kRead;
  failure.address = notes.address;
  failure.bytes_sent = notes.bytes_sent;
  failure.bytes_received = notes.bytes_received;
  const std::string text = absl::StrCat(ErrnoText(ECONNRESET), " (", ErrnoName(ECONNRESET), "),",
                                        Injected("", fault_.by));
  return Inject(attempt, Sent::kMaybe,
                FailureStatus(absl::StatusCode::kUnavailable, text, failure));
}

}  // namespace redial::internal
