// What the Redis client of examples/ is held to in every world: on threads, in fibers and in a
// simulation. The bodies run on the runtime of whoever calls them.
#ifndef REDIAL_TESTS_LIVE_REDIS_CLIENT_BODIES_H_
#define REDIAL_TESTS_LIVE_REDIS_CLIENT_BODIES_H_

#include <vector>

#include "examples/redis_client.h"

namespace redial::testing {

// Its four commands, on a server that is empty.
void DoFourCommands(const RedisClient& redis);

// What a caller was told about one visit.
enum class Told {
  kCounted,
  kNotCounted,  // the failure says that the server didn't act
  kPerhaps,
};

// Counts visits, each under a key of its own, while the server crashes and comes back: `callers`
// tasks, each of which counts so many. What was told about each visit.
std::vector<Told> CountVisits(const RedisClient& redis, int callers, int visits);

// Asks the server, which must be well, about every visit: a test failure where one was counted twice
// or `told` is wrong about it. How many were counted.
int CheckVisits(const RedisClient& redis, const std::vector<Told>& told);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_LIVE_REDIS_CLIENT_BODIES_H_
