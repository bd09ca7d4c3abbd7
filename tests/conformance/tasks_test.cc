// Work that runs beside its spawner, and the mutex that may be held across a wait.
#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "redial/mutex.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using Tasks = Body;

// Source: Trio reference, nurseries: a block doesn't end before its children.
CONFORM(Tasks, ATaskIsJoinedWhenItGoes) {
  bool ran = false;
  {
    Task task = Go([&] {
      Sleep(kMoment);
      ran = true;
    });
  }
  EXPECT_TRUE(ran);
}

// Source: include/redial/runtime.h, Task::Join.
CONFORM(Tasks, JoiningAgainDoesNothing) {
  int runs = 0;
  Task task = Go([&] { ++runs; });
  task.Join();
  task.Join();
  EXPECT_EQ(runs, 1);
}

// Source: std::jthread (assignment joins the one before).
CONFORM(Tasks, AssigningJoinsTheOneBefore) {
  int order = 0;
  Task task = Go([&] {
    Sleep(kMoment);
    EXPECT_EQ(++order, 1);
  });
  task = Task();
  EXPECT_EQ(++order, 2);
}

// Source: std::thread: any thread may join.
CONFORM(Tasks, AnotherTaskMayJoin) {
  bool ran = false;
  Task first = Go([&] {
    Sleep(kMoment);
    ran = true;
  });
  Task second = Go([task = std::move(first), &ran]() mutable {
    task.Join();
    EXPECT_TRUE(ran);
  });
  second.Join();
}

// Source: Boost.Fiber: fibers may launch fibers.
CONFORM(Tasks, TasksSpawnTasks) {
  std::atomic<int> leaves{0};
  std::function<void(int)> grow = [&](int depth) {
    if (depth == 0) {
      Sleep(absl::Milliseconds(1));
      ++leaves;
      return;
    }
    Task left = Go([&, depth] { grow(depth - 1); });
    Task right = Go([&, depth] { grow(depth - 1); });
  };
  grow(4);
  EXPECT_EQ(leaves, 16);
}

// Source: std::thread: a thread runs beside its starter.
CONFORM(Tasks, SpawnerAndTaskTakeTurns) {
  Event ping;
  Event pong;
  Task task = Go([&] {
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(runtime().Wait(ping, Guard(), {}), WaitResult::kReady);
      pong.Set();
    }
  });
  for (int i = 0; i < 100; ++i) {
    ping.Set();
    ASSERT_EQ(runtime().Wait(pong, Guard(), {}), WaitResult::kReady);
  }
}

// Source: Tokio rt_common.rs spawn_many_from_block_on.
CONFORM(Tasks, AHundredWaitAtOnce) {
  constexpr int kTasks = 100;
  std::atomic<int> waiting{0};
  std::vector<Event> go(kTasks);
  Event all;
  std::vector<Task> tasks;
  for (int i = 0; i < kTasks; ++i) {
    tasks.push_back(Go([&, i] {
      if (++waiting == kTasks) all.Set();
      EXPECT_EQ(runtime().Wait(go[i], Guard(), {}), WaitResult::kReady);
    }));
  }
  ASSERT_EQ(runtime().Wait(all, Guard(), {}), WaitResult::kReady);
  for (Event& event : go) event.Set();
}

// Source: docs/architecture.md, "Waiting": a task on the same worker.
CONFORM(Tasks, ARuntimesOwnSpawnRunsBesideToo) {
  Event done;
  absl::StatusOr<Task> task = runtime().Spawn([&] {
    Sleep(absl::Milliseconds(1));
    done.Set();
  });
  ASSERT_EQ(task.status(), absl::OkStatus());
  EXPECT_EQ(runtime().Wait(done, Guard(), {}), WaitResult::kReady);
}

// Source: clock_gettime(2), CLOCK_MONOTONIC.
CONFORM(Tasks, TheClockNeverRunsBackwards) {
  Instant last = Now();
  for (int i = 0; i < 5; ++i) {
    Go([&] {
      EXPECT_GE(Now(), last);
      last = Now();
      Sleep(absl::Microseconds(10));
    }).Join();
    EXPECT_GE(Now(), last);
    last = Now();
  }
}

// Source: include/redial/runtime.h, Runtime::NextSeed.
CONFORM(Tasks, NoSeedComesTwice) {
  std::set<uint64_t> seeds;
  for (int i = 0; i < 1000; ++i) seeds.insert(runtime().NextSeed());
  EXPECT_EQ(seeds.size(), 1000U);
}

// Source: Itanium C++ ABI, exception handling, section 2.2.2 (the stack of caught exceptions is a
// thread's own).
CONFORM(Tasks, ExceptionsStayWithTheirTask) {
#ifdef __cpp_exceptions  // without them there is nothing to keep apart
  const auto thrower = [](int number) {
    for (int i = 0; i < 5; ++i) {
      try {
        Sleep(absl::Milliseconds(1));
        throw number;
      } catch (int) {
        Sleep(absl::Milliseconds(1));  // others throw and catch in the meantime
        try {
          throw;
        } catch (int again) {
          EXPECT_EQ(again, number);
          Sleep(absl::Milliseconds(1));
        }
      }
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    }
  };
  std::vector<Task> tasks;
  for (int i = 0; i < 6; ++i) tasks.push_back(Go([&, i] { thrower(i); }));
  thrower(6);
#endif
}

// Source: Boost.Fiber, synchronization: a mutex suspends the fiber alone.
CONFORM(Tasks, AMutexIsHeldAcrossAWait) {
  Mutex mutex;
  int inside = 0;
  int total = 0;
  {
    std::vector<Task> tasks;
    for (int i = 0; i < 8; ++i) {
      tasks.push_back(Go([&] {
        for (int round = 0; round < 3; ++round) {
          std::lock_guard lock(mutex);
          EXPECT_EQ(++inside, 1);
          Sleep(absl::Milliseconds(1));
          --inside;
          ++total;
        }
      }));
    }
  }
  EXPECT_EQ(total, 24);
}

// Source: C++ [thread.mutex.requirements], try_lock.
CONFORM(Tasks, AMutexIsTriedWithoutWaiting) {
  Mutex mutex;
  EXPECT_TRUE(mutex.try_lock());
  Go([&] { EXPECT_FALSE(mutex.try_lock()); }).Join();
  mutex.unlock();
  Go([&] {
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  }).Join();
}

}  // namespace
}  // namespace redial::conformance
