#include <gtest/gtest.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "redial/policies/report.h"
#include "redial/policy_set.h"
#include "tests/support/recorded_call.h"

namespace redial {
namespace {

using testing::RecordedCall;
using testing::RefusedRecord;

// An environment variable for a scope; null takes it out.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    if (const char* before = getenv(name); before != nullptr) before_ = before;
    Set(value);
  }
  ~ScopedEnvironment() { Set(before_ ? before_->c_str() : nullptr); }

 private:
  void Set(const char* value) {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }
  const char* const name_;
  std::optional<std::string> before_;
};

// A file that isn't a terminal.
class PlainFile {
 public:
  PlainFile() : file_(std::tmpfile()) {}
  ~PlainFile() { std::fclose(file_); }
  std::FILE* file() { return file_; }
  std::string Text() {
    std::string text(static_cast<size_t>(std::ftell(file_)), '\0');
    EXPECT_EQ(::pread(fileno(file_), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    return text;
  }

 private:
  std::FILE* const file_;
};

// A terminal, `columns` wide.
class Terminal {
 public:
  explicit Terminal(int columns = 80) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = static_cast<unsigned short>(columns);
    int terminal = -1;
    EXPECT_EQ(::openpty(&master_, &terminal, nullptr, nullptr, &size), 0);
    file_ = ::fdopen(terminal, "w");
  }
  ~Terminal() {
    std::fclose(file_);
    ::close(master_);
  }
  std::FILE* file() { return file_; }
  // What was written since the last time, the terminal's "\r\n" as the "\n" that it was. A mark
  // says where it ends, since terminals pass on what they are given in their own time.
  std::string Text() {
    constexpr char kMark = '\x01';
    EXPECT_EQ(::write(fileno(file_), &kMark, 1), 1);
    std::string text;
    char c = 0;
    while (::read(master_, &c, 1) == 1 && c != kMark) text += c;
    for (size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos;) text.erase(at, 1);
    return text;
  }

 private:
  int master_ = -1;
  std::FILE* file_ = nullptr;
};

constexpr char kFirstFailure[] =
    "PING cache:6379: attempt 1 failed: 10.0.0.7:6379 connection refused (ECONNREFUSED) after "
    "1 ms";

void FailThenSucceed(RecordedCall& call) {
  call.Start();
  call.AttemptStarted();
  call.Pass(absl::Milliseconds(1));
  call.AttemptFailed(RefusedRecord());
  call.Waiting(absl::Milliseconds(50));
  call.Tick();
  call.Pass(absl::Milliseconds(50));
  call.AttemptStarted();
  call.Connected("10.0.0.7:6379");
  call.Pass(absl::Milliseconds(1149));
  call.AttemptSucceeded();
  call.End(absl::OkStatus());
}

TEST(ToTerminalTest, AnAttemptALine) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink);
  FailThenSucceed(call);
  EXPECT_EQ(out.Text(), std::string(kFirstFailure) +
                            "; next attempt in 50 ms\n"
                            "PING cache:6379: ok after 2 attempts in 1.2 s\n");
  EXPECT_EQ(sink->tick_interval(), absl::InfiniteDuration());
}

TEST(ToTerminalTest, SaysNothingWhereAllGoesWell) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink);
  call.Start();
  call.AttemptStarted();
  call.AttemptSucceeded();
  call.End(absl::OkStatus());
  EXPECT_EQ(out.Text(), "");
}

TEST(ToTerminalTest, EndsWithTheStory) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink);
  call.Start();
  call.AttemptStarted();
  call.AttemptFailed(RefusedRecord());
  call.Waiting(absl::Seconds(1.5), Reason::kServerHint);
  call.AttemptStarted();
  call.AttemptFailed(RefusedRecord());
  const absl::Status status =
      WithFailure(absl::UnavailableError("refused"),
                  {.operation = "PING", .target = "cache:6379", .why = Reason::kExhausted});
  call.End(status, Reason::kExhausted);
  EXPECT_EQ(out.Text(), std::string(kFirstFailure) +
                            "; next attempt in 1.5 s; the peer asked for a pause\n"
                            "PING cache:6379: attempt 2 failed: 10.0.0.7:6379 connection refused "
                            "(ECONNREFUSED) after 1 ms\n" +
                            Story(status) + "\n");
}

TEST(ToTerminalTest, OfOneAttemptTheStoryIsEnough) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink);
  call.Start();
  call.AttemptStarted();
  call.AttemptFailed(RefusedRecord());
  const absl::Status status = absl::UnavailableError("refused");
  call.End(status, Reason::kFailFast);
  EXPECT_EQ(out.Text(), "UNAVAILABLE: refused\n");
}

