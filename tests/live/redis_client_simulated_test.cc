// The Redis client of examples/, as it stands, in a simulation: its server crashes and comes back,
// a thousand times over, in the time that one redis-server takes to start.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "examples/redis_client.h"
#include "redial/redial.h"
#include "redial/testing/simulation.h"
#include "tests/live/redis_client_bodies.h"
#include "tests/live/small_redis.h"
#include "tests/support/sanitized.h"

namespace redial {
namespace {

using testing::CheckVisits;
using testing::CountVisits;
using testing::RedisDisk;
using testing::SimulatedHost;
using testing::Simulation;
using testing::Told;

RedisClient MakeClient() {
  auto redis = RedisClient::Create("tcp://redis:6379");
  EXPECT_TRUE(redis.ok()) << redis.status();
  return *std::move(redis);
}

// A host "redis" that serves, and a host "app" for the client.
struct Hosts {
  explicit Hosts(Simulation& sim) : redis(sim.AddHost("redis")), app(sim.AddHost("app")) {
    redis.Serve("redis", [this] { (void)testing::ServeRedis(disk); });
  }
  RedisDisk disk;
  SimulatedHost& redis;
  SimulatedHost& app;
};

TEST(SimulatedClient, DoesItsFourCommands) {
  Simulation sim(1);
  Hosts hosts(sim);
  hosts.app.Run("app", [] { testing::DoFourCommands(MakeClient()); });
  const absl::Status ran = sim.Run();
  EXPECT_TRUE(ran.ok()) << ran;
}

struct Outcome {
  size_t counted = 0;
  size_t perhaps = 0;
  uint64_t trace = 0;
};

// Ten callers, while the server crashes every 70 ms and is away for 40.
Outcome CountWhileItCrashes(uint64_t seed) {
  Simulation sim(
      seed,
      {.link = {.latency = absl::Milliseconds(1), .jitter = absl::Milliseconds(3), .loss = 0.01},
       .shuffle = true});
  Hosts hosts(sim);
  for (int crash = 1; crash <= 5; ++crash) {
    sim.After(crash * absl::Milliseconds(70), [&] { hosts.redis.Crash(); });
    sim.After(crash * absl::Milliseconds(70) + absl::Milliseconds(40),
              [&] { hosts.redis.Restart(); });
  }
  std::vector<Told> told;
  hosts.app.Run("app", [&] {
    const RedisClient redis = MakeClient();
    told = CountVisits(redis, 10, 10);
    CheckVisits(redis, told);
  });
  const absl::Status ran = sim.Run();
  EXPECT_TRUE(ran.ok()) << ran;
  const auto times = [&](Told what) {
    return static_cast<size_t>(std::count(told.begin(), told.end(), what));
  };
  return {times(Told::kCounted), times(Told::kPerhaps), sim.TraceHash()};
}

TEST(SimulatedClient, NeverCountsAVisitTwice) {
  size_t counted = 0;
  size_t perhaps = 0;
  constexpr uint64_t kSeeds = testing::kSanitized ? 30 : 200;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Outcome outcome = CountWhileItCrashes(seed);
    counted += outcome.counted;
    perhaps += outcome.perhaps;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(counted, kSeeds * 50);  // of 100 each
  EXPECT_GT(perhaps, kSeeds / 2);
}

TEST(SimulatedClient, LivesTheSameDayAgain) {
  EXPECT_EQ(CountWhileItCrashes(7).trace, CountWhileItCrashes(7).trace);
}

}  // namespace
}  // namespace redial
