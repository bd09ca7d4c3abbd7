// Ten thousand connections to one redis-server, each of them a blocking call in a fiber.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "redial/fiber.h"
#include "redial/redial.h"
#include "tests/live/servers.h"
#include "tests/support/each_runtime.h"
#include "tests/support/kernel.h"
#include "tests/support/sanitized.h"

namespace redial {
namespace {

constexpr int kCalls = testing::kSanitized ? 500 : 10'000;

using testing::CountDescriptors;
using testing::In;
using testing::RedisServer;

// As many as the process may have.
void RaiseDescriptorLimit() {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_GT(limit.rlim_cur, static_cast<rlim_t>(kCalls) + 100) << "the hard limit is too low";
}

int ConnectedClients(const Client& redis) {
  const auto line = redis.Call(
      {.operation = "INFO", .idempotent = true}, [](Socket& socket) -> absl::StatusOr<std::string> {
        if (auto sent = socket.Write("INFO clients\r\n"); !sent.ok()) return sent;
        if (auto skipped = socket.ReadUntil("connected_clients:"); !skipped.ok()) {
          return skipped.status();
        }
        return socket.ReadUntil("\r\n");
      });
  EXPECT_TRUE(line.ok()) << line.status();
  int number = -1;
  EXPECT_TRUE(line.ok() && absl::SimpleAtoi(line->substr(0, line->size() - 2), &number));
  return number;
}

// Lets `number` tasks on and off together.
class Gate {
 public:
  explicit Gate(int number) : opened_(static_cast<size_t>(number)) {}
  // Waits until it is opened.
  bool Pass(int task) {
    ++waiting_;
    return Runtime::Current().Wait(opened_[static_cast<size_t>(task)], In(absl::Seconds(60)), {}) ==
           WaitResult::kReady;
  }
  // Until so many stand before it.
  bool AwaitAll() const {
    const Deadline patience = In(absl::Seconds(60));
    while (waiting_ < static_cast<int>(opened_.size())) {
      if (patience.expired(Runtime::Current().Now())) return false;
      testing::Sleep(absl::Milliseconds(1));
    }
    return true;
  }
  void Open() {
    for (Event& event : opened_) event.Set();
  }

 private:
  std::vector<Event> opened_;
  std::atomic<int> waiting_{0};
};

struct Load {
  const Client& redis;
  Gate connected{kCalls};  // all connections stand
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};
};

absl::Status PingOnce(Load& load, int number) {
  return load.redis.Call({.operation = "PING", .timeout = absl::Seconds(60)},
                         [&](Socket& socket) -> absl::Status {
                           if (!load.connected.Pass(number))
                             return absl::DeadlineExceededError("the gate");
                           if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                           ++load.asked;
                           socket.set_deadline(In(absl::Seconds(30)));
                           const auto reply = socket.ReadUntil("\r\n", {.max_bytes = 512});
                           if (!reply.ok()) return reply.status();
                           if (*reply != "+PONG\r\n") return absl::InternalError(*reply);
                           ++load.answered;
                           return absl::OkStatus();
                         });
}

std::vector<Task> StartCalls(Load& load, std::vector<absl::Status>& results) {
  std::vector<Task> calls;
  for (int i = 0; i < kCalls; ++i) {
    auto call =
        Runtime::Current().Spawn([&, i] { results[static_cast<size_t>(i)] = PingOnce(load, i); });
    EXPECT_TRUE(call.ok()) << call.status();
    if (call.ok()) calls.push_back(*std::move(call));
  }
  return calls;
}

// All connections stand at once, and all calls wait at once for a server that hangs.
void RunLoad(RedisServer& server, const Client& redis) {
  Load load{redis};
  std::vector<absl::Status> results(kCalls);
  const size_t before = CountDescriptors();
  std::vector<Task> calls = StartCalls(load, results);
  ASSERT_TRUE(load.connected.AwaitAll());
  EXPECT_EQ(CountDescriptors(), before + kCalls);
  EXPECT_EQ(ConnectedClients(redis), kCalls + 1);

  server.process().Pause();
  load.connected.Open();
  const Deadline patience = In(absl::Seconds(60));
  while (load.asked < kCalls && !patience.expired(Runtime::Current().Now())) {
    testing::Sleep(absl::Milliseconds(1));
  }
  EXPECT_EQ(load.asked, kCalls);
  EXPECT_EQ(load.answered, 0);
  server.process().Resume();
  calls.clear();  // joins them
  EXPECT_EQ(load.answered, kCalls);
  for (const absl::Status& result : results) ASSERT_TRUE(result.ok()) << Story(result);
}

TEST(RedisLoad, TenThousandCallsAtOnce) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RaiseDescriptorLimit();
  RedisServer server({.tcp = true, .max_clients = kCalls + 100});
  auto redis = Client::Create(server.target(), {Retry()});
  ASSERT_TRUE(redis.ok()) << redis.status();
  const size_t before = CountDescriptors();
  {
    auto fibers = FiberRuntime::Create({.workers = 2, .spread_spawns = true});
    ASSERT_TRUE(fibers.ok()) << fibers.status();
    ASSERT_TRUE(fibers->Run([&] { RunLoad(server, *redis); }).ok());
    EXPECT_TRUE(fibers->Shutdown(In(absl::Seconds(10))).ok());
    EXPECT_TRUE(fibers->left().empty());
  }
  EXPECT_EQ(CountDescriptors(), before);
  const Deadline patience = In(absl::Seconds(30));
  while (ConnectedClients(*redis) > 1 && !patience.expired(Runtime::Current().Now())) {
    testing::Sleep(absl::Milliseconds(10));
  }
  EXPECT_EQ(ConnectedClients(*redis), 1);
}

}  // namespace
}  // namespace redial
