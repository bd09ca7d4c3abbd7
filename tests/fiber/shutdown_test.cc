// How a FiberRuntime ends: what it waits for, and what it leaves.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "redial/descriptor.h"
#include "redial/fiber.h"
#include "redial/mutex.h"
#include "tests/fiber/fibers.h"

namespace redial {
namespace {

Task Start(FiberRuntime& fibers, std::string name, absl::AnyInvocable<void()> fn) {
  return Started(fibers.Spawn(std::move(name), std::move(fn)));
}

TEST(FiberShutdown, EndsEveryWait) {
  FiberRuntime fibers = Make({.workers = 2});
  Event never;
  std::atomic<int> stopped{0};
  std::vector<Task> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(Start(fibers, "", [&] {
      if (Rt().Wait(never, Deadline::Never(), {}) == WaitResult::kStopped) ++stopped;
      // And every later one, at once.
      EXPECT_EQ(Rt().SleepUntil(In(60'000), {}), WaitResult::kStopped);
    }));
  }
  EXPECT_EQ(fibers.Shutdown(In(20'000)), absl::OkStatus());
  EXPECT_EQ(stopped, 10);
  EXPECT_TRUE(fibers.left().empty());
}

TEST(FiberShutdown, AnIdleOneEndsAtOnce) {
  FiberRuntime fibers = Make({.workers = 2});
  EXPECT_EQ(fibers.Shutdown(Deadline::Never()), absl::OkStatus());
  EXPECT_EQ(fibers.Shutdown(Deadline::Past()), absl::OkStatus());
}

TEST(FiberShutdown, NothingIsSpawnedAnyMore) {
  FiberRuntime fibers = Make({.workers = 2});
  absl::Status inside;
  Task task = Start(fibers, "", [&] {
    Rt().SleepUntil(Deadline::Never(), {});
    inside = Rt().Spawn([] {}).status();
  });
  EXPECT_EQ(fibers.Shutdown(In(20'000)), absl::OkStatus());
  const absl::Status refused = absl::FailedPreconditionError("this FiberRuntime was shut down");
  EXPECT_EQ(inside, refused);
  EXPECT_EQ(fibers.Spawn([] {}).status(), refused);
  EXPECT_EQ(fibers.Run([] {}), refused);
}

TEST(FiberShutdown, CutsNoLockAndNoJoinShort) {
  FiberRuntime fibers = Make({.workers = 2});
  Mutex mutex;
  int inside = 0;
  std::vector<Task> tasks;
  Event held;
  Event parted;
  tasks.push_back(Start(fibers, "holder", [&] {
    const std::lock_guard lock(mutex);
    held.Set();
    Rt().SleepUntil(Deadline::Never(), {});
    EXPECT_EQ(++inside, 1);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(FiberRuntime::Yield().ok());
    --inside;
  }));
  Rt().WaitFor(held);
  tasks.push_back(Start(fibers, "next", [&] {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(++inside, 1);
    --inside;
  }));
  tasks.push_back(Start(fibers, "parent", [&] {
    bool ended = false;
    absl::StatusOr<Task> child = Rt().Spawn([&] {
      Rt().SleepUntil(Deadline::Never(), {});
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(FiberRuntime::Yield().ok());
      ended = true;
    });
    ASSERT_TRUE(child.ok());
    parted.Set();
    child->Join();
    EXPECT_TRUE(ended);
  }));
  Rt().WaitFor(parted);
  EXPECT_EQ(fibers.Shutdown(In(20'000)), absl::OkStatus());
}

TEST(FiberShutdown, NamesTheFibersThatWaitOn) {
  auto never = std::make_unique<Event>();
  FiberRuntime fibers = Make({.workers = 2});
  Task task = Start(fibers, "stubborn", [&] { Rt().WaitFor(*never); });
  EXPECT_EQ(fibers.Shutdown(In(5)),
            absl::DeadlineExceededError("shutdown left 1 fiber: stubborn (waiting)"));
  ASSERT_EQ(fibers.left().size(), 1u);
  EXPECT_EQ(fibers.left()[0].name, "stubborn");
  EXPECT_FALSE(fibers.left()[0].running);
  // It never runs again, so nobody waits for it, and what it waited for may go.
  task.Join();
  never->Set();
  never.reset();
  EXPECT_EQ(fibers.Shutdown(Deadline::Never()),
            absl::DeadlineExceededError("shutdown left 1 fiber: stubborn (waiting)"));
}

TEST(FiberShutdown, NamesTenFibersAndCountsTheRest) {
  Event never;
  FiberRuntime fibers = Make({.workers = 1});
  std::vector<Task> tasks;
  for (int i = 0; i < 12; ++i) tasks.push_back(Start(fibers, "", [&] { Rt().WaitFor(never); }));
  EXPECT_EQ(fibers.Shutdown(In(5)),
            absl::DeadlineExceededError(
                "shutdown left 12 fibers: fiber 1 (waiting), fiber 2 (waiting), fiber 3 (waiting), "
                "fiber 4 (waiting), fiber 5 (waiting), fiber 6 (waiting), fiber 7 (waiting), fiber "
                "8 (waiting), fiber 9 (waiting), fiber 10 (waiting) and 2 more"));
  EXPECT_EQ(fibers.left().size(), 12u);
}

TEST(FiberShutdown, NamesTheFiberThatIsStuckAndWhatWaitsBehindIt) {
  auto never = std::make_unique<Event>();
  std::promise<void> gate;
  std::atomic<bool> ran_on = false;
  FiberRuntime fibers = Make({.workers = 1});
  Event busy;
  Task waiting = Start(fibers, "behind", [&] { Rt().WaitFor(*never); });
  Task running = Start(fibers, "busy", [&] {
    busy.Set();
    gate.get_future().wait();  // which redial can't see
    Rt().SleepUntil(Deadline::Never(), {});
    ran_on = true;
  });
  Rt().WaitFor(busy);
  EXPECT_EQ(
      fibers.Shutdown(In(5)),
      absl::DeadlineExceededError("shutdown left 2 fibers: behind (waiting), busy (running)"));
  waiting.Join();
  never.reset();
  // It comes to a wait at last, goes no further, and its thread ends.
  gate.set_value();
  running.Join();
  EXPECT_FALSE(ran_on);
}

TEST(FiberShutdown, AStuckFiberMayStillReturn) {
  std::promise<void> gate;
  Task task;
  {
    Event busy;
    FiberRuntime fibers = Make({.workers = 1});
    task = Start(fibers, "busy", [&] {
      busy.Set();
      gate.get_future().wait();
    });
    Rt().WaitFor(busy);
    EXPECT_EQ(fibers.Shutdown(In(5)),
              absl::DeadlineExceededError("shutdown left 1 fiber: busy (running)"));
    gate.set_value();
    task.Join();
  }  // while its thread may still be on its way out
}

TEST(FiberShutdown, GivesBackTheDescriptorsOfWhatItLeaves) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  Descriptor near(fds[0]);
  Descriptor far(fds[1]);
  FiberRuntime fibers = Make({.workers = 1});
  Task task = Start(fibers, "reader", [&] { Rt().WaitFor(near.readable()); });
  EXPECT_EQ(fibers.Shutdown(In(5)),
            absl::DeadlineExceededError("shutdown left 1 fiber: reader (waiting)"));
  near.Close();
  EXPECT_EQ(::fcntl(fds[0], F_GETFD), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST(FiberShutdown, AFiberThatIgnoresStopsKeepsNobodyBusy) {
  FiberRuntime fibers = Make({.workers = 1});
  std::atomic<bool> others_ended = false;
  Task stubborn = Start(fibers, "", [&] {
    while (!others_ended) Rt().SleepUntil(Deadline::Never(), {});
  });
  Task other = Start(fibers, "", [&] {
    Rt().SleepUntil(Deadline::Never(), {});
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(FiberRuntime::Yield().ok());
    others_ended = true;
  });
  EXPECT_EQ(fibers.Shutdown(In(20'000)), absl::OkStatus());
}

TEST(FiberShutdown, RunsTheFibersOfACallingThreadToTheirEnd) {
  FiberRuntime fibers = Make({.on_calling_thread = true});
  bool stopped = false;
  Task task = Start(fibers, "", [&] {
    stopped = Rt().SleepUntil(Deadline::Never(), {}) == WaitResult::kStopped;
  });
  EXPECT_EQ(fibers.Shutdown(In(20'000)), absl::OkStatus());
  EXPECT_TRUE(stopped);
}

TEST(FiberShutdown, LeavesTheFibersOfACallingThread) {
  FiberRuntime fibers = Make({.on_calling_thread = true});
  auto never = std::make_unique<Event>();
  Task task = Start(fibers, "stubborn", [&] { Rt().WaitFor(*never); });
  EXPECT_TRUE(fibers.Run([] {}).ok());
  EXPECT_EQ(fibers.Shutdown(In(5)),
            absl::DeadlineExceededError("shutdown left 1 fiber: stubborn (waiting)"));
  task.Join();
  never.reset();
}

TEST(FiberShutdown, IsRefusedInsideItself) {
  FiberRuntime fibers = Make({.workers = 2});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    EXPECT_EQ(fibers.Shutdown(In(1)),
                              absl::FailedPreconditionError(
                                  "FiberRuntime::Shutdown was called in a fiber of its own, which "
                                  "it would wait for"));
                  })
                  .ok());
}

TEST(FiberShutdown, TheDestructorIsBounded) {
  Event never;
  Task task;
  {
    FiberRuntime fibers = Make({.workers = 1, .shutdown_timeout = absl::Milliseconds(5)});
    task = Start(fibers, "", [&] { Rt().WaitFor(never); });
  }
  task.Join();
}

TEST(FiberShutdown, SeveralThreadsShutDown) {
  FiberRuntime fibers = Make({.workers = 2});
  std::vector<Task> tasks;
  for (int i = 0; i < 4; ++i) {
    absl::StatusOr<Task> task =
        Runtime::Threads().Spawn([&] { EXPECT_EQ(fibers.Shutdown(In(20'000)), absl::OkStatus()); });
    ASSERT_TRUE(task.ok());
    tasks.push_back(*std::move(task));
  }
}

TEST(FiberShutdown, ASocketOutlivesTheLoopThatWatchedIt) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  Descriptor near(fds[0]);
  Descriptor far(fds[1]);
  for (int i = 0; i < 2; ++i) {
    FiberRuntime fibers = Make({.workers = 1});
    EXPECT_TRUE(fibers
                    .Run([&] {
                      EXPECT_EQ(Rt().Wait(near.readable(), In(1), {}), WaitResult::kTimedOut);
                      EXPECT_EQ(Rt().Wait(near.writable(), In(20'000), {}), WaitResult::kReady);
                      EXPECT_EQ(fibers.counts().descriptors, 1u);
                    })
                    .ok());
  }
  EXPECT_EQ(near.readable().registration(), nullptr);
  EXPECT_EQ(near.writable().watcher(), nullptr);
  EXPECT_EQ(Rt().Wait(near.writable(), In(20'000), {}), WaitResult::kReady);
}

}  // namespace
}  // namespace redial