TEST(ToTerminalTest, AResultThatCountsAsAFailure) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink, {.operation = "GET", .target = ""});
  call.Start();
  call.AttemptStarted();
  call.AttemptSucceeded();
  call.Waiting(absl::Milliseconds(50));
  call.AttemptStarted();
  call.AttemptSucceeded();
  call.End(absl::OkStatus(), Reason::kExhausted);
  EXPECT_EQ(out.Text(),
            "GET: attempt 1 returned a result that counts as a failure; next attempt in 50 ms\n"
            "GET: ended with a result that counts as a failure after 2 attempts in 0 ms: attempts "
            "exhausted\n");
}

TEST(ToTerminalTest, SaysWhatItWaitsFor) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink);
  call.Start();
  call.Waiting(absl::Seconds(2), Reason::kQueued);  // until the deadline: nobody knows how long
  call.AttemptStarted();
  call.AttemptFailed(RefusedRecord());
  call.Asking();
  call.AttemptStarted();
  EXPECT_EQ(out.Text(),
            "PING cache:6379: waiting for a permit\n" + std::string(kFirstFailure) + "\n");
}

TEST(ToTerminalTest, CallsDontMixTheirAttempts) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall a(*sink, {.operation = "A", .target = "", .id = 1});
  RecordedCall b(*sink, {.operation = "B", .target = "", .id = 2});
  a.AttemptStarted();
  b.AttemptStarted();
  a.AttemptFailed(RefusedRecord());
  b.AttemptFailed(RefusedRecord());
  b.Waiting(absl::Milliseconds(20));
  a.Waiting(absl::Milliseconds(10));
  EXPECT_EQ(out.Text(),
            "B: attempt 1 failed: 10.0.0.7:6379 connection refused (ECONNREFUSED) after 1 ms; next "
            "attempt in 20 ms\n"
            "A: attempt 1 failed: 10.0.0.7:6379 connection refused (ECONNREFUSED) after 1 ms; next "
            "attempt in 10 ms\n");
}

// What comes from outside gives the terminal no orders.
TEST(ToTerminalTest, EscapesControlCharacters) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink, {.operation = "GET \033[2J\r\n", .target = "evil\x07\x9b"});
  call.AttemptStarted();
  call.AttemptFailed({.code = absl::StatusCode::kInternal,
                      .elapsed = absl::Milliseconds(1),
                      .detail = "-ERR \033]0;owned\007\nPING: ok"});
  call.Waiting(absl::Milliseconds(10));
  call.End(absl::InternalError("\033[31m\n\u009b"));
  const std::string text = out.Text();
  EXPECT_EQ(text,
            "GET \\x1b[2J\\r\\n evil\\x07\\x9b: attempt 1 failed: -ERR "
            "\\x1b]0;owned\\x07\\nPING: ok after 1 ms; next attempt in 10 ms\n"
            "INTERNAL: \\x1b[31m\\n\\xc2\\x9b\n");
}

class LiveTerminalTest : public ::testing::Test {
 protected:
  ScopedEnvironment term_{"TERM", "xterm"};
  ScopedEnvironment no_color_{"NO_COLOR", "1"};
};

TEST_F(LiveTerminalTest, CountsDownInPlace) {
  Terminal terminal;
  SinkPtr sink = ToTerminal(terminal.file());
  EXPECT_EQ(sink->tick_interval(), absl::Milliseconds(100));
  RecordedCall call(*sink);
  call.Start();
  call.AttemptStarted();
  EXPECT_EQ(terminal.Text(), "");
  call.AttemptFailed(RefusedRecord());
  call.Waiting(absl::Milliseconds(450));
  EXPECT_EQ(terminal.Text(), std::string(kFirstFailure) +
                                 "; next attempt in 450 ms\n"
                                 "\r\033[KPING cache:6379: next attempt in 0.5 s, 2.0 s left");
  call.Pass(absl::Milliseconds(100));
  call.Tick();
  EXPECT_EQ(terminal.Text(), "\r\033[KPING cache:6379: next attempt in 0.4 s, 1.9 s left");
  call.Pass(absl::Milliseconds(350));
  call.AttemptStarted();
  EXPECT_EQ(terminal.Text(), "\r\033[KPING cache:6379: attempt 2");
  call.AttemptSucceeded();
  call.End(absl::OkStatus());
  EXPECT_EQ(terminal.Text(), "\r\033[KPING cache:6379: ok after 2 attempts in 450 ms\n");
}

TEST_F(LiveTerminalTest, MakesRoomForAQuestion) {
  Terminal terminal;
  const SinkPtr sink = ToTerminal(terminal.file());
  RecordedCall call(*sink, {.timeout = absl::InfiniteDuration()});
  call.AttemptStarted();
  call.AttemptFailed(RefusedRecord());
  call.Waiting(absl::InfiniteDuration(), Reason::kQueued);
  EXPECT_EQ(terminal.Text(), std::string(kFirstFailure) +
                                 "; waiting for a permit\n"
                                 "\r\033[KPING cache:6379: waiting for a permit");
  call.Asking();
  EXPECT_EQ(terminal.Text(), "\r\033[K");
}

