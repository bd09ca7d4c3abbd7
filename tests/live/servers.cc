#include "tests/live/servers.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "redial/redial.h"

namespace redial::testing {
namespace {

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void MakeProgram(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, const std::string& directory) {
  for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open((directory + "/out").c_str(), O_WRONLY | O_CREAT, 0600), 1);
  dup2(open((directory + "/err").c_str(), O_WRONLY | O_CREAT, 0600), 2);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

uint16_t FreePort() {
  const auto listener = Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0));
  return listener.ok() ? listener->local().port() : 0;
}

bool WaitUntilItAccepts(const std::string& target) {
  const auto client =
      Client::Create(target, {Retry({.max_attempts = std::numeric_limits<int>::max(),
                                     .backoff = Constant(absl::Milliseconds(20)),
                                     .retry_on = OnAnyFailure()})});
  if (!client.ok()) return false;
  return client
      ->Call({.operation = "wait", .timeout = absl::Seconds(10)},
             [](Socket&) { return absl::OkStatus(); })
      .ok();
}

RedisServer::RedisServer(const RedisOptions& options)
    : options_(options), port_(options.tcp ? FreePort() : 0) {
  Start();
}

std::string RedisServer::target() const {
  if (options_.tcp) return absl::StrCat("tcp://127.0.0.1:", port_);
  return absl::StrCat("unix://", directory_.path(), "/redis.sock");
}

void RedisServer::Start() {
  process_.reset();
  const std::string& d = directory_.path();
  std::vector<std::string> arguments = {
      "redis-server", "--port", absl::StrCat(port_), "--bind", "127.0.0.1", "--save", "",
      "--appendonly", options_.durable ? "yes" : "no",
      // Written before it is acknowledged, which is enough for a process that dies; while the
      // default's fsync runs, a write may come after the reply.
      "--appendfsync", "no", "--dir", d, "--maxclients", absl::StrCat(options_.max_clients),
      "--tcp-backlog", "4096"};
  if (!options_.tcp) arguments.insert(arguments.end(), {"--unixsocket", d + "/redis.sock"});
  auto started = tools::ChildProcess::Start(arguments, d + "/log");
  if (!started.ok()) {
    ADD_FAILURE() << started.status();
    return;
  }
  process_.emplace(*std::move(started));
  EXPECT_TRUE(WaitUntilItAccepts(target())) << Contents(d + "/log");
}

void RedisServer::Stop() { process_.reset(); }

NginxServer::NginxServer() : port_(FreePort()) {
  const std::string& d = directory_.path();
  std::ofstream(d + "/nginx.conf")
      << "daemon off; worker_processes 1; pid " << d << "/pid;\n"
      << "error_log " << d << "/error.log; events { worker_connections 4096; }\n"
      << "http { access_log off; client_body_temp_path " << d << "/1; proxy_temp_path " << d
      << "/2; fastcgi_temp_path " << d << "/3; uwsgi_temp_path " << d << "/4; scgi_temp_path " << d
      << "/5;\n  server { listen 127.0.0.1:" << port_ << " backlog=4096;\n"
      << "    location = / { return 200 'hello\\n'; }\n"
      << "    location = /busy { add_header Retry-After 1 always; "
      << "return 503 'busy\\n'; } } }\n";
  auto started = tools::ChildProcess::Start(
      {"nginx", "-p", d, "-c", d + "/nginx.conf", "-e", d + "/error.log"}, d + "/log");
  if (!started.ok()) {
    ADD_FAILURE() << started.status();
    return;
  }
  process_.emplace(*std::move(started));
  EXPECT_TRUE(WaitUntilItAccepts(target())) << Contents(d + "/log") << Contents(d + "/error.log");
}

std::string NginxServer::target() const { return absl::StrCat("tcp://127.0.0.1:", port_); }

SteppedWallClock::SteppedWallClock() {
  std::ofstream(path()) << "+0\n";
  auto task = Runtime::Current().Spawn([path = path()] {
    Runtime& runtime = Runtime::Current();
    for (const char* step : {"+1h\n", "-1h\n"}) {
      (void)runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(200)), {});
      std::ofstream(path) << step;
    }
  });
  EXPECT_TRUE(task.ok()) << task.status();
  if (task.ok()) task_ = *std::move(task);
}

std::vector<std::string> SteppedWallClock::environment() const {
  return {"LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
          "FAKETIME_TIMESTAMP_FILE=" + path(), "FAKETIME_NO_CACHE=1",
          "FAKETIME_DONT_FAKE_MONOTONIC=1"};
}

Finished RunProgram(const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment) {
  const tools::PrivateDirectory directory;
  const pid_t child = fork();
  if (child == 0) MakeProgram(arguments, environment, directory.path());
  int status = 0;
  waitpid(child, &status, 0);
  Finished finished;
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  finished.out = Contents(directory.path() + "/out");
  finished.err = Contents(directory.path() + "/err");
  return finished;
}

}  // namespace redial::testing
