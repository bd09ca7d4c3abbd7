// Counts visits in a Redis, from many callers at once. The client, and the code that calls it, are
// the same whether each caller has a thread of its own or all are fibers in two threads.
//
//   example_redis_client tcp://127.0.0.1:6379                # ten callers, a thread each
//   example_redis_client tcp://127.0.0.1:6379 --fibers 1000  # a thousand callers, a fiber each
#include "examples/redis_client.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "redial/fiber.h"
#include "redial/redial.h"

namespace {

// Each caller's own number of the visit, or why there is none. Names no threads and no fibers: the
// callers are tasks of whatever it is called in.
std::vector<absl::StatusOr<int64_t>> CountVisits(const RedisClient& redis, int callers) {
  std::vector<absl::StatusOr<int64_t>> visits(static_cast<size_t>(callers));
  std::vector<redial::Task> tasks;
  for (absl::StatusOr<int64_t>& visit : visits) {
    auto task = redial::Runtime::Current().Spawn([&] { visit = redis.Increment("visits"); });
    if (task.ok()) {
      tasks.push_back(*std::move(task));
    } else {
      visit = task.status();
    }
  }
  tasks.clear();  // joins them
  return visits;
}

int Tell(const std::vector<absl::StatusOr<int64_t>>& visits) {
  int64_t latest = 0;
  size_t counted = 0;
  std::string story;
  for (const absl::StatusOr<int64_t>& visit : visits) {
    if (visit.ok()) {
      latest = std::max(latest, *visit);
      ++counted;
    } else {
      story = redial::Story(visit.status());
    }
  }
  std::cout << counted << " of " << visits.size() << " visits counted; the last was number "
            << latest << '\n';
  if (!story.empty()) std::cerr << story << '\n';
  return story.empty() ? 0 : 1;
}

int Refuse(const absl::Status& status) {
  std::cerr << status.message() << '\n';
  return 2;
}

int VisitInFibers(const RedisClient& redis, int callers) {
  auto fibers = redial::FiberRuntime::Create({.workers = 2, .spread_spawns = true});
  if (!fibers.ok()) return Refuse(fibers.status());
  std::vector<absl::StatusOr<int64_t>> visits;
  if (auto ran = fibers->Run([&] { visits = CountVisits(redis, callers); }); !ran.ok()) {
    return Refuse(ran);
  }
  return Tell(visits);
}

}  // namespace

int main(int argc, char** argv) {
  int fibers = 0;
  const bool in_fibers = argc == 4 && argv[2] == std::string_view("--fibers") &&
                         absl::SimpleAtoi(argv[3], &fibers) && fibers > 0;
  if (argc != 2 && !in_fibers) {
    std::cerr << "usage: example_redis_client TARGET [--fibers NUMBER]\n";
    return 2;
  }
  auto redis = RedisClient::Create(argv[1]);
  if (!redis.ok()) return Refuse(redis.status());
  return in_fibers ? VisitInFibers(*redis, fibers) : Tell(CountVisits(*redis, 10));
}
