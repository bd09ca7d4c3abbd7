#include "redial/testing/recorder.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace redial::testing {
namespace {

using Type = CallEvent::Type;

Instant At(absl::Duration since_origin) { return Instant::VirtualOrigin() + since_origin; }
Instant At(int seconds) { return At(absl::Seconds(seconds)); }

// Feeds one call's events to a recorder.
class Call {
 public:
  explicit Call(Recorder& recorder, uint64_t id = 1) : recorder_(recorder), id_(id) {
    CallEvent event = Event(Type::kCallStarted, At(0));
    event.operation = "PING";
    recorder_.On(event);
  }

  void Started(int attempt, int seconds) {
    recorder_.On(Event(Type::kAttemptStarted, At(seconds), attempt));
  }
  void Connected(int attempt, int seconds) {
    recorder_.On(Event(Type::kConnected, At(seconds), attempt));
  }
  void Ended(int attempt, int seconds, const AttemptRecord& record) {
    CallEvent event = Event(Type::kAttemptEnded, At(seconds), attempt);
    const absl::Status status(record.code, record.detail);
    event.status = &status;
    event.record = &record;
    recorder_.On(event);
  }
  void Waiting(int seconds, Reason reason) {
    CallEvent event = Event(Type::kWaiting, At(seconds));
    event.reason = reason;
    recorder_.On(event);
  }
  void Over(int seconds, Reason reason, const absl::Status& status, int outstanding = 0) {
    CallEvent event = Event(Type::kCallEnded, At(seconds));
    event.reason = reason;
    event.status = &status;
    event.outstanding = outstanding;
    recorder_.On(event);
  }
  void set_deadline(Deadline deadline) { deadline_ = deadline; }

 private:
  CallEvent Event(Type type, Instant now, int attempt = 0) {
    CallEvent event;
    event.type = type;
    event.call_id = id_;
    event.began = At(0);
    event.now = now;
    event.deadline = deadline_;
    event.attempt = attempt;
    return event;
  }

  Recorder& recorder_;
  const uint64_t id_;
  Deadline deadline_;
};

const AttemptRecord kOk = {.code = absl::StatusCode::kOk};
const AttemptRecord kRefused = {
    .code = absl::StatusCode::kUnavailable, .phase = Phase::kConnect, .error = ECONNREFUSED};

// The line of an attempt that ends so, five seconds after the call began.
std::string LineOf(const AttemptRecord& record, Deadline call_deadline = Deadline::Never()) {
  Recorder recorder;
  Call call(recorder);
  call.set_deadline(call_deadline);
  call.Started(1, 0);
  call.Ended(1, 5, record);
  return recorder.Trace();
}

TEST(Recorder, HasALineForEachAttemptAndInstant) {
  Recorder recorder;
  Call call(recorder);
  call.Started(1, 0);
  call.Ended(1, 0, kRefused);
  call.Waiting(0, Reason::kBackoff);
  call.Started(2, 1);
  call.Connected(2, 1);
  call.Ended(2, 6,
             {.code = absl::StatusCode::kDeadlineExceeded,
              .phase = Phase::kRead,
              .attempt_timeout = true,
              .bytes_sent = 6});
  call.Started(3, 7);
  call.Connected(3, 7);
  call.Ended(3, 7, kOk);
  call.Over(7, Reason::kNone, absl::OkStatus());
  EXPECT_EQ(recorder.Trace(),
            "0s #1 refused\n"
            "1s #2 connected\n"
            "6s #2 attempt timeout after 6 B sent\n"
            "7s #3 ok\n");
  EXPECT_TRUE(recorder.running().empty());
  EXPECT_EQ(recorder.outstanding(), 0);
}

TEST(Recorder, NamesTheLimitThatEndedAnAttempt) {
  AttemptRecord read = {.code = absl::StatusCode::kDeadlineExceeded,
                        .phase = Phase::kRead,
                        .bytes_sent = 6,
                        .bytes_received = 3};
  EXPECT_EQ(LineOf(read), "5s #1 read timeout after 6 B sent, 3 B received\n");
  EXPECT_EQ(LineOf(read, Deadline(At(9))), "5s #1 read timeout after 6 B sent, 3 B received\n");
  EXPECT_EQ(LineOf(read, Deadline(At(5))), "5s #1 deadline after 6 B sent, 3 B received\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kDeadlineExceeded}), "5s #1 timeout\n");
  read.attempt_timeout = true;
  EXPECT_EQ(LineOf(read), "5s #1 attempt timeout after 6 B sent, 3 B received\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kDeadlineExceeded,
                    .phase = Phase::kConnect,
                    .attempt_timeout = true}),
            "5s #1 attempt timeout while connecting\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kDeadlineExceeded,
                    .phase = Phase::kResolve,
                    .attempt_timeout = true}),
            "5s #1 attempt timeout while resolving\n");
}

