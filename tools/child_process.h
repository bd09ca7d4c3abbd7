// A program that runs beside ours, in its own process, and never longer than ours.
//
//   auto redis = ChildProcess::Start({"redis-server", "--port", "0", "--unixsocket", path});
//   if (!redis.ok()) ...
//   redis->Stop();   // SIGTERM, then SIGKILL; by process id, of course
//
// Not shared between threads.
#ifndef REDIAL_TOOLS_CHILD_PROCESS_H_
#define REDIAL_TOOLS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace redial::tools {

// The path of `program`, searched in PATH and the sbin directories; nullopt when it isn't
// installed. One with a slash is a path already.
std::optional<std::string> FindProgram(std::string_view program);

class ChildProcess {
 public:
  // Starts `arguments[0]` (found by FindProgram) with its output in `log`, or thrown away if that
  // is empty. kNotFound when there is no such program.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& arguments,
                                            const std::string& log = "");
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { Stop(); }

  pid_t pid() const { return pid_; }
  // SIGTERM, and SIGKILL if it is still there two seconds later. A second call does nothing.
  void Stop();
  // SIGKILL at once.
  void Kill();
  // SIGSTOP and SIGCONT: a server that hangs.
  void Pause();
  void Resume();
  // Whether it has ended by itself.
  bool Exited();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

// A directory of our own under TMPDIR, removed with all that is in it.
class PrivateDirectory {
 public:
  PrivateDirectory();
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace redial::tools

#endif  // REDIAL_TOOLS_CHILD_PROCESS_H_
