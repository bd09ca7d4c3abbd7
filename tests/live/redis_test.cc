// The main job, on a real redis-server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "redial/redial.h"
#include "tests/live/servers.h"
#include "tests/support/each_runtime.h"

namespace redial {
namespace {

using ::testing::HasSubstr;
using testing::RedisServer;

class Redis : public testing::EachRuntime {};
ON_EACH_RUNTIME(Redis);

absl::StatusOr<std::string> Ask(Socket& socket, std::string_view command) {
  if (absl::Status sent = socket.Write(std::string(command) + "\r\n"); !sent.ok()) return sent;
  return socket.ReadUntil("\r\n", {.max_bytes = 512});
}

Client MakeClient(const RedisServer& redis, PolicyList policies) {
  auto client = Client::Create(redis.target(), std::move(policies));
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

PolicyPtr Patient(int attempts) {
  return Retry({.max_attempts = attempts,
                .backoff = Constant(absl::Milliseconds(50)),
                .also_retry_on = OnCode(absl::StatusCode::kNotFound)});
}

absl::StatusOr<std::string> Ping(const Client& client, absl::Duration timeout = absl::Seconds(5)) {
  return client.Call({.operation = "PING", .timeout = timeout, .idempotent = true},
                     [](Socket& socket) { return Ask(socket, "PING"); });
}

TEST_ON_EACH_RUNTIME(Redis, Answers) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const auto pong = Ping(MakeClient(redis, {Retry()}));
  ASSERT_TRUE(pong.ok()) << pong.status();
  EXPECT_EQ(*pong, "+PONG\r\n");
}

// A server that hangs (SIGSTOP). The kernel still accepts for it.
TEST_ON_EACH_RUNTIME(Redis, ThatHangsCostsTheDeadlineAndNoMore) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const Client client = MakeClient(redis, {});
  redis.process().Pause();
  Runtime& runtime = Runtime::Current();
  const Instant started = runtime.Now();
  const auto reply = Ping(client, absl::Milliseconds(300));
  EXPECT_GE(runtime.Now() - started, absl::Milliseconds(300));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(FailureOf(reply.status())->sent, Sent::kMaybe);
  EXPECT_THAT(Story(reply.status()), HasSubstr("timed out"));
  redis.process().Resume();
  EXPECT_TRUE(Ping(client).ok());
}

TEST_ON_EACH_RUNTIME(Redis, ThatComesBackIsReachedByARetry) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const Client client = MakeClient(redis, {Patient(200)});
  redis.Stop();
  std::atomic<bool> answered = false;
  auto task = Runtime::Current().Spawn([&] { answered = Ping(client, absl::Seconds(20)).ok(); });
  ASSERT_TRUE(task.ok());
  Runtime& runtime = Runtime::Current();
  (void)runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(200)), {});
  redis.Start();
  task->Join();
  EXPECT_TRUE(answered);
}

TEST_ON_EACH_RUNTIME(Redis, ThatIsGoneIsToldAtOnce) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const Client client = MakeClient(redis, {Patient(100), FailFast(OnPhase(Phase::kConnect))});
  redis.Stop();
  const auto reply = Ping(client);
  ASSERT_FALSE(reply.ok());
  const auto failure = FailureOf(reply.status());
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->attempts.size(), 1u);
  EXPECT_EQ(failure->why, Reason::kFailFast);
  EXPECT_EQ(failure->sent, Sent::kNo);
}

// A fork in the middle of a request neither disturbs it nor leaks its descriptor into the program that the child becomes.
TEST_ON_EACH_RUNTIME(Redis, SurvivesAForkInTheMiddleOfARequest) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const Client client = MakeClient(redis, {});
  const auto reply =
      client.Call({.operation = "BLPOP", .timeout = absl::Seconds(10)},
                  [&](Socket& socket) -> absl::StatusOr<std::string> {
                    if (absl::Status sent = socket.Write("BLPOP nothing 0.3\r\n"); !sent.ok())
                      return sent;
                    const pid_t child = fork();
                    if (child == 0) {
                      const std::string fd = "/proc/self/fd/" + std::to_string(socket.fd());
                      execlp("test", "test", "!", "-e", fd.c_str(), static_cast<char*>(nullptr));
                      _exit(99);
                    }
                    int status = -1;
                    EXPECT_EQ(waitpid(child, &status, 0), child);
                    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
                    return socket.ReadUntil("\r\n");
                  });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(*reply, "*-1\r\n");
}

#if defined(REDIAL_DOCUMENTED_PROGRAMS)
// The README's first program.
TEST(RedisReadme, IsPingedByTheFirstProgramOfTheReadme) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  const std::string program = REDIAL_BIN_DIR "/docs_ping";
  RedisServer redis;
  const auto pinged = testing::RunProgram({program, redis.target()});
  EXPECT_EQ(pinged.exit_code, 0) << pinged.err;
  EXPECT_EQ(pinged.out, "+PONG\r\n");
  EXPECT_EQ(pinged.err, "");
  redis.Stop();
  const auto refused = testing::RunProgram({program, "tcp://127.0.0.1:1"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("connection refused (ECONNREFUSED)"));
  const auto wrong = testing::RunProgram({program, "redis:6379"});
  EXPECT_EQ(wrong.exit_code, 2);
}

TEST(RedisReadme, IsPingedOnThreadsInFibersAndInASimulation) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const auto pinged = testing::RunProgram({REDIAL_BIN_DIR "/docs_everywhere", redis.target()});
  EXPECT_EQ(pinged.exit_code, 0) << pinged.err;
  EXPECT_EQ(pinged.out,
            "10 of 10 on threads\n500 of 500 in fibers\n500 of 500 though it crashed\n");
  EXPECT_EQ(pinged.err, "");
}
#endif

}  // namespace
}  // namespace redial