TEST(Recorder, NamesEachWayToFail) {
  const auto unavailable = absl::StatusCode::kUnavailable;
  EXPECT_EQ(LineOf({.code = unavailable,
                    .phase = Phase::kRead,
                    .error = ECONNRESET,
                    .bytes_sent = 6,
                    .bytes_received = 3}),
            "5s #1 reset after 6 B sent, 3 B received\n");
  EXPECT_EQ(LineOf({.code = unavailable, .phase = Phase::kWrite, .error = EPIPE}), "5s #1 reset\n");
  EXPECT_EQ(LineOf({.code = unavailable, .phase = Phase::kRead, .bytes_received = 3}),
            "5s #1 closed by peer after 3 B received\n");
  EXPECT_EQ(LineOf({.code = unavailable, .phase = Phase::kConnect, .error = EHOSTUNREACH}),
            "5s #1 unreachable\n");
  EXPECT_EQ(LineOf({.code = unavailable, .phase = Phase::kResolve}),
            "5s #1 no name server answered\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kNotFound, .phase = Phase::kResolve}),
            "5s #1 no such host\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kCancelled, .phase = Phase::kRead, .bytes_sent = 1}),
            "5s #1 stopped after 1 B sent\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kResourceExhausted,
                    .phase = Phase::kConnect,
                    .error = EMFILE}),
            "5s #1 too many open files\n");
}

TEST(Recorder, QuotesWhatAnOperationSaysItself) {
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kInternal,
                    .bytes_sent = 6,
                    .bytes_received = 7,
                    .detail = "LOADING"}),
            "5s #1 failed after 6 B sent, 7 B received: INTERNAL: LOADING\n");
  EXPECT_EQ(LineOf({.code = absl::StatusCode::kUnavailable}), "5s #1 failed: UNAVAILABLE\n");
}

TEST(Recorder, TellsWhatEndedACallBetweenAttempts) {
  Recorder recorder;
  Call call(recorder);
  call.Started(1, 0);
  call.Ended(1, 0, kRefused);
  call.Waiting(0, Reason::kBackoff);
  call.Over(4, Reason::kCancelled, absl::CancelledError());
  Call(recorder, 2).Over(4, Reason::kBreakerOpen, absl::UnavailableError(""));
  Call queued(recorder, 3);
  queued.Waiting(4, Reason::kQueued);
  queued.Over(9, Reason::kDeadline, absl::DeadlineExceededError(""));
  EXPECT_EQ(recorder.Trace(),
            "0s #1 refused\n"
            "4s stopped during backoff\n"
            "4s refused by policy: circuit breaker open\n"
            "9s deadline in a queue\n");
}

TEST(Recorder, AttemptsOfOneCallMayOverlap) {
  Recorder recorder;
  Call call(recorder);
  call.Started(1, 0);
  call.Connected(1, 0);
  call.Started(2, 1);
  call.Connected(2, 1);
  call.Ended(1, 1, {.code = absl::StatusCode::kCancelled});
  call.Ended(2, 1, kOk);
  EXPECT_EQ(recorder.Trace(), "0s #1 connected\n1s #1 stopped\n1s #2 ok\n");
}

TEST(Recorder, KnowsWhatRunsAndWhatWasLeftBehind) {
  Recorder recorder;
  Call first(recorder, 1), second(recorder, 2);
  EXPECT_EQ(recorder.running(), (std::vector<std::string>{"PING", "PING"}));
  first.Over(1, Reason::kNone, absl::OkStatus(), 2);
  EXPECT_EQ(recorder.running(), std::vector<std::string>{"PING"});
  EXPECT_EQ(recorder.outstanding(), 2);
}

TEST(Recorder, CountsFromTheFirstCallOnARealClock) {
  Recorder recorder;
  const Instant began = Instant::FromNanos(123456789);
  const absl::Status status;
  CallEvent event;
  event.began = began;
  event.now = began;
  recorder.On(event);
  event.type = Type::kAttemptEnded;
  event.attempt = 1;
  event.now = began + absl::Milliseconds(20);
  event.status = &status;
  event.record = &kOk;
  recorder.On(event);
  EXPECT_EQ(recorder.Trace(), "0.02s #1 ok\n");
  event.failed_result = true;
  recorder.On(event);
  EXPECT_EQ(recorder.Trace(), "0.02s #1 ok\n0.02s #1 ok, counted as a failure\n");
}

}  // namespace
}  // namespace redial::testing
