// The part of the driver that keeps what attempts failed of, and makes a call's error of it.
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/client/call_driver.h"
#include "src/core/status.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

// Of all attempts, the one that commits the peer most.
Sent Worst(Sent a, Sent b) {
  const auto weight = [](Sent s) {
    switch (s) {
      case Sent::kNo:
        return 0;
      case Sent::kRejected:
        return 1;
      case Sent::kAnswered:
        return 2;
      case Sent::kMaybe:
        return 3;
    }
    return 3;
  };
  return weight(a) < weight(b) ? b : a;
}

// How the call ended, as far as the machine knows. Returns the status's code, which is `code` unless it ran
// out of time or was stopped.
absl::StatusCode TellEnd(const CallMachine& machine, Instant began, Deadline deadline, Reason why,
                         absl::StatusCode code, Failure& failure) {
  const Instant now = machine.now();
  failure.elapsed = now - began;
  failure.reasons = machine.reasons();
  failure.why = why;
  if (const auto next = machine.next_admission()) failure.retry_at = *next - now;
  if (why == Reason::kCancelled) return absl::StatusCode::kCancelled;
  return deadline.expired(now) ? absl::StatusCode::kDeadlineExceeded : code;
}

}  // namespace

void CallDriver::KeepFailure(const Attempt& attempt, const AttemptNotes* notes,
                             const absl::Status& status, Instant started, Outcome& outcome) {
  std::optional<Failure> attached = FailureOf(status);
  Failure failure = attached ? *std::move(attached) : Failure();
  // What a function says of somebody else's failure proves nothing about what it did itself; what
  // it declares, does.
  if (attempt.sent()) {
    failure.sent = *attempt.sent();
  } else if (!context_.knows_sent && !failure.declared) {
    failure.sent = Sent::kMaybe;
  }
  outcome.phase = failure.phase;
  outcome.error = failure.error;
  outcome.sent = failure.sent;
  if (failure.retry_after) {
    outcome.has_retry_after = true;
    outcome.retry_after_nanos = ToNanos(*failure.retry_after);
  }

  AttemptRecord record = NewRecord(attempt.number(), attempt.kind(), status, started);
  record.phase = failure.phase;
  record.error = failure.error;
  record.sent = failure.sent;
  record.bytes_sent = failure.bytes_sent;
  record.bytes_received = failure.bytes_received;
  record.elapsed = outcome.ended - started;
  record.attempt_timeout = status.code() == absl::StatusCode::kDeadlineExceeded &&
                           attempt.deadline() < deadline_ &&
                           attempt.deadline().expired(outcome.ended);
  record.address = failure.address.empty() && notes != nullptr ? notes->address : failure.address;
  if (disruptions_ != nullptr) {
    record.detail += (*disruptions_)[static_cast<size_t>(attempt.slot())].Remark();
  }
  record.tried = failure.tried;
  const bool is_first = failures_ == nullptr;
  if (is_first) failures_ = std::make_unique<Failures>();
  failures_->records.push_back(std::move(record));
  // How those end that the call gave up isn't what it failed of.
  if (machine_->delivered() && !is_first) return;
  failures_->last = std::move(failure);
  failures_->last_status = status;
}

AttemptRecord CallDriver::NewRecord(int number, AttemptKind kind, const absl::Status& status,
                                    Instant started) const {
  AttemptRecord record;
  record.number = number;
  record.kind = kind;
  record.code = status.code();
  record.started = started - began_;
  record.detail = std::string(ToStd(status.message()));
  return record;
}

AttemptRecord CallDriver::RecordOfSuccess(const Attempt& attempt, Instant started) const {
  const AttemptNotes& notes = *attempt.notes();
  AttemptRecord record = NewRecord(attempt.number(), attempt.kind(), absl::OkStatus(), started);
  record.sent = Sent::kAnswered;
  record.bytes_sent = notes.bytes_sent;
  record.bytes_received = notes.bytes_received;
  record.address = notes.address;
  record.elapsed = runtime_.Now() - started;
  return record;
}

absl::Status CallDriver::ErrorWithoutAttempt(const Parts& parts, Reason why) {
  Failure failure;
  failure.sent = Sent::kNo;
  const absl::StatusCode code = TellEnd(parts.machine, parts.began, parts.deadline, why,
                                        absl::StatusCode::kUnavailable, failure);
  // Those of one millisecond share a status. Nobody comes too early for it, nor a tenth later.
  if (failure.retry_at && *failure.retry_at >= absl::Milliseconds(10)) {
    failure.retry_at = absl::Ceil(*failure.retry_at, absl::Milliseconds(1));
  }
  return RefusalStatus(code, parts.context.options.operation, parts.context.target, failure);
}

absl::Status CallDriver::Error(Reason why) {
  if (failures_ == nullptr) {
    return ErrorWithoutAttempt(
        {context_, attempt_, *machine_, waker_, notices_, began_, deadline_, seed_}, why);
  }
  Failure failure = std::move(failures_->last);
  failure.sent = Sent::kNo;  // until an attempt shows otherwise
  failure.attempts = std::move(failures_->records);
  for (const AttemptRecord& record : failure.attempts) {
    failure.sent = Worst(failure.sent, record.sent);
  }
  failure.declared = false;
  const absl::StatusCode code =
      TellEnd(*machine_, began_, deadline_, why, failures_->last_status.code(), failure);

  const std::string_view operation = context_.options.operation;
  failure.operation = std::string(operation);
  failure.target = std::string(context_.target);
  return WithFailure(
      absl::Status(
          code, absl::StrCat(ToAbsl(operation), context_.target.empty() ? "" : " ",
                             ToAbsl(context_.target), ": ", failures_->last_status.message(), "; ",
                             ToAbsl(ReasonText(why)))),
      failure);
}

}  // namespace redial::internal
