// Theory of operation. Lines tell what is over: an attempt that failed is told when it is known
// what comes next, so that one line says both. On a terminal, one *live* line below them tells what
// goes on; it is rewritten in place, and wiped before a line is written. Calls share the terminal:
// each has its own untold attempt, the live line belongs to whoever drew last.
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "redial/policies/report.h"
#include "src/client/event_text.h"
#include "src/core/format.h"
#include "src/core/mutex.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr std::string_view kWipe = "\r\033[K";
constexpr std::string_view kRed = "\033[31m";
constexpr std::string_view kGreen = "\033[32m";
constexpr std::string_view kYellow = "\033[33m";
constexpr std::string_view kPlain = "\033[0m";

// Whether the end of the wait is known: not of one for somebody else.
bool IsTimed(const CallEvent& wait) {
  switch (wait.reason) {
    case Reason::kQueued:
    case Reason::kParked:
    case Reason::kUndecided:
      return false;
    default:
      return !wait.until.is_never();
  }
}

std::string_view Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool ObeysEscapes(std::FILE* file) {
  const std::string_view term = Environment("TERM");
  return isatty(fileno(file)) != 0 && !term.empty() && term != "dumb";
}

size_t ColumnsOf(std::FILE* file) {
  winsize size = {};
  if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// "PING cache:6379: ok after 3 attempts in 1.2 s"
std::string EndText(const CallEvent& event, std::string_view how) {
  return absl::StrCat(internal::SubjectText(event), ": ", internal::ToAbsl(how), " after ",
                      internal::Count(static_cast<uint64_t>(event.attempt), "attempt"), " in ",
                      internal::DurationText(event.now - event.began));
}

// Safe between threads.
class TerminalSink final : public Sink {
 public:
  TerminalSink(std::FILE* file, const TerminalOptions& options) : file_(file) {
    if (file == nullptr) return;
    const bool obeys = ObeysEscapes(file);
    live_ = options.live && obeys;
    color_ = options.color == Color::kAlways ||
             (options.color == Color::kAuto && obeys && Environment("NO_COLOR").empty());
  }
  ~TerminalSink() override;

  absl::Status Validate() const override {
    if (file_ != nullptr) return absl::OkStatus();
    return absl::InvalidArgumentError("ToTerminal.file is null; it must be an open file");
  }
  void On(const CallEvent& event) override;
  absl::Duration tick_interval() const override {
    return live_ ? absl::Milliseconds(100) : absl::InfiniteDuration();
  }

 private:
  struct Untold {
    uint64_t call_id;
    std::string attempt;
  };

  void OnAttemptStarted(const CallEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnAttemptEnded(const CallEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnWaiting(const CallEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnCallEnded(const CallEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DrawWait(const CallEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The call's failed attempt that no line has told yet; empty if there is none.
  std::string TakeUntold(uint64_t call_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellAttempt(uint64_t call_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void Line(std::string_view color, std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Live(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wipe() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Write(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::FILE* const file_;
  bool live_ = false;
  bool color_ = false;

  internal::StdMutex mu_;
  std::vector<Untold> untold_ ABSL_GUARDED_BY(mu_);  // oldest first
  bool drawn_ ABSL_GUARDED_BY(mu_) = false;          // the live line stands there
};

TerminalSink::~TerminalSink() {
  internal::StdMutexLock lock(mu_);
  Wipe();
}

void TerminalSink::On(const CallEvent& event) {
  internal::StdMutexLock lock(mu_);
  switch (event.type) {
    case CallEvent::Type::kCallStarted:
    case CallEvent::Type::kConnected:
      break;
    case CallEvent::Type::kAttemptStarted:
      OnAttemptStarted(event);
      break;
    case CallEvent::Type::kAttemptEnded:
      OnAttemptEnded(event);
      break;
    case CallEvent::Type::kPolicyChanged:
      TellAttempt(event.call_id);
      Line(kYellow, internal::ChangeText(event));
      break;
    case CallEvent::Type::kWaiting:
      OnWaiting(event);
      break;
    case CallEvent::Type::kTick:
      if (live_) DrawWait(event);
      break;
    case CallEvent::Type::kAsking:
      TellAttempt(event.call_id);
      Wipe();  // the question goes there
      break;
    case CallEvent::Type::kCallEnded:
      OnCallEnded(event);
      break;
  }
}

void TerminalSink::OnAttemptStarted(const CallEvent& event) {
  TellAttempt(event.call_id);
  if (live_ && event.attempt > 1) {
    Live(absl::StrCat(internal::SubjectText(event), ": attempt ", event.attempt));
  }
}

void TerminalSink::OnAttemptEnded(const CallEvent& event) {
  TellAttempt(event.call_id);
  // Also of one that came back well: if the call goes on, its result counted as a failure.
  untold_.push_back({event.call_id, absl::StrCat(internal::SubjectText(event), ": ",
                                                 internal::AttemptFailedText(event))});
}

void TerminalSink::OnWaiting(const CallEvent& event) {
  std::string text = TakeUntold(event.call_id);
  const bool follows_failure = !text.empty();
  if (!follows_failure) {
    text = absl::StrCat(internal::SubjectText(event), ": ",
                        internal::ToAbsl(ReasonText(event.reason)));
  }
  if (IsTimed(event)) {
    absl::StrAppend(&text, "; next attempt in ",
                    internal::DurationText(event.until.remaining(event.now)));
  }
  if (follows_failure && event.reason != Reason::kBackoff) {
    absl::StrAppend(&text, "; ", internal::ToAbsl(ReasonText(event.reason)));
  }
  Line(kYellow, text);
  if (live_) DrawWait(event);
}

void TerminalSink::OnCallEnded(const CallEvent& event) {
  const bool failed = event.status != nullptr && !event.status->ok();
  // The story of a single attempt says all that its own line would.
  if (failed && event.attempt > 1) TellAttempt(event.call_id);
  TakeUntold(event.call_id);
  if (failed) {
    Line(kRed, Story(*event.status));
  } else if (event.reason != Reason::kNone) {
    Line(kRed, absl::StrCat(EndText(event, "ended with a result that counts as a failure"), ": ",
                            internal::ToAbsl(ReasonText(event.reason))));
  } else if (event.attempt > 1) {
    Line(kGreen, EndText(event, "ok"));
  }
  Wipe();
}

void TerminalSink::DrawWait(const CallEvent& event) {
  std::string text = absl::StrCat(internal::SubjectText(event), ": ");
  if (IsTimed(event)) {
    absl::StrAppend(&text, "next attempt in ",
                    internal::CountdownText(event.until.remaining(event.now)));
  } else {
    absl::StrAppend(&text, internal::ToAbsl(ReasonText(event.reason)));
  }
  if (!event.deadline.is_never()) {
    absl::StrAppend(&text, ", ", internal::CountdownText(event.deadline.remaining(event.now)),
                    " left");
  }
  Live(text);
}

std::string TerminalSink::TakeUntold(uint64_t call_id) {
  const auto it = std::find_if(untold_.begin(), untold_.end(),
                               [&](const Untold& u) { return u.call_id == call_id; });
  if (it == untold_.end()) return {};
  std::string attempt = std::move(it->attempt);
  untold_.erase(it);
  return attempt;
}

void TerminalSink::TellAttempt(uint64_t call_id) {
  const std::string attempt = TakeUntold(call_id);
  if (!attempt.empty()) Line(kYellow, attempt);
}

void TerminalSink::Line(std::string_view color, std::string_view text) {
  std::string line;
  if (drawn_) line += kWipe;
  drawn_ = false;
  if (color_) line += color;
  line += text;
  if (color_) line += kPlain;
  line += '\n';
  Write(line);
}

void TerminalSink::Live(std::string_view text) {
  // Not into the last column: some terminals wrap there.
  const size_t columns = ColumnsOf(file_);
  Write(absl::StrCat(internal::ToAbsl(kWipe), internal::FitColumns(text, columns - 1)));
  drawn_ = true;
}

void TerminalSink::Wipe() {
  if (drawn_) Write(kWipe);
  drawn_ = false;
}

void TerminalSink::Write(std::string_view text) {
  // In one piece, so that lines of other writers don't get into it. There is nobody to tell of an
  // output that doesn't take it.
  std::fwrite(text.data(), 1, text.size(), file_);
  std::fflush(file_);
}

}  // namespace

SinkPtr ToTerminal(std::FILE* file, TerminalOptions options) {
  return std::make_shared<TerminalSink>(file, options);
}

}  // namespace redial
