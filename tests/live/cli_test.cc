// The redial program, as a person runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "redial/redial.h"
#include "tests/live/servers.h"
#include "tests/support/sanitized.h"
#include "tools/flaky_server.h"

namespace redial {
namespace {

using testing::Finished;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using tools::Behaviour;
using tools::FlakyServer;

constexpr char kProgram[] = REDIAL_BIN_DIR "/redial";

Finished Redial(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
  arguments.insert(arguments.begin(), kProgram);
  return testing::RunProgram(arguments, environment);
}

std::unique_ptr<FlakyServer> Flaky(std::vector<Behaviour> behaviours = {}) {
  auto server = FlakyServer::Create();
  EXPECT_TRUE(server.ok()) << server.status();
  if (!behaviours.empty()) {
    EXPECT_TRUE((*server)->Open(std::move(behaviours)).ok());
  }
  return *std::move(server);
}

long Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST(Cli, BadArgumentsAreOneLineAndExitTwo) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"probe"},
      {"probe", "localhost:80"},
      {"probe", "tcp://localhost"},
      {"probe", "tcp://localhost:80", "--deadline", "soon"},
      {"probe", "tcp://localhost:80", "--deadline", "-1s"},
      {"probe", "tcp://localhost:80", "--attempts", "0"},
      {"probe", "tcp://localhost:80", "--attempts", "many"},
      {"probe", "tcp://localhost:80", "--attempt-timeout", "0s"},
      {"probe", "tcp://localhost:80", "--send", "\\q"},
      {"probe", "tcp://localhost:80", "--expect", ""},
      {"wait"},
      {"wait", "tcp://localhost:99999"},
      {"wait", "tcp://localhost:80", "--deadline", "1"},
  };
  for (const auto& arguments : wrong) {
    const Finished finished = Redial(arguments);
    const std::string shown = ::testing::PrintToString(arguments) + " " + finished.err;
    EXPECT_EQ(finished.exit_code, 2) << shown;
    EXPECT_EQ(Lines(finished.err), 1) << shown;
    EXPECT_THAT(finished.err, StartsWith("redial: ")) << shown;
    EXPECT_EQ(finished.out, "") << shown;
  }
}

TEST(Cli, ProbePrintsTheReply) {
  auto server = Flaky({Behaviour::kAnswer});
  const Finished finished =
      Redial({"probe", server->target(), "--send", "PING\\r\\n", "--expect", "\\r\\n"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "+PONG\r\n");
  EXPECT_EQ(finished.err, "");
}

TEST(Cli, ProbeRidesOutAStall) {
  auto server = Flaky({Behaviour::kStall, Behaviour::kAnswer});
  const Finished finished =
      Redial({"probe", server->target(), "--send", "PING\\r\\n", "--expect", "\\r\\n",
              "--idempotent", "--attempt-timeout", "200ms", "--deadline", "10s"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "+PONG\r\n");
  EXPECT_THAT(finished.err, HasSubstr("timed out"));
}

TEST(Cli, ProbeTellsWhyItDidNotRepeat) {
  auto server = Flaky({Behaviour::kCutOff});
  const Finished finished =
      Redial({"probe", server->target(), "--send", "PAY\\r\\n", "--expect", "\\r\\n"});
  EXPECT_EQ(finished.exit_code, 1) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("may have been executed"));
}

TEST(Cli, ProbeOfARefusalFails) {
  auto server = Flaky();
  const Finished finished = Redial({"probe", server->target(), "--fail-fast"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, HasSubstr("ECONNREFUSED"));
}

TEST(Cli, ProbeBeyondItsDeadlineExitsAsTimeoutDoes) {
  auto server = Flaky({Behaviour::kStall});
  const Finished finished = Redial({"probe", server->target(), "--send", "PING\\r\\n", "--expect",
                                    "\\r\\n", "--deadline", "200ms"});
  EXPECT_EQ(finished.exit_code, 124) << finished.err;
}

TEST(Cli, ProbeWritesItsEventsAsJsonLines) {
  auto server = Flaky({Behaviour::kAnswer});
  const Finished finished =
      Redial({"probe", server->target(), "--send", "PING\\r\\n", "--expect", "\\r\\n", "--json"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  std::istringstream lines(finished.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  EXPECT_GE(count, 4);
}

TEST(Cli, WaitBecomesItsCommand) {
  auto server = Flaky({Behaviour::kAnswer});
  const Finished finished = Redial({"wait", server->target(), "--", "sh", "-c", "echo up; exit 7"});
  EXPECT_EQ(finished.exit_code, 7) << finished.err;
  EXPECT_EQ(finished.out, "up\n");
}

TEST(Cli, WaitNeedsAllTargets) {
  auto up = Flaky({Behaviour::kAnswer});
  auto down = Flaky();
  const Finished finished = Redial({"wait", up->target(), down->target(), "--deadline", "300ms",
                                    "--", "sh", "-c", "echo never"});
  EXPECT_EQ(finished.exit_code, 124) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, HasSubstr(down->target().substr(6)));
}

TEST(Cli, WaitSeesATargetComeUp) {
  auto server = Flaky();
  auto task = Runtime::Current().Spawn([&] {
    Runtime& runtime = Runtime::Current();
    (void)runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(150)), {});
    EXPECT_TRUE(server->Open({Behaviour::kAnswer}).ok());
  });
  ASSERT_TRUE(task.ok());
  const Finished finished = Redial({"wait", server->target(), "--deadline", "20s"});
  task->Join();
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
}

TEST(Cli, WaitSaysWhichCommandItCannotRun) {
  auto server = Flaky({Behaviour::kAnswer});
  const Finished finished = Redial({"wait", server->target(), "--", "no-such-command-at-all"});
  EXPECT_EQ(finished.exit_code, 127);
  EXPECT_EQ(finished.err, "redial: can't run no-such-command-at-all: No such file or directory\n");
}

TEST(Cli, DemoShowsTheThreeAnswers) {
  const Finished finished = Redial({"demo"});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("1. Retry"));
  EXPECT_THAT(finished.out, HasSubstr("=> +PONG"));
  EXPECT_THAT(finished.out, HasSubstr("2. Fail fast"));
  EXPECT_THAT(finished.out, HasSubstr("3. Report"));
  EXPECT_THAT(finished.out, HasSubstr("All as it should be."));
}

#if !defined(REDIAL_TESTS_SANITIZED)
// Somebody sets the wall clock an hour forward, and then two hours back, while a call waits.
TEST(Cli, ASteppedWallClockMovesNoDeadline) {
  REDIAL_NEEDS_PROGRAM("faketime");
  auto server = Flaky({Behaviour::kStall});
  const testing::SteppedWallClock clock;
  Runtime& runtime = Runtime::Current();
  const Instant started = runtime.Now();
  const Finished finished = Redial({"probe", server->target(), "--send", "PING\\r\\n", "--expect",
                                    "\\r\\n", "--deadline", "800ms"},
                                   clock.environment());
  const absl::Duration took = runtime.Now() - started;
  EXPECT_EQ(finished.exit_code, 124) << finished.err;
  EXPECT_GE(took, absl::Milliseconds(800));
  EXPECT_LT(took, absl::Seconds(10));  // a hang guard
}
#endif

}  // namespace
}  // namespace redial
