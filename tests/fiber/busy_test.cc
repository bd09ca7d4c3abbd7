// A busy loop lets the others run in place of watching a connection. What happens to the connection
// must be noticed all the same.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "redial/fiber.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/testing/matchers.h"
#include "tests/fiber/fibers.h"
#include "tests/support/kernel.h"

namespace redial {
namespace {

constexpr int kOthers = 40;  // more than make a loop busy
constexpr int kTrips = 100;  // more than it takes to trust in a connection

struct Pair {
  Socket near;
  Socket far;
};

Pair Connect() {
  absl::StatusOr<Listener> listener = Listener::Listen(*Address::Parse("127.0.0.1:0"));
  EXPECT_TRUE(listener.ok()) << listener.status();
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      KernelNetwork().StartConnect(listener->local(), {});
  EXPECT_TRUE(stream.ok()) << stream.status();
  absl::StatusOr<Socket> far = listener->Accept(In(5000));
  EXPECT_TRUE(far.ok()) << far.status();
  return {Socket(*std::move(stream)), *std::move(far)};
}

// One byte there and back, through a fiber that sends it back.
void Echo(Socket& socket) {
  for (char byte; socket.Read({&byte, 1}).value_or(0) == 1;) {
    if (!socket.Write({&byte, 1}).ok()) return;
  }
}

bool Trip(Socket& socket) {
  char buffer[8];
  return socket.Write("x").ok() && socket.Read(absl::MakeSpan(buffer)).value_or(0) == 1;
}

// Many go to and fro on one worker, until `Calm`.
class Bustle {
 public:
  Bustle() {
    pairs_.reserve(kOthers);
    for (int i = 0; i < kOthers; ++i) pairs_.push_back(Connect());
    for (Pair& pair : pairs_) {
      tasks_.push_back(Started(Rt().Spawn([&pair] { Echo(pair.far); })));
      tasks_.push_back(Started(Rt().Spawn([this, &pair] {
        while (!calm_ && Trip(pair.near)) trips_.fetch_add(1, std::memory_order_relaxed);
        pair.near.Close();
      })));
    }
  }
  ~Bustle() { Calm(); }
  void Calm() {
    calm_ = true;
    tasks_.clear();
  }
  int trips() const { return trips_.load(std::memory_order_relaxed); }

