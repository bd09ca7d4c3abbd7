#include "redial/testing/recorder.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "redial/failure.h"
#include "redial/testing/virtual_runtime.h"
#include "src/core/strings.h"

namespace redial::testing {
namespace {

using redial::internal::ToAbsl;

// " after 6 B sent, 3 B received"; nothing where nothing was exchanged.
std::string Exchanged(const AttemptRecord& record) {
  std::string text;
  if (record.bytes_sent > 0) absl::StrAppend(&text, record.bytes_sent, " B sent");
  if (record.bytes_received > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", record.bytes_received, " B received");
  }
  return text.empty() ? text : absl::StrCat(" after ", text);
}

// What it was doing, where that explains why it took so long.
std::string_view While(Phase phase) {
  switch (phase) {
    case Phase::kResolve:
      return " while resolving";
    case Phase::kConnect:
      return " while connecting";
    case Phase::kHandshake:
      return " during the handshake";
    default:
      return "";
  }
}

// The last name of a timeout: the call's deadline, the attempt's own, or one of the socket's.
std::string TimeoutName(const CallEvent& event) {
  const AttemptRecord& record = *event.record;
  if (record.attempt_timeout) return "attempt timeout";
  if (event.deadline.expired(event.now)) return "deadline";
  if (record.phase == Phase::kNone) return "timeout";
  return absl::StrCat(ToAbsl(PhaseName(record.phase)), " timeout");
}

std::string ErrnoEnding(const AttemptRecord& record) {
  switch (record.error) {
    case ECONNREFUSED:
      return "refused";
    case EHOSTUNREACH:
    case ENETUNREACH:
      return "unreachable";
    case ECONNRESET:
    case EPIPE:
      return absl::StrCat("reset", Exchanged(record));
    default:
      return absl::StrCat(ErrnoText(record.error), Exchanged(record));
  }
}

std::string Ending(const CallEvent& event) {
  const AttemptRecord& record = *event.record;
  const bool timed = record.phase == Phase::kRead || record.phase == Phase::kWrite ||
                     record.phase == Phase::kConnect || record.phase == Phase::kResolve;
  switch (record.code) {
    case absl::StatusCode::kOk:
      return event.failed_result ? "ok, counted as a failure" : "ok";
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrCat(TimeoutName(event), ToAbsl(While(record.phase)), Exchanged(record));
    case absl::StatusCode::kCancelled:
      return absl::StrCat("stopped", ToAbsl(While(record.phase)), Exchanged(record));
    case absl::StatusCode::kNotFound:
      if (record.phase == Phase::kResolve) return "no such host";
      break;
    case absl::StatusCode::kUnavailable:
      if (record.phase == Phase::kResolve) return "no name server answered";
      if (record.error == 0 && timed) return absl::StrCat("closed by peer", Exchanged(record));
      break;
    default:
      break;
  }
  if (record.error != 0) return ErrnoEnding(record);
  return absl::StrCat("failed", Exchanged(record), ": ", absl::StatusCodeToString(record.code),
                      record.detail.empty() ? "" : ": ", record.detail);
}

std::string_view Pause(Reason reason) {
  switch (reason) {
    case Reason::kBackoff:
    case Reason::kServerHint:
      return " during backoff";
    case Reason::kRateLimited:
      return " while rate limited";
    case Reason::kQueued:
      return " in a queue";
    case Reason::kParked:
      return " while parked";
    case Reason::kUndecided:
      return " while a person was asked";
    default:
      return "";
  }
}

}  // namespace

Recorder::~Recorder() = default;

void Recorder::On(const CallEvent& event) {
  std::lock_guard lock(mu_);
  if (!origin_) origin_ = event.began.is_virtual() ? Instant::VirtualOrigin() : event.began;
  CallState& call = running_[event.call_id];
  switch (event.type) {
    case CallEvent::Type::kCallStarted:
      call.operation = std::string(event.operation);
      break;
    case CallEvent::Type::kAttemptStarted:
      call.waits_for = Reason::kNone;
      break;
    case CallEvent::Type::kConnected: {
      AttemptState& attempt = call.attempts[event.attempt];
      attempt.connected = event.now;
      attempt.connected_line = AddLine(event.now, absl::StrCat("#", event.attempt, " connected"));
      break;
    }
    case CallEvent::Type::kAttemptEnded:
      OnAttemptEnded(event, call);
      break;
    case CallEvent::Type::kPolicyChanged:
      AddLine(event.now,
              absl::StrCat(ToAbsl(event.policy), event.label.empty() ? "" : " ",
                           ToAbsl(event.label), " ", ToAbsl(event.from), " -> ", ToAbsl(event.to)));
      break;
    case CallEvent::Type::kWaiting:
      call.waits_for = event.reason;
      break;
    case CallEvent::Type::kTick:
    case CallEvent::Type::kAsking:
      break;
    case CallEvent::Type::kCallEnded:
      OnCallEnded(event, call);
      outstanding_ += event.outstanding;
      running_.erase(event.call_id);
      break;
  }
}

void Recorder::OnAttemptEnded(const CallEvent& event, CallState& call) {
  const AttemptState attempt = std::exchange(call.attempts[event.attempt], {});
  if (attempt.connected_line && attempt.connected == event.now) {
    lines_.erase(*attempt.connected_line);
  }
  call.last_ended = event.now;
  AddLine(event.now, absl::StrCat("#", event.attempt, " ", Ending(event)));
}

void Recorder::OnCallEnded(const CallEvent& event, const CallState& call) {
  // What ended it was its last attempt, which has a line.
  if (event.status->ok() || call.last_ended == event.now) return;
  std::string text;
  switch (event.reason) {
    case Reason::kDeadline:
      text = absl::StrCat("deadline", ToAbsl(Pause(call.waits_for)));
      break;
    case Reason::kCancelled:
      text = absl::StrCat("stopped", ToAbsl(Pause(call.waits_for)));
      break;
    default:
      text = absl::StrCat("refused by policy: ", ToAbsl(ReasonText(event.reason)));
      break;
  }
  AddLine(event.now, text);
}

Recorder::Lines::iterator Recorder::AddLine(Instant now, const std::string& text) {
  return lines_.insert(lines_.end(), absl::StrCat(FormatSeconds(now - *origin_), " ", text, "\n"));
}

std::string Recorder::Trace() const {
  std::lock_guard lock(mu_);
  return absl::StrJoin(lines_, "");
}

std::vector<std::string> Recorder::running() const {
  std::lock_guard lock(mu_);
  std::vector<std::string> operations;
  operations.reserve(running_.size());
  for (const auto& [id, call] : running_) operations.push_back(call.operation);
  return operations;
}

int Recorder::outstanding() const {
  std::lock_guard lock(mu_);
  return outstanding_;
}

}  // namespace redial::testing
