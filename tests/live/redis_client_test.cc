// The Redis client of examples/, as it stands, on threads and in fibers, against redis-server.
#include "examples/redis_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "redial/redial.h"
#include "tests/live/redis_client_bodies.h"
#include "tests/live/servers.h"
#include "tests/support/each_runtime.h"
#include "tests/support/sanitized.h"

namespace redial {
namespace {

using testing::CheckVisits;
using testing::CountVisits;
using ::testing::HasSubstr;
using testing::RedisServer;
using testing::Told;

class ExampleClient : public testing::EachRuntime {};
ON_EACH_RUNTIME(ExampleClient);

RedisClient MakeClient(const std::string& target) {
  auto redis = RedisClient::Create(target);
  EXPECT_TRUE(redis.ok()) << redis.status();
  return *std::move(redis);
}

TEST_ON_EACH_RUNTIME(ExampleClient, DoesItsFourCommands) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer server;
  testing::DoFourCommands(MakeClient(server.target()));
}

// It hangs with requests in hand, dies by SIGKILL, and comes back with what it had written down.
TEST_P(ExampleClient, NeverCountsAVisitTwice) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer server({.tcp = true, .durable = true});
  const RedisClient redis = MakeClient(server.target());
  std::vector<Told> told;
  // The callers are elsewhere: a server dies with the thread that started it.
  auto callers =
      Runtime::Threads().Spawn([&] { Inside([&] { told = CountVisits(redis, 20, 200); }); });
  ASSERT_TRUE(callers.ok());
  for (int crash = 0; crash < 3; ++crash) {
    testing::Sleep(absl::Milliseconds(30));
    server.process().Pause();
    testing::Sleep(absl::Milliseconds(20));
    server.process().Kill();
    testing::Sleep(absl::Milliseconds(20));
    server.Start();
  }
  callers->Join();
  const int counted = CheckVisits(redis, told);
  EXPECT_GE(counted, std::count(told.begin(), told.end(), Told::kCounted));
  EXPECT_GE(std::count(told.begin(), told.end(), Told::kPerhaps), 1);
}

#if defined(REDIAL_EXAMPLE_PROGRAMS)
TEST(ExampleProgram, CountsVisitsOnThreadsAndInFibers) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer server;
  const std::string program = REDIAL_BIN_DIR "/example_redis_client";
  const auto threads = testing::RunProgram({program, server.target()});
  EXPECT_EQ(threads.exit_code, 0) << threads.err;
  EXPECT_EQ(threads.out, "10 of 10 visits counted; the last was number 10\n");
  const auto fibers = testing::RunProgram({program, server.target(), "--fibers", "100"});
  EXPECT_EQ(fibers.exit_code, 0) << fibers.err;
  EXPECT_EQ(fibers.out, "100 of 100 visits counted; the last was number 110\n");
  server.Stop();
  const auto refused = testing::RunProgram({program, "tcp://127.0.0.1:1", "--fibers", "2"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.out, "0 of 2 visits counted; the last was number 0\n");
  EXPECT_THAT(refused.err, HasSubstr("connection refused (ECONNREFUSED)"));
  EXPECT_EQ(testing::RunProgram({program, server.target(), "--fibers", "no"}).exit_code, 2);
}

#if !defined(REDIAL_TESTS_SANITIZED)
// The server takes connections and says nothing: each attempt may last a second, and INCR has one.
TEST(ExampleProgram, KeepsItsTimesInFibersWhileTheWallClockIsStepped) {
  REDIAL_NEEDS_PROGRAM("faketime");
  const auto silent = Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0));
  ASSERT_TRUE(silent.ok()) << silent.status();
  const testing::SteppedWallClock clock;
  const Instant started = Runtime::Current().Now();
  const auto finished =
      testing::RunProgram({REDIAL_BIN_DIR "/example_redis_client",
                           "tcp://" + silent->local().ToString(), "--fibers", "100"},
                          clock.environment());
  const absl::Duration took = Runtime::Current().Now() - started;
  EXPECT_EQ(finished.out, "0 of 100 visits counted; the last was number 0\n");
  EXPECT_THAT(finished.err, HasSubstr("timed out"));
  EXPECT_GE(took, absl::Seconds(1));
  EXPECT_LT(took, absl::Seconds(8));  // a hang guard, below the call's ten seconds
}
#endif
#endif

}  // namespace
}  // namespace redial