TEST_F(LiveTerminalTest, LeavesNoLiveLineBehind) {
  Terminal terminal;
  SinkPtr sink = ToTerminal(terminal.file());
  RecordedCall call(*sink);
  call.Waiting(absl::Seconds(1), Reason::kRateLimited);
  EXPECT_EQ(terminal.Text(),
            "PING cache:6379: rate limited; next attempt in 1 s\n"
            "\r\033[KPING cache:6379: next attempt in 1.0 s, 2.0 s left");
  sink.reset();
  EXPECT_EQ(terminal.Text(), "\r\033[K");
}

TEST_F(LiveTerminalTest, FitsTheWindow) {
  Terminal terminal(24);
  const SinkPtr sink = ToTerminal(terminal.file());
  RecordedCall call(*sink);
  call.Waiting(absl::Seconds(1), Reason::kRateLimited);
  EXPECT_EQ(terminal.Text(),
            "PING cache:6379: rate limited; next attempt in 1 s\n"
            "\r\033[KPING cache:6379: nex...");
}

TEST_F(LiveTerminalTest, CanBeTurnedOff) {
  Terminal terminal;
  const SinkPtr sink = ToTerminal(terminal.file(), {.live = false});
  RecordedCall call(*sink);
  FailThenSucceed(call);
  EXPECT_EQ(terminal.Text(), std::string(kFirstFailure) +
                                 "; next attempt in 50 ms\n"
                                 "PING cache:6379: ok after 2 attempts in 1.2 s\n");
  EXPECT_EQ(sink->tick_interval(), absl::InfiniteDuration());
}

// "\033[33m...\033[0m", whether or not it is live.
bool Colored(const std::string& text) { return text.find("\033[3") != std::string::npos; }

std::string SayOn(Terminal& terminal, TerminalOptions options) {
  const SinkPtr sink = ToTerminal(terminal.file(), options);
  RecordedCall call(*sink);
  FailThenSucceed(call);
  return terminal.Text();
}

TEST(TerminalColorTest, OnATerminalThatTakesIt) {
  ScopedEnvironment term("TERM", "xterm");
  ScopedEnvironment no_color("NO_COLOR", nullptr);
  Terminal terminal;
  EXPECT_EQ(SayOn(terminal, {.live = false}),
            "\033[33m" + std::string(kFirstFailure) +
                "; next attempt in 50 ms\033[0m\n"
                "\033[32mPING cache:6379: ok after 2 attempts in 1.2 s\033[0m\n");
  const SinkPtr sink = ToTerminal(terminal.file(), {.live = false});
  RecordedCall call(*sink);
  call.End(absl::UnavailableError("refused"));
  EXPECT_EQ(terminal.Text(), "\033[31mUNAVAILABLE: refused\033[0m\n");
}

TEST(TerminalColorTest, AsTheEnvironmentSays) {
  Terminal terminal;
  ScopedEnvironment term("TERM", "xterm");
  {
    ScopedEnvironment no_color("NO_COLOR", "1");
    EXPECT_FALSE(Colored(SayOn(terminal, {})));
    EXPECT_TRUE(Colored(SayOn(terminal, {.color = Color::kAlways})));
  }
  ScopedEnvironment empty("NO_COLOR", "");  // counts as not set
  EXPECT_TRUE(Colored(SayOn(terminal, {})));
  EXPECT_FALSE(Colored(SayOn(terminal, {.color = Color::kNever})));
  {
    ScopedEnvironment dumb("TERM", "dumb");
    EXPECT_EQ(SayOn(terminal, {}).find('\033'), std::string::npos);
  }
  ScopedEnvironment unset("TERM", nullptr);
  EXPECT_EQ(SayOn(terminal, {}).find('\033'), std::string::npos);
}

TEST(TerminalColorTest, NotInAFile) {
  ScopedEnvironment term("TERM", "xterm");
  ScopedEnvironment no_color("NO_COLOR", nullptr);
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  RecordedCall call(*sink);
  FailThenSucceed(call);
  EXPECT_EQ(out.Text().find('\033'), std::string::npos);
}

TEST(ToTerminalTest, LinesOfThreadsStayWhole) {
  PlainFile out;
  const SinkPtr sink = ToTerminal(out.file());
  {
    std::vector<std::jthread> threads;
    for (uint64_t id = 1; id <= 4; ++id) {
      threads.emplace_back([&sink, id] {
        for (int i = 0; i < 100; ++i) {
          RecordedCall call(*sink, {.id = id});
          FailThenSucceed(call);
        }
      });
    }
  }
  int lines = 0;
  const std::string text = out.Text();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    ++lines;
    EXPECT_TRUE(line == std::string(kFirstFailure) + "; next attempt in 50 ms" ||
                line == "PING cache:6379: ok after 2 attempts in 1.2 s")
        << line;
  }
  EXPECT_EQ(lines, 800);
}

TEST(ToTerminalTest, NeedsAFile) {
  const absl::Status status = PolicySet::Create({Report(ToTerminal(nullptr))}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(status.message(), "ToTerminal.file is null; it must be an open file");
}

}  // namespace
}  // namespace redial
