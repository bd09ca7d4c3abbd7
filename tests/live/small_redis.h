// A Redis for simulated hosts: PING, SET, GET and INCR, written as anybody would write a server
// with redial, and so at home in every world.
#ifndef REDIAL_TESTS_LIVE_SMALL_REDIS_H_
#define REDIAL_TESTS_LIVE_SMALL_REDIS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace redial::testing {

// What outlives a crash, as an append-only file does. Not shared between threads.
struct RedisDisk {
  std::map<std::string, std::string> values;
};

struct SmallRedisOptions {
  uint16_t port = 6379;
  // Between reading a command and executing it, and again between that and the reply.
  absl::Duration pace = absl::Milliseconds(1);
};

// Listens on every address of its host and serves until it can't; that is the status. When it
// returns, all its connections have ended.
absl::Status ServeRedis(RedisDisk& disk, const SmallRedisOptions& options = {});

}  // namespace redial::testing

#endif  // REDIAL_TESTS_LIVE_SMALL_REDIS_H_
