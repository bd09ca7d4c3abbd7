#include "redial/fiber.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "redial/mutex.h"
#include "redial/testing/matchers.h"
#include "tests/fiber/fibers.h"

namespace redial {
namespace {

Task Go(absl::AnyInvocable<void()> fn) { return Started(Rt().Spawn(std::move(fn))); }

std::string Refusal(const FiberOptions& options) {
  const absl::Status status = FiberRuntime::Create(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(FiberOptions, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(Refusal({.workers = -1}), "FiberOptions.workers is -1; it must be from 0 to 1024");
  EXPECT_EQ(Refusal({.workers = 2, .on_calling_thread = true}),
            "FiberOptions.workers is 2; it must be 0 or 1 with on_calling_thread");
  EXPECT_EQ(Refusal({.stack_size = 4096}),
            "FiberOptions.stack_size is 4096; it must be from 16384 to 1073741824 bytes");
  EXPECT_EQ(Refusal({.shutdown_timeout = -absl::Seconds(1)}),
            "FiberOptions.shutdown_timeout is -1s; it must not be negative");
  EXPECT_EQ(Refusal({.watchdog = absl::ZeroDuration()}),
            "FiberOptions.watchdog is 0; it must be at least 1ms");
  EXPECT_EQ(Refusal({.watchdog = absl::Seconds(1)}),
            "FiberOptions.on_stuck is empty; a watchdog needs somebody to tell");
  EXPECT_TRUE(FiberOptions().Validate().ok());
}

TEST(FiberRuntime, RunsUntilTheFunctionReturns) {
  FiberRuntime fibers = Make({.workers = 1});
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id there = here;
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Rt().SleepUntil(In(1), {});
                    there = std::this_thread::get_id();
                    EXPECT_NE(&Rt(), &Runtime::Threads());
                  })
                  .ok());
  EXPECT_NE(there, here);
  EXPECT_EQ(&Rt(), &Runtime::Threads());
}

TEST(FiberRuntime, RunsOnTheCallingThread) {
  FiberRuntime fibers = Make({.on_calling_thread = true});
  const std::thread::id here = std::this_thread::get_id();
  Event event;
  int steps = 0;
  absl::StatusOr<Task> background = fibers.Spawn([&] {
    ++steps;
    Rt().WaitFor(event);
    ++steps;
  });
  ASSERT_TRUE(background.ok());
  EXPECT_EQ(steps, 0) << "nobody runs fibers yet";
  EXPECT_TRUE(fibers
                  .Run([&] {
                    EXPECT_EQ(std::this_thread::get_id(), here);
                    Rt().SleepUntil(In(1), {});
                    EXPECT_TRUE(fibers.Run([&] { EXPECT_EQ(steps, 1); }).ok());
                  })
                  .ok());
  event.Set();
  EXPECT_EQ(steps, 1);
  EXPECT_TRUE(fibers.Run([&] { background->Join(); }).ok());
  EXPECT_EQ(steps, 2);
  EXPECT_EQ(&Rt(), &Runtime::Threads());
}

TEST(FiberRuntime, OnlyOneThreadRunsTheFibersOfACallingThread) {
  FiberRuntime fibers = Make({.on_calling_thread = true});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    absl::StatusOr<Task> other = Runtime::Threads().Spawn([&] {
                      EXPECT_EQ(fibers.Run([] {}),
                                absl::FailedPreconditionError(
                                    "FiberRuntime::Run: another thread runs the fibers"));
                      EXPECT_EQ(fibers.Shutdown(In(1)),
                                absl::FailedPreconditionError(
                                    "FiberRuntime::Shutdown: another thread runs the fibers"));
                      EXPECT_TRUE(fibers.Spawn([] {}).ok());  // and joined by this thread
                    });
                    ASSERT_TRUE(other.ok());
                  })
                  .ok());
}

TEST(FiberRuntime, TakesAWorkerForEachProcessor) { EXPECT_GE(Make({}).workers(), 1); }

TEST(FiberRuntime, SpawnsInTurnAndStaysWithinAFiber) {
  FiberRuntime fibers = Make({.workers = 2});
  std::thread::id threads[3];
  std::thread::id child;
  for (std::thread::id& thread : threads) {
    absl::StatusOr<Task> task = fibers.Spawn([&] {
      thread = std::this_thread::get_id();
      Go([&] { child = std::this_thread::get_id(); }).Join();
      EXPECT_EQ(child, thread);
    });
    ASSERT_TRUE(task.ok());
  }
  EXPECT_NE(threads[0], threads[1]);
  EXPECT_EQ(threads[0], threads[2]);
}

TEST(FiberRuntime, SpreadsSpawnsWhereItIsToldTo) {
  FiberRuntime fibers = Make({.workers = 2, .spread_spawns = true});
  EXPECT_TRUE(fibers
                  .Run([] {
                    const std::thread::id here = std::this_thread::get_id();
                    for (int i = 0; i < 3; ++i) {
                      Go([&] { EXPECT_NE(std::this_thread::get_id(), here); }).Join();
                    }
                  })
                  .ok());
}