 private:
  std::vector<Pair> pairs_;
  std::atomic<bool> calm_{false};
  std::atomic<int> trips_{0};
  std::vector<Task> tasks_;
};

class BusyLoop : public ::testing::Test {
 protected:
  // `body` gets a connection that the loop no longer watches.
  void OnTrustedConnection(const std::function<void(Pair&)>& body) {
    const absl::Status status = fibers_.Run([&] {
      Bustle bustle;
      Pair pair = Connect();
      {
        const Task echo = Started(Rt().Spawn([&] { Echo(pair.far); }));
        for (int i = 0; i < kTrips; ++i) ASSERT_TRUE(Trip(pair.near)) << i;
        pair.far.set_deadline(Deadline::Past());
      }
      pair.far.set_deadline(Deadline::Never());
      body(pair);
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  FiberRuntime fibers_ = Make({.workers = 1});
};

char byte;

TEST_F(BusyLoop, WatchesNothingThatIsThereAnyhow) {
  const absl::Status status = fibers_.Run([&] {
    Bustle bustle;
    while (bustle.trips() < kOthers * kTrips) Rt().SleepUntil(In(1), {});
    EXPECT_LT(fibers_.counts().descriptors, kOthers);
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(fibers_.counts().descriptors, 0);
}

TEST_F(BusyLoop, SeesTheEnd) {
  OnTrustedConnection([](Pair& pair) {
    pair.far.Close();
    const absl::StatusOr<size_t> n = pair.near.Read({&byte, 1});
    ASSERT_TRUE(n.ok()) << n.status();
    EXPECT_EQ(*n, 0);
  });
}

TEST_F(BusyLoop, SeesWhatComesLate) {
  OnTrustedConnection([](Pair& pair) {
    const Task late = Started(Rt().Spawn([&] {
      Rt().SleepUntil(In(20), {});
      EXPECT_TRUE(pair.far.Write("x").ok());
    }));
    const absl::StatusOr<size_t> n = pair.near.Read({&byte, 1});
    ASSERT_TRUE(n.ok()) << n.status();
    EXPECT_EQ(*n, 1);
  });
}

TEST_F(BusyLoop, KeepsTheDeadline) {
  OnTrustedConnection([](Pair& pair) {
    ASSERT_TRUE(pair.near.set_operation_timeout(absl::Milliseconds(20)).ok());
    const Instant began = Rt().Now();
    EXPECT_EQ(pair.near.Read({&byte, 1}).status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_GE(Rt().Now() - began, absl::Milliseconds(20));
  });
}

TEST_F(BusyLoop, HeedsAStop) {
  OnTrustedConnection([](Pair& pair) {
    std::stop_source stop;
    pair.near.set_stop_token(stop.get_token());
    const Task stopper = Started(Rt().Spawn([&] { stop.request_stop(); }));
    EXPECT_EQ(pair.near.Read({&byte, 1}).status().code(), absl::StatusCode::kCancelled);
  });
}

TEST_F(BusyLoop, HeedsACloseFromAThread) {
  OnTrustedConnection([](Pair& pair) {
    std::thread closer([&] { pair.near.Close(); });
    EXPECT_THAT(pair.near.Read({&byte, 1}).status(), testing::HasErrno(EBADF));
    closer.join();
  });
}

TEST_F(BusyLoop, ItsConnectionCanGoOnOnAThread) {
  std::optional<Pair> kept;
  OnTrustedConnection([&](Pair& pair) { kept.emplace(std::move(pair)); });
  ASSERT_TRUE(kept.has_value());
  std::thread late([&] {
    (void)Rt().SleepUntil(In(20), {});
    EXPECT_TRUE(kept->far.Write("x").ok());
  });
  const absl::StatusOr<size_t> n = kept->near.Read({&byte, 1});
  ASSERT_TRUE(n.ok()) << n.status();
  EXPECT_EQ(*n, 1);
  late.join();
}

TEST_F(BusyLoop, ItsConnectionCanGoOnOnAnotherLoop) {
  std::optional<Pair> kept;
  OnTrustedConnection([&](Pair& pair) { kept.emplace(std::move(pair)); });
  ASSERT_TRUE(kept.has_value());
  FiberRuntime other = Make({.workers = 1});
  EXPECT_TRUE(other
                  .Run([&] {
                    const Task late = Started(Rt().Spawn([&] {
                      Rt().SleepUntil(In(20), {});
                      EXPECT_TRUE(kept->far.Write("x").ok());
                    }));
                    EXPECT_EQ(kept->near.Read({&byte, 1}).value_or(0), 1);
                  })
                  .ok());
}

TEST_F(BusyLoop, EndsWhenItIsShutDown) {
  std::atomic<int> begun{0};
  std::vector<Pair> pairs;
  const absl::Status status = fibers_.Run([&] {
    for (int i = 0; i < kOthers; ++i) pairs.push_back(Connect());
  });
  ASSERT_TRUE(status.ok()) << status;
  std::vector<Task> tasks;
  for (Pair& pair : pairs) {
    tasks.push_back(Started(fibers_.Spawn([&pair] { Echo(pair.far); })));
    tasks.push_back(Started(fibers_.Spawn([&] {
      while (Trip(pair.near)) ++begun;
    })));
  }
  while (begun < kOthers * kTrips) std::this_thread::yield();
  EXPECT_TRUE(fibers_.Shutdown(In(5000)).ok());
  tasks.clear();
}

}  // namespace
}  // namespace redial
