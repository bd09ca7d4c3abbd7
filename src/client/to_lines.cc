// An event as a JSON object. docs/events.md is the contract: what changes here changes there.
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "redial/policies/report.h"
#include "src/client/json.h"
#include "src/core/mutex.h"

namespace redial {
namespace {

using Json = nlohmann::ordered_json;

Json Milliseconds(absl::Duration d) {
  if (d == absl::InfiniteDuration() || d == -absl::InfiniteDuration()) return nullptr;
  return absl::ToDoubleMilliseconds(d);
}

// The time from the call's beginning; null for never, 0 for what was over by then.
Json SinceBegan(const CallEvent& event, Deadline deadline) {
  if (deadline.is_never()) return nullptr;
  if (deadline.expired(event.began)) return 0.0;
  return Milliseconds(deadline.instant() - event.began);
}

// null where there is no errno.
Json Errno(int error) {
  if (error == 0) return nullptr;
  return ErrnoName(error);
}

std::string_view KindName(AttemptKind kind) {
  switch (kind) {
    case AttemptKind::kFirst:
      break;
    case AttemptKind::kRetry:
      return "retry";
    case AttemptKind::kHedge:
      return "hedge";
  }
  return "first";
}

// SentName is for sentences; this is for comparing.
std::string_view SentKey(Sent sent) {
  switch (sent) {
    case Sent::kNo:
      return "no";
    case Sent::kMaybe:
      break;
    case Sent::kRejected:
      return "rejected";
    case Sent::kAnswered:
      return "answered";
  }
  return "maybe";
}

std::string_view EventName(CallEvent::Type type) {
  switch (type) {
    case CallEvent::Type::kCallStarted:
      return "call_started";
    case CallEvent::Type::kAttemptStarted:
      return "attempt_started";
    case CallEvent::Type::kConnected:
      return "connected";
    case CallEvent::Type::kAttemptEnded:
      return "attempt_ended";
    case CallEvent::Type::kPolicyChanged:
      return "policy_changed";
    case CallEvent::Type::kWaiting:
      return "waiting";
    case CallEvent::Type::kTick:
      break;
    case CallEvent::Type::kAsking:
      return "asking";
    case CallEvent::Type::kCallEnded:
      return "call_ended";
  }
  return "tick";
}

void AddAttempt(const CallEvent& event, Json& line) {
  line["attempt"] = event.attempt;
  line["kind"] = KindName(event.kind);
}

void AddStatus(const absl::Status& status, Json& line) {
  line["ok"] = status.ok();
  line["code"] = absl::StatusCodeToString(status.code());
  line["message"] = std::string(status.message());
}

void AddRecord(const AttemptRecord& record, Json& line) {
  line["phase"] = PhaseName(record.phase);
  line["errno"] = Errno(record.error);
  line["attempt_timeout"] = record.attempt_timeout;
  line["sent"] = SentKey(record.sent);
  line["bytes_sent"] = record.bytes_sent;
  line["bytes_received"] = record.bytes_received;
  line["attempt_ms"] = Milliseconds(record.elapsed);
  line["address"] = record.address;
  line["tried"] = Json::array();
  for (const AddressTried& tried : record.tried) {
    line["tried"].push_back({{"address", tried.address},
                             {"errno", Errno(tried.error)},
                             {"tried_ms", Milliseconds(tried.elapsed)}});
  }
}

void AddEnd(const CallEvent& event, Json& line) {
  line["attempts"] = event.attempt;
  if (event.status != nullptr) {
    AddStatus(*event.status, line);
    line["story"] = Story(*event.status);
  }
  line["reason"] = event.reason == Reason::kNone ? Json(nullptr) : Json(ReasonName(event.reason));
  line["reasons"] = Json::array();
  for (int i = 1; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (event.reasons.Has(reason)) line["reasons"].push_back(ReasonName(reason));
  }
}

Json ToJson(const CallEvent& event) {
  Json line;
  line["event"] = EventName(event.type);
  // In hexadecimal, since many readers keep numbers in doubles, which lose digits.
  line["call"] = std::string(absl::StrCat(absl::Hex(event.call_id, absl::kZeroPad16)));
  line["operation"] = event.operation;
  line["target"] = event.target;
  line["elapsed_ms"] = Milliseconds(event.now - event.began);
  switch (event.type) {
    case CallEvent::Type::kCallStarted:
      line["deadline_ms"] = SinceBegan(event, event.deadline);
      break;
    case CallEvent::Type::kAttemptStarted:
      AddAttempt(event, line);
      break;
    case CallEvent::Type::kConnected:
      AddAttempt(event, line);
      line["address"] = event.address;
      break;
    case CallEvent::Type::kAttemptEnded:
      AddAttempt(event, line);
      if (event.status != nullptr) AddStatus(*event.status, line);
      line["failed_result"] = event.failed_result;
      if (event.record != nullptr) AddRecord(*event.record, line);
      break;
    case CallEvent::Type::kPolicyChanged:
      line["policy"] = event.policy;
      line["label"] = event.label;
      line["from"] = event.from;
      line["to"] = event.to;
      line["until_ms"] = SinceBegan(event, event.until);
      break;
    case CallEvent::Type::kWaiting:
      line["attempts"] = event.attempt;
      line["reason"] = ReasonName(event.reason);
      line["until_ms"] = SinceBegan(event, event.until);
      break;
    case CallEvent::Type::kAsking:
      line["attempts"] = event.attempt;
      break;
    case CallEvent::Type::kCallEnded:
      AddEnd(event, line);
      break;
    case CallEvent::Type::kTick:
      break;
  }
  return line;
}

// Bytes from outside that aren't UTF-8 become U+FFFD: a line always parses.
std::string ToLine(const CallEvent& event) {
  return ToJson(event).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// Safe between threads: lines don't mix.
class FileLines final : public Sink {
 public:
  explicit FileLines(std::FILE* file) : file_(file) {}

  void On(const CallEvent& event) override {
    if (event.type == CallEvent::Type::kTick) return;
    const std::string line = ToLine(event) + '\n';
    internal::StdMutexLock lock(mu_);
    // There is nobody to tell of an output that doesn't take it.
    std::fwrite(line.data(), 1, line.size(), file_);
    std::fflush(file_);
  }
  absl::Status Validate() const override {
    if (file_ != nullptr) return absl::OkStatus();
    return absl::InvalidArgumentError("ToLines.file is null; it must be an open file");
  }

 private:
  std::FILE* const file_;
  internal::StdMutex mu_;
};

// As safe between threads as its function.
class FunctionLines final : public Sink {
 public:
  explicit FunctionLines(std::function<void(std::string_view)> write) : write_(std::move(write)) {}

  void On(const CallEvent& event) override {
    if (event.type != CallEvent::Type::kTick) write_(ToLine(event));
  }
  absl::Status Validate() const override {
    if (write_) return absl::OkStatus();
    return absl::InvalidArgumentError("ToLines.write is empty; it must be a function");
  }

 private:
  const std::function<void(std::string_view)> write_;
};

}  // namespace

SinkPtr ToLines(std::FILE* file) { return std::make_shared<FileLines>(file); }

SinkPtr ToLines(std::function<void(std::string_view)> write) {
  return std::make_shared<FunctionLines>(std::move(write));
}

}  // namespace redial