TEST(FiberRuntime, YieldLetsTheOthersRunFirst) {
  FiberRuntime fibers = Make({.workers = 1});
  std::string trace;
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Task b = Go([&] {
                      trace += 'b';
                      EXPECT_TRUE(FiberRuntime::Yield().ok());
                      trace += 'd';
                    });
                    trace += 'a';
                    EXPECT_TRUE(FiberRuntime::Yield().ok());
                    trace += 'c';
                    EXPECT_TRUE(FiberRuntime::Yield().ok());
                    trace += 'e';
                  })
                  .ok());
  EXPECT_EQ(trace, "abcde");
}

TEST(FiberRuntime, AYieldingFiberKeepsNobodyFromTheKernel) {
  FiberRuntime fibers = Make({.workers = 1});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    std::atomic<bool> slept = false;
                    Task sleeper = Go([&] {
                      Rt().SleepUntil(In(2), {});
                      slept = true;
                    });
                    while (!slept) ASSERT_TRUE(FiberRuntime::Yield().ok());
                  })
                  .ok());
}

TEST(FiberRuntime, SaysWhatOnlyAFiberMayDo) {
  EXPECT_EQ(FiberRuntime::Yield(),
            absl::FailedPreconditionError(
                "FiberRuntime::Yield: the caller isn't in a fiber of a FiberRuntime"));
  EXPECT_EQ(FiberRuntime::CurrentName().status(),
            absl::FailedPreconditionError(
                "FiberRuntime::CurrentName: the caller isn't in a fiber of a FiberRuntime"));
  EXPECT_EQ(FiberRuntime::SetCurrentName("me"),
            absl::FailedPreconditionError(
                "FiberRuntime::SetCurrentName: the caller isn't in a fiber of a FiberRuntime"));
}

TEST(FiberRuntime, FibersHaveNames) {
  FiberRuntime fibers = Make({.workers = 1});
  absl::StatusOr<Task> task = fibers.Spawn("first", [] {
    EXPECT_EQ(FiberRuntime::CurrentName().value(), "first");
    Go([] { EXPECT_EQ(FiberRuntime::CurrentName().value(), "fiber 2"); }).Join();
    EXPECT_TRUE(FiberRuntime::SetCurrentName("renamed").ok());
    EXPECT_EQ(FiberRuntime::CurrentName().value(), "renamed");
  });
  ASSERT_TRUE(task.ok()) << task.status();
}

TEST(FiberRuntime, CountsItsFibers) {
  FiberRuntime fibers = Make({.workers = 1});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    EXPECT_EQ(fibers.counts().fibers, 1);
                    EXPECT_GE(fibers.counts().switches, 0u);
                    EXPECT_EQ(fibers.counts().descriptors, 0u);
                  })
                  .ok());
  EXPECT_EQ(fibers.counts().fibers, 0);
}

TEST(FiberRuntime, AnotherThreadWaitsInItsOwnWay) {
  FiberRuntime fibers = Make({.workers = 1});
  Runtime* worker = nullptr;
  ASSERT_TRUE(fibers.Run([&] { worker = &Rt(); }).ok());
  Event event;
  EXPECT_EQ(worker->Wait(event, In(2), {}), WaitResult::kTimedOut);
  // A fiber that is spawned from here is the worker's, though.
  absl::StatusOr<Task> setter = worker->Spawn([&] {
    EXPECT_EQ(&Rt(), worker);
    event.Set();
  });
  ASSERT_TRUE(setter.ok());
  worker->WaitFor(event);
}

