// Fibers and what happens to their process: forks, overflows, exhaustion, a fiber that is stuck.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "redial/fiber.h"
#include "src/runtime/fiber/watchdog.h"
#include "src/runtime/fiber/worker.h"
#include "tests/fiber/fibers.h"
#include "tests/support/kernel.h"

namespace redial {
namespace {

using runtime_internal::Fleet;
using runtime_internal::StuckCheck;
using runtime_internal::Worker;

// Runs `child` in a child, which says by its exit whether it found all as it should be.
void InChild(const std::function<bool()>& child) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) ::_exit(child() ? 7 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(FiberFork, TheChildIsToldThatTheFibersAreTheParents) {
  const absl::Status forked = absl::FailedPreconditionError(
      "this FiberRuntime belongs to the process that forked; make another one here");
  Event ready;
  Event done;
  auto fibers = std::make_unique<FiberRuntime>(Make({.workers = 1}));
  absl::StatusOr<Task> task = fibers->Spawn([&] {
    ready.Set();
    Rt().WaitFor(done);
  });
  Rt().WaitFor(ready);
  InChild([&] {
    const bool refused = fibers->Run([] {}) == forked && fibers->Spawn([] {}).status() == forked &&
                         fibers->Shutdown(Deadline::Never()) == forked && fibers->left().empty() &&
                         fibers->counts().fibers == 0;
    fibers.reset();  // waits for nobody
    return refused;
  });
  // The parent's go on.
  done.Set();
  task->Join();
  EXPECT_TRUE(fibers->Run([] { Rt().SleepUntil(In(1), {}); }).ok());
}

TEST(FiberFork, AFiberThatForkedGoesOnAloneInTheChild) {
  FiberRuntime fibers = Make({.workers = 1});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    std::atomic<int> runs = 0;
                    absl::StatusOr<Task> other = Rt().Spawn([&] { ++runs; });
                    ASSERT_TRUE(other.ok());
                    InChild([&] {
                      // Waits block the thread, and nobody else runs.
                      Event event;
                      const Deadline soon = In(2);
                      if (Rt().Wait(event, soon, {}) != WaitResult::kTimedOut) return false;
                      if (!FiberRuntime::Yield().ok()) return false;
                      event.Set();
                      Rt().WaitFor(event);
                      return soon.expired(Rt().Now()) && !Rt().Spawn([] {}).ok() && runs == 0;
                    });
                  })
                  .ok());
}

TEST(FiberFork, AChildMakesItsOwn) {
  FiberRuntime fibers = Make({.workers = 1});
  // Death tests fork and run anew: here, the child goes on in place, and ThreadSanitizer wants no
  // threads in it. So only what needs none.
  InChild([&] { return FiberOptions().Validate().ok(); });
}

TEST(FiberLimits, NoDescriptorForTheLoop) {
  const redial::testing::NoMoreDescriptors none;
  EXPECT_EQ(
      FiberRuntime::Create({.workers = 1}).status(),
      absl::ResourceExhaustedError("cannot make a fiber worker's event loop: Too many open files"));
}

TEST(FiberLimits, NoMemoryForAStack) {
  FiberOptions options;
  options.stack_size = size_t{1} << 60;  // as no user can ask for
  Worker worker(std::make_shared<Fleet>(options), 0);
  ASSERT_TRUE(worker.Open().ok());
  EXPECT_EQ(worker.Spawn([] {}).status(),
            absl::ResourceExhaustedError("cannot map a stack for a fiber: Cannot allocate memory"));
}

TEST(FiberWatchdog, ReportsAStandstillOnce) {
  StuckCheck check(100);
  const auto at = [](int64_t nanos) { return Instant::FromNanos(nanos); };
  EXPECT_EQ(check.Look(1, at(1000)), 0);
  EXPECT_EQ(check.Look(1, at(1099)), 0);
  EXPECT_EQ(check.Look(1, at(1100)), 100);
  EXPECT_EQ(check.Look(1, at(1500)), 0);
  EXPECT_EQ(check.Look(3, at(1600)), 0);
  EXPECT_EQ(check.Look(3, at(1750)), 150);
  // Idle, for as long as it likes.
  EXPECT_EQ(check.Look(4, at(1800)), 0);
  EXPECT_EQ(check.Look(4, at(9000)), 0);
}

TEST(FiberWatchdog, NamesTheFiberThatIsStuck) {
  std::atomic<bool> told = false;
  StuckFiber stuck;
  FiberRuntime fibers = Make(
      {.workers = 2, .watchdog = absl::Milliseconds(4), .on_stuck = [&](const StuckFiber& fiber) {
         stuck = fiber;
         told = true;
       }});
  absl::StatusOr<Task> task = fibers.Spawn("busy", [&] {
    while (!told) continue;
  });
  ASSERT_TRUE(task.ok());
  task->Join();
  EXPECT_EQ(stuck.name, "busy");
  EXPECT_EQ(stuck.worker, 0);
  EXPECT_GE(stuck.running, absl::Milliseconds(4));
}

// Returns what depends on every frame, so that none is left out.
int Deepen(int depth) {
  volatile char frame[256];
  frame[0] = static_cast<char>(depth);
  const int below = depth < 1'000'000 ? Deepen(depth + 1) : 0;
  return below + frame[0];
}

void Overflow(std::string name,
              const FiberOptions& options = {.workers = 1, .stack_size = 64 * 1024}) {
  FiberRuntime fibers = Make(options);
  absl::StatusOr<Task> task = fibers.Spawn(std::move(name), [] { Deepen(0); });
  task->Join();
}

class FiberDeath : public ::testing::Test {
 protected:
  FiberDeath() { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(FiberDeath, AnOverflowNamesTheFiberAndTheLimit) {
  EXPECT_DEATH(Overflow("parser"),
               "redial: fiber \"parser\" ran over the end of its stack of 65536 bytes "
               "\\(FiberOptions.stack_size\\)");
  EXPECT_DEATH(Overflow(""),
               "redial: fiber 1 ran over the end of its stack of 65536 bytes "
               "\\(FiberOptions.stack_size\\)");
}

TEST_F(FiberDeath, AnotherFaultIsNotReportedAsOne) {
  EXPECT_EXIT(
      {
        FiberRuntime fibers = Make({.workers = 1});
        (void)fibers.Run([] { ::raise(SIGSEGV); });
      },
      [](int status) {
        // A sanitizer's handler exits instead.
        return (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) || WIFEXITED(status);
      },
      ::testing::Not(::testing::HasSubstr("ran over the end")));
}

#ifdef __cpp_exceptions
TEST_F(FiberDeath, WhatAFiberThrowsEndsTheProgram) {
  EXPECT_DEATH((void)Make({.workers = 1}).Run([] { throw 7; }), "terminate|exception");
}
#endif

}  // namespace
}  // namespace redial
