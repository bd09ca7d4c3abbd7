// The events of a call, made up one by one, for tests of what looks on at calls.
//
//   RecordedCall call(*sink, {.operation = "PING", .target = "cache:6379"});
//   call.Start();
//   call.AttemptStarted();
//   call.AttemptFailed(Refused());
#ifndef REDIAL_TESTS_SUPPORT_RECORDED_CALL_H_
#define REDIAL_TESTS_SUPPORT_RECORDED_CALL_H_

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/call_event.h"
#include "redial/failure.h"
#include "redial/policies/report.h"
#include "redial/time.h"

namespace redial::testing {

struct RecordedCallOptions {
  std::string operation = "PING";
  std::string target = "cache:6379";
  uint64_t id = 0x1234;
  absl::Duration timeout = absl::Seconds(2);
};

class RecordedCall {
 public:
  explicit RecordedCall(Sink& sink, RecordedCallOptions options = {})
      : sink_(sink), options_(std::move(options)) {}

  void Pass(absl::Duration d) { now_ = now_ + d; }

  void Start() { Tell(New(CallEvent::Type::kCallStarted)); }
  void AttemptStarted() {
    ++attempt_;
    CallEvent event = New(CallEvent::Type::kAttemptStarted);
    event.kind = Kind();
    Tell(event);
  }
  void Connected(std::string_view address) {
    CallEvent event = New(CallEvent::Type::kConnected);
    event.kind = Kind();
    event.address = address;
    Tell(event);
  }
  // `record` needs no number.
  void AttemptFailed(AttemptRecord record) {
    const absl::Status status(record.code, record.detail);
    AttemptEnded(std::move(record), status);
  }
  void AttemptSucceeded() {
    AttemptEnded({.code = absl::StatusCode::kOk, .sent = Sent::kAnswered}, absl::OkStatus());
  }
  void Waiting(absl::Duration until, Reason reason = Reason::kBackoff) {
    until_ = Deadline(now_ + until);
    if (until == absl::InfiniteDuration()) until_ = Deadline::Never();
    reason_ = reason;
    Tell(WaitEvent(CallEvent::Type::kWaiting));
  }
  void Tick() { Tell(WaitEvent(CallEvent::Type::kTick)); }
  void Asking() { Tell(New(CallEvent::Type::kAsking)); }
  void End(const absl::Status& status, Reason reason = Reason::kNone) {
    CallEvent event = New(CallEvent::Type::kCallEnded);
    event.status = &status;
    event.reason = reason;
    event.reasons.Add(reason);
    Tell(event);
  }

  CallEvent New(CallEvent::Type type) const {
    CallEvent event;
    event.type = type;
    event.call_id = options_.id;
    event.operation = options_.operation;
    event.target = options_.target;
    event.began = began_;
    event.now = now_;
    event.deadline = Deadline::After(began_, options_.timeout);
    event.attempt = attempt_;
    return event;
  }

 private:
  AttemptKind Kind() const { return attempt_ == 1 ? AttemptKind::kFirst : AttemptKind::kRetry; }
  void AttemptEnded(AttemptRecord record, const absl::Status& status) {
    record.number = attempt_;
    record.kind = Kind();
    CallEvent event = New(CallEvent::Type::kAttemptEnded);
    event.kind = Kind();
    event.status = &status;
    event.record = &record;
    Tell(event);
  }
  CallEvent WaitEvent(CallEvent::Type type) const {
    CallEvent event = New(type);
    event.until = until_;
    event.reason = reason_;
    return event;
  }
  void Tell(const CallEvent& event) { sink_.On(event); }

  Sink& sink_;
  const RecordedCallOptions options_;
  const Instant began_ = Instant::FromNanos(5'000'000'000);
  Instant now_ = began_;
  Deadline until_;
  Reason reason_ = Reason::kNone;
  int attempt_ = 0;
};

inline AttemptRecord RefusedRecord() {
  return {
      .code = absl::StatusCode::kUnavailable,
      .phase = Phase::kConnect,
      .error = ECONNREFUSED,
      .sent = Sent::kNo,
      .elapsed = absl::Milliseconds(1),
      .detail = "connect to 10.0.0.7:6379: connection refused (ECONNREFUSED)",
      .tried = {
          {.address = "10.0.0.7:6379", .error = ECONNREFUSED, .elapsed = absl::Milliseconds(1)}}};
}

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_RECORDED_CALL_H_