TEST(FiberRuntime, AFiberOfAnotherWorkerWaitsInItsOwnWay) {
  FiberRuntime first = Make({.workers = 1});
  FiberRuntime second = Make({.workers = 1});
  EXPECT_TRUE(first
                  .Run([&] {
                    Runtime& worker = Rt();
                    Event ping;
                    Event pong;
                    absl::StatusOr<Task> task = second.Spawn([&] {
                      EXPECT_EQ(worker.Wait(ping, In(20'000), {}), WaitResult::kReady);
                      pong.Set();
                    });
                    ASSERT_TRUE(task.ok());
                    Rt().SleepUntil(In(1), {});
                    ping.Set();
                    EXPECT_EQ(worker.Wait(pong, In(20'000), {}), WaitResult::kReady);
                    // Also a whole fiber of the other's, joined from here.
                    EXPECT_TRUE(second.Run([] { Rt().SleepUntil(In(1), {}); }).ok());
                  })
                  .ok());
}

TEST(FiberRuntime, SeedsDiffer) {
  FiberRuntime fibers = Make({.workers = 1});
  EXPECT_TRUE(fibers.Run([] { EXPECT_NE(Rt().NextSeed(), Rt().NextSeed()); }).ok());
}

TEST(FiberRuntime, MovesWithItsFibers) {
  FiberRuntime fibers = Make({.workers = 1});
  Event event;
  absl::StatusOr<Task> task = fibers.Spawn([&] { Rt().WaitFor(event); });
  FiberRuntime moved = std::move(fibers);
  EXPECT_EQ(moved.counts().fibers, 1);
  event.Set();
  task->Join();
}

TEST(FiberRuntime, ManyFibersKeepTheirDeadlinesInOrder) {
  FiberRuntime fibers = Make({.workers = 1});
  std::vector<int> order;
  EXPECT_TRUE(fibers
                  .Run([&] {
                    const Instant start = Rt().Now();
                    std::vector<Task> tasks;
                    for (const int i : {7, 3, 9, 1, 5, 0, 8, 2, 6, 4}) {
                      tasks.push_back(Go([&order, start, i] {
                        const Deadline wake = Deadline::After(start, absl::Milliseconds(2 * i + 2));
                        Rt().SleepUntil(wake, {});
                        EXPECT_TRUE(wake.expired(Rt().Now()));
                        order.push_back(i);
                      }));
                    }
                  })
                  .ok());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(FiberRuntime, AnEarlierDeadlineFollowsALaterOne) {
  FiberRuntime fibers = Make({.workers = 1});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Event event;
                    event.Set();
                    Task setter = Go([&] { event.Set(); });
                    EXPECT_EQ(Rt().Wait(event, In(60'000), {}), WaitResult::kReady);
                    EXPECT_EQ(Rt().Wait(event, In(60'000), {}), WaitResult::kReady);
                    // The timer of the long wait is still armed, for later than this.
                    const Deadline soon = In(2);
                    EXPECT_EQ(Rt().Wait(event, soon, {}), WaitResult::kTimedOut);
                    EXPECT_TRUE(soon.expired(Rt().Now()));
                    EXPECT_EQ(Rt().Wait(event, In(4), {}), WaitResult::kTimedOut);
                  })
                  .ok());
}

// Descriptors that somebody else opened.

class ForeignFd {
 public:
  explicit ForeignFd(int fd) : fd_(fd) { EXPECT_GE(fd, 0); }
  ForeignFd(const ForeignFd&) = delete;
  ForeignFd& operator=(const ForeignFd&) = delete;
  ~ForeignFd() { ::close(fd_); }
  int get() const { return fd_; }

 private:
  const int fd_;
};

TEST(FiberRuntime, AFileIsAlwaysReady) {
  FiberRuntime fibers = Make({.workers = 1});
  const ForeignFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Source source(file.get(), Source::Kind::kReadable);
                    EXPECT_EQ(Rt().Wait(source, Deadline::Never(), {}), WaitResult::kReady);
                    EXPECT_EQ(Rt().Wait(source, Deadline::Never(), {}), WaitResult::kReady);
                  })
                  .ok());
}

TEST(FiberRuntime, ADescriptorThatIsNotOpenIsReady) {
  FiberRuntime fibers = Make({.workers = 1});
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Source source(1'000'000'000, Source::Kind::kWritable);
                    EXPECT_EQ(Rt().Wait(source, In(20'000), {}), WaitResult::kReady);
                  })
                  .ok());
}

TEST(FiberRuntime, AForeignDescriptorIsReportedForAsLongAsItIsReady) {
  FiberRuntime fibers = Make({.workers = 1});
  const ForeignFd counter(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Source readable(counter.get(), Source::Kind::kReadable);
                    Source writable(counter.get(), Source::Kind::kWritable);
                    for (int i = 0; i < 3; ++i) {
                      EXPECT_EQ(Rt().Wait(readable, In(20'000), {}), WaitResult::kReady);
                      EXPECT_EQ(Rt().Wait(writable, In(20'000), {}), WaitResult::kReady);
                    }
                    EXPECT_EQ(fibers.counts().descriptors, 0u);
                  })
                  .ok());
}

TEST(FiberRuntime, TwoFibersWaitForOneForeignDescriptor) {
  FiberRuntime fibers = Make({.workers = 1});
  const ForeignFd counter(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const auto wait = [&] {
    Source source(counter.get(), Source::Kind::kReadable);
    // The second is looked at every now and then, and told to try.
    EXPECT_EQ(Rt().Wait(source, In(20'000), {}), WaitResult::kReady);
  };
  EXPECT_TRUE(fibers
                  .Run([&] {
                    Task first = Go(wait);
                    Task second = Go(wait);
                    Rt().SleepUntil(In(2), {});
                    const uint64_t one = 1;
                    EXPECT_EQ(::write(counter.get(), &one, sizeof(one)), 8);
                  })
                  .ok());
  // A limit of its own still holds.
  EXPECT_TRUE(fibers
                  .Run([&] {
                    uint64_t tokens;
                    EXPECT_EQ(::read(counter.get(), &tokens, sizeof(tokens)), 8);
                    Source source(counter.get(), Source::Kind::kReadable);
                    Source other(counter.get(), Source::Kind::kReadable);
                    Source* const both[] = {&source, &other};
                    EXPECT_EQ(Rt().WaitAny(both, In(2), {}), Runtime::kTimedOut);
                  })
                  .ok());
}

}  // namespace
}  // namespace redial
