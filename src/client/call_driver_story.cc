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

absl::Status CallDriver::Error(Reason why) {
  const Instant now = machine_->now();
  Failure failure;
  failure.sent = Sent::kNo;  // until an attempt shows otherwise
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  if (failures_ != nullptr) {
    code = failures_->last_status.code();
    failure = std::move(failures_->last);
    failure.attempts = std::move(failures_->records);
  }
  for (const AttemptRecord& record : failure.attempts) {
    failure.sent = Worst(failure.sent, record.sent);
  }
  if (why == Reason::kCancelled) {
    code = absl::StatusCode::kCancelled;
  } else if (deadline_.expired(now)) {
    code = absl::StatusCode::kDeadlineExceeded;
  }
  failure.declared = false;
  failure.elapsed = now - began_;
  failure.reasons = machine_->reasons();
  failure.why = why;
  if (auto next = machine_->next_admission()) failure.retry_at = *next - now;

  const std::string_view operation = context_.options.operation;
  if (failures_ == nullptr) return RefusalStatus(code, operation, context_.target, failure);
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
