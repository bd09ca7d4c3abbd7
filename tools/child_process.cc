#include "tools/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "redial/runtime.h"
#include "src/core/strings.h"

namespace redial::tools {
namespace {

// After fork, in a process that may have threads: nothing but async-signal-safe calls.
[[noreturn]] void Become(char* const* argv, const char* log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent was gone before prctl
  const int in = open("/dev/null", O_RDONLY);
  const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (in >= 0) dup2(in, 0);
  if (out >= 0) {
    dup2(out, 1);
    dup2(out, 2);
  }
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

std::optional<std::string> FindProgram(std::string_view program) {
  if (program.find('/') != std::string_view::npos) {
    std::string path(program);
    if (access(path.c_str(), X_OK) == 0) return path;
    return std::nullopt;
  }
  const char* path = getenv("PATH");
  const std::string places =
      absl::StrCat(path != nullptr ? path : "", ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin");
  for (absl::string_view place : absl::StrSplit(places, ':', absl::SkipEmpty())) {
    std::string candidate = absl::StrCat(place, "/", internal::ToAbsl(program));
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& arguments,
                                                 const std::string& log) {
  std::optional<std::string> program = FindProgram(arguments.at(0));
  if (!program) {
    return absl::NotFoundError(absl::StrCat(arguments.at(0), " is not installed"));
  }
  std::vector<std::string> words = arguments;
  words[0] = *program;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string output = log.empty() ? "/dev/null" : log;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) Become(argv.data(), output.c_str(), parent);
  return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    Stop();
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

bool ChildProcess::Exited() {
  if (pid_ < 0) return true;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return false;
  pid_ = -1;
  return true;
}

void ChildProcess::Stop() {
  if (pid_ < 0) return;
  kill(pid_, SIGCONT);
  kill(pid_, SIGTERM);
  Runtime& runtime = Runtime::Threads();
  for (int i = 0; i < 200 && !Exited(); ++i) {
    runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(10)), {});
  }
  Kill();
}

void ChildProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ChildProcess::Pause() {
  if (pid_ > 0) kill(pid_, SIGSTOP);
}

void ChildProcess::Resume() {
  if (pid_ > 0) kill(pid_, SIGCONT);
}

PrivateDirectory::PrivateDirectory() {
  const char* base = getenv("TMPDIR");
  path_ = absl::StrCat(base != nullptr ? base : "/tmp", "/redial-XXXXXX");
  if (mkdtemp(path_.data()) == nullptr) path_.clear();
}

PrivateDirectory::~PrivateDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace redial::tools
