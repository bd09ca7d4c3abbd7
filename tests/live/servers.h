// Real servers for live tests, each in a private directory, reached by a Unix socket or an ephemeral port, and stopped by its process id when
// the object goes.
//
//   REDIAL_NEEDS_PROGRAM("redis-server");
//   RedisServer redis;
//   auto client = Client::Create(redis.target(), ...);
#ifndef REDIAL_TESTS_LIVE_SERVERS_H_
#define REDIAL_TESTS_LIVE_SERVERS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "redial/runtime.h"
#include "tools/child_process.h"

// Where the program is missing: a failure in CI, which installs it, and a skip with a sentence elsewhere.
#define REDIAL_NEEDS_PROGRAM(program)                                                            \
  if (!::redial::tools::FindProgram(program)) {                                                  \
    if (std::getenv("CI") != nullptr) FAIL() << program << " is not installed, but CI needs it"; \
    GTEST_SKIP() << program << " is not installed; this test needs it";                          \
  }                                                                                              \
  static_assert(true)

namespace redial::testing {

// A TCP port on 127.0.0.1 that was free a moment ago.
uint16_t FreePort();

// Waits until `target` accepts connections; false if it doesn't within ten seconds.
bool WaitUntilItAccepts(const std::string& target);

struct RedisOptions {
  bool tcp = false;      // on a port of 127.0.0.1; else on a Unix socket
  bool durable = false;  // what it acknowledged survives a crash
  int max_clients = 1000;
};

class RedisServer {
 public:
  explicit RedisServer(const RedisOptions& options = {});
  // "unix:///…/redis.sock" or "tcp://127.0.0.1:1234".
  std::string target() const;
  tools::ChildProcess& process() { return *process_; }
  // Stops it and starts it again, at the same place.
  void Start();
  void Stop();

 private:
  const RedisOptions options_;
  const uint16_t port_;
  tools::PrivateDirectory directory_;
  std::optional<tools::ChildProcess> process_;
};

// Answers "/" with 200 "hello\n" and "/busy" with 503 and "Retry-After: 1".
class NginxServer {
 public:
  NginxServer();
  std::string target() const;

 private:
  tools::PrivateDirectory directory_;
  uint16_t port_;
  std::optional<tools::ChildProcess> process_;
};

// A wall clock for a program (FindProgram "faketime"), which somebody sets an hour forward, and then
// two hours back, soon after it was made. Sanitizers don't stand the library that it preloads.
class SteppedWallClock {
 public:
  SteppedWallClock();
  // For RunProgram.
  std::vector<std::string> environment() const;

 private:
  std::string path() const { return directory_.path() + "/clock"; }

  tools::PrivateDirectory directory_;
  Task task_;
};

struct Finished {
  int exit_code = -1;  // 128 + the signal that ended it
  std::string out;
  std::string err;
};
// Runs a program to its end, with `environment` ("NAME=value") added to ours.
Finished RunProgram(const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment = {});

}  // namespace redial::testing

#endif  // REDIAL_TESTS_LIVE_SERVERS_H_
