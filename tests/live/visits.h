// What the example's Redis client is held to in every world: callers count visits, each under a key
// of its own, while the server crashes and comes back. INCR is never executed twice, and what the
// client told its caller about it is true.
#ifndef REDIAL_TESTS_LIVE_VISITS_H_
#define REDIAL_TESTS_LIVE_VISITS_H_

#include <vector>

#include "examples/redis_client.h"

namespace redial::testing {

// What a caller was told about one visit.
enum class Told {
  kCounted,
  kNotCounted,  // the failure says that the server didn't act
  kPerhaps,
};

// `callers` tasks of the current runtime, each of which counts so many visits one after the other.
// What was told about each of them.
std::vector<Told> CountVisits(const RedisClient& redis, int callers, int visits);

// Asks the server, which must be well, about every visit: a test failure where one was counted twice
// or `told` is wrong about it. How many were counted.
int CheckVisits(const RedisClient& redis, const std::vector<Told>& told);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_LIVE_VISITS_H_
