#include "benchmarks/part.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "benchmarks/suite.h"

namespace redial::benchmarks {
namespace {

// Ten thousand connections need more descriptors than the usual soft limit of 1024.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) Die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) Die("setrlimit");
}

}  // namespace

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::string ReadLine(int fd) {
  std::string line;
  char c = 0;
  while (read(fd, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

void WriteLine(int fd, const std::string& line) {
  const std::string ended = line + '\n';
  if (send(fd, ended.data(), ended.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ended.size())) {
    Die("a part of the benchmark is gone");
  }
}

Part::Part(PartOptions options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) Die("socketpair");
  control_ = ends[0];
  const std::string role = absl::StrCat("--part=", options.role);
  const std::string cpu = absl::StrCat("--cpu=", options.cpu);
  const std::string port = absl::StrCat("--port=", options.port);
  const std::string connections = absl::StrCat("--connections=", options.connections);
  const std::string control = absl::StrCat("--control=", ends[1]);
  pid_ = fork();
  if (pid_ < 0) Die("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(ends[1], F_SETFD, 0);
    execl("/proc/self/exe", "redial_benchmarks", role.c_str(), cpu.c_str(), port.c_str(),
          connections.c_str(), control.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
}

Part::~Part() {
  close(control_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string Part::Ask(const std::string& line) {
  Tell(line);
  std::string answer = ReadLine(control_);
  if (answer.empty()) Die("a part of the benchmark gave no answer");
  return answer;
}

void Part::Tell(const std::string& line) { WriteLine(control_, line); }

double Part::Memory() const {
  std::ifstream rollup(absl::StrCat("/proc/", pid_, "/smaps_rollup"));
  for (std::string line; std::getline(rollup, line);) {
    unsigned long kibibytes = 0;
    if (std::sscanf(line.c_str(), "Rss: %lu kB", &kibibytes) == 1) {
      return static_cast<double>(kibibytes) * 1024;
    }
  }
  Die("smaps_rollup");
}

int PlayPart(const PartOptions& options) {
  RaiseDescriptorLimit();
  PinTo(options.cpu);
  if (options.role == "server") {
    ServeEcho(options);
  } else {
    PlayLoad(options);
  }
  return 0;
}

}  // namespace redial::benchmarks
