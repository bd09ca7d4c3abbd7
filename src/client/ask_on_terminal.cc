#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "redial/policies/ask_user.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "src/client/event_text.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr std::string_view kQuestion = "[r]etry or [g]ive up? ";

// No answer is this long: what comes without end is no person.
constexpr size_t kMostInput = 4096;

void Print(std::FILE* out, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

// Reads a line, byte by byte, so that whatever follows it is left to other readers; nullopt at the
// end of input, or when the call's deadline or a stop request has come.
class LineReader {
 public:
  LineReader(int fd, const CallEvent& question)
      : fd_(fd),
        deadline_(question.deadline),
        stop_(question.stop),
        readable_(fd, Source::Kind::kReadable) {}

  std::optional<std::string> Next() {
    std::string line;
    while (read_ < kMostInput) {
      const std::optional<char> c = NextByte();
      if (!c.has_value()) return std::nullopt;
      if (*c == '\n') return line;
      line += *c;
    }
    return std::nullopt;
  }

 private:
  std::optional<char> NextByte() {
    Runtime& runtime = Runtime::Current();
    while (runtime.Wait(readable_, deadline_, stop_) == WaitResult::kReady) {
      char c = 0;
      const ssize_t n = ::read(fd_, &c, 1);
      if (n == 1) {
        ++read_;
        return c;
      }
      // The report of something to read may be false; a blocking descriptor doesn't say so.
      if (n == 0 || (errno != EINTR && errno != EAGAIN)) break;
    }
    return std::nullopt;
  }

  const int fd_;
  const Deadline deadline_;
  const std::stop_token stop_;
  Source readable_;
  size_t read_ = 0;
};

std::optional<Answer> Understand(std::string_view line) {
  for (const char c : line) {
    switch (c) {
      case ' ':
      case '\t':
        continue;
      case 'r':
      case 'R':
        return Answer::kRetry;
      case 'g':
      case 'G':
        return Answer::kGiveUp;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

Answer AskOn(std::FILE* in, std::FILE* out, const CallEvent& question) {
  Print(out,
        absl::StrCat(internal::SubjectText(question), ": ", internal::AttemptFailedText(question),
                     "; ", internal::ToAbsl(kQuestion)));
  LineReader reader(fileno(in), question);
  while (const std::optional<std::string> line = reader.Next()) {
    if (const std::optional<Answer> answer = Understand(*line)) return *answer;
    Print(out, kQuestion);
  }
  Print(out, "\n");  // nobody ended the line that the question stands in
  return Answer::kGiveUp;
}

}  // namespace

AskFunction AskOnTerminal(std::FILE* in, std::FILE* out) {
  if (in == nullptr || out == nullptr) return nullptr;
  return [in, out](const CallEvent& question) { return AskOn(in, out, question); };
}

}  // namespace redial
