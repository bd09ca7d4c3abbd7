// What is particular to threads and the kernel; tests/conformance has what holds on every runtime.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>

#include "redial/descriptor.h"
#include "redial/runtime.h"
#include "src/runtime/parker.h"
#include "tests/unit/ppoll_probe.h"

namespace redial {
namespace {

Runtime& Threads() { return Runtime::Threads(); }
Deadline In(absl::Duration d) { return Deadline::After(Threads().Now(), d); }
Deadline Guard() { return In(absl::Seconds(20)); }

std::pair<int, int> Connect() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return {fds[0], fds[1]};
}

// How many ppoll calls `wait` makes on this thread.
template <typename F>
int Polls(F wait) {
  const int before = PpollCalls();
  wait();
  return PpollCalls() - before;
}

TEST(ThreadRuntime, WaitsInOneSystemCall) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  std::stop_source stop;
  ASSERT_EQ(::write(b, "x", 1), 1);
  EXPECT_EQ(Polls([&] {
              const WaitResult result = Threads().Wait(left.readable(), Guard(), stop.get_token());
              EXPECT_EQ(result, WaitResult::kReady);
            }),
            1);
  EXPECT_EQ(Polls([&] {
              const WaitResult result = Threads().SleepUntil(In(absl::Milliseconds(5)), {});
              EXPECT_EQ(result, WaitResult::kTimedOut);
            }),
            1);

  Event event;
  absl::StatusOr<Task> setter = Threads().Spawn([&] {
    Threads().SleepUntil(In(absl::Milliseconds(20)), {});
    event.Set();
  });
  ASSERT_TRUE(setter.ok()) << setter.status();
  EXPECT_EQ(Polls([&] { Threads().Wait(event, Guard(), stop.get_token()); }), 1);
}

TEST(ThreadRuntime, AsksTheKernelNothingThatItKnows) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  std::stop_source stopped;
  stopped.request_stop();
  Event set;
  set.Set();
  EXPECT_EQ(Polls([&] {
              Threads().Wait(left.writable(), Deadline::Past(), {});
              Threads().Wait(left.writable(), Deadline(Threads().Now()), {});
              Threads().Wait(left.writable(), Guard(), stopped.get_token());
              Threads().Wait(set, Guard(), {});
              left.Close();
              Threads().Wait(left.writable(), Guard(), {});
            }),
            0);
}

std::atomic<int> signals_seen{0};

// A signal a millisecond, for two seconds at most.
class SignalStorm {
 public:
  SignalStorm() {
    signals_seen = 0;
    struct sigaction action{};
    action.sa_handler = [](int) {
      if (++signals_seen < 2000) return;
      const itimerval off{};
      ::setitimer(ITIMER_REAL, &off, nullptr);
    };
    ::sigaction(SIGALRM, &action, &before_);
    const itimerval every{{0, 1000}, {0, 1000}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;
  ~SignalStorm() {
    const itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_{};
};

TEST(ThreadRuntime, SignalsNeitherShortenNorStretchAWait) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  SignalStorm storm;
  for (int i = 0; i < 3; ++i) {
    const Deadline deadline = In(absl::Milliseconds(50));
    EXPECT_EQ(Threads().Wait(left.readable(), deadline, {}), WaitResult::kTimedOut);
    EXPECT_GE(Threads().Now(), deadline.instant());
  }
  EXPECT_GT(signals_seen, 3) << "no signal interrupted anything";
  EXPECT_LT(signals_seen, 2000) << "the wait was begun anew by every signal";
}

TEST(ThreadRuntime, WaitsForDescriptorsAboveTheLimitsOfSelect) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit raised{before.rlim_max, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &raised), 0);
  {
    const auto [a, b] = Connect();
    Descriptor left(::fcntl(a, F_DUPFD_CLOEXEC, 1500));
    Descriptor right(b);
    ::close(a);
    ASSERT_GE(left.readable().fd(), 1500);
    EXPECT_EQ(Threads().Wait(left.readable(), In(absl::Milliseconds(1)), {}),
              WaitResult::kTimedOut);
    ASSERT_EQ(::write(b, "x", 1), 1);
    EXPECT_EQ(Threads().Wait(left.readable(), Guard(), {}), WaitResult::kReady);
  }
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(ThreadRuntime, WatchesForeignDescriptors) {
  const auto [a, b] = Connect();
  Source readable(a, Source::Kind::kReadable);
  Source writable(a, Source::Kind::kWritable);
  Source* const sources[] = {&readable, &writable};
  EXPECT_EQ(Threads().WaitAny(sources, Guard(), {}), 1);
  ASSERT_EQ(::write(b, "x", 1), 1);
  EXPECT_EQ(Threads().Wait(readable, Guard(), {}), WaitResult::kReady);
  EXPECT_EQ(::close(a), 0);
  EXPECT_EQ(::close(b), 0);
}

// Runs on a thread that has never waited before: it finds no descriptor to be woken by.
void WaitWithoutDescriptors(int readable_fd, int peer_fd, int& failures) {
  const auto expect = [&](bool truth) { failures += truth ? 0 : 1; };
  Event event;
  std::stop_source stop;
  Source readable(readable_fd, Source::Kind::kReadable);
  Source* const sources[] = {&event, &readable};
  const Deadline deadline = In(absl::Milliseconds(15));
  expect(Threads().WaitAny(sources, deadline, {}) == Runtime::kTimedOut);
  expect(Threads().Now() >= deadline.instant());
  expect(runtime_internal::Parker::OfThisThread().fd() < 0);
  {
    std::thread setter([&] { event.Set(); });
    expect(Threads().WaitAny(sources, Guard(), stop.get_token()) == 0);
    setter.join();
  }
  {
    std::thread stopper([&] {
      Threads().SleepUntil(In(absl::Milliseconds(2)), {});
      stop.request_stop();
    });
    expect(Threads().WaitAny(sources, Guard(), stop.get_token()) == Runtime::kStopped);
    stopper.join();
  }
  expect(::write(peer_fd, "x", 1) == 1);
  expect(Threads().WaitAny(sources, Guard(), {}) == 1);
}

void ExhaustDescriptorsAndExit() {
  const auto [a, b] = Connect();
  const int from = a;
  const int to = b;
  const rlimit none{3, 3};
  ::setrlimit(RLIMIT_NOFILE, &none);
  int failures = 0;
  std::thread([&] { WaitWithoutDescriptors(from, to, failures); }).join();
  ::_exit(failures);
}

TEST(ThreadRuntimeDeathTest, WaitsWhenTheProcessHasNoDescriptorToSpare) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(ExhaustDescriptorsAndExit(), testing::ExitedWithCode(0), "");
}

TEST(ThreadRuntime, WaitsWhenTheKernelRefusesTheSet) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  Event event;
  Source* const sources[] = {&event, &left.readable()};
  FailNextPpollOfMoreThan(1, ENOMEM);
  const Deadline deadline = In(absl::Milliseconds(15));
  EXPECT_EQ(Threads().WaitAny(sources, deadline, {}), Runtime::kTimedOut);
  EXPECT_GE(Threads().Now(), deadline.instant());

  ASSERT_EQ(::write(b, "x", 1), 1);
  FailNextPpollOfMoreThan(1, ENOMEM);
  EXPECT_EQ(Threads().WaitAny(sources, Guard(), {}), 1);

  FailNextPpollOfMoreThan(1, EINVAL);
  Source* const only_event[] = {&event};
  absl::StatusOr<Task> setter = Threads().Spawn([&] { event.Set(); });
  ASSERT_TRUE(setter.ok()) << setter.status();
  EXPECT_EQ(Threads().WaitAny(only_event, Guard(), {}), 0);
}

TEST(ThreadRuntime, ThreadsMayWaitWhileTheyEnd) {
  static Event event;
  struct WaitsAtTheEnd {
    ~WaitsAtTheEnd() { result = Threads().Wait(event, Guard(), {}); }
    std::atomic<WaitResult>& result;
  };
  std::atomic<WaitResult> result{WaitResult::kTimedOut};
  std::thread ending([&] {
    // Made before the thread's first wait, and so destroyed after what that wait left behind.
    thread_local WaitsAtTheEnd last{result};
    [[maybe_unused]] WaitsAtTheEnd& made = last;
    Event nobody;
    Threads().Wait(nobody, In(absl::Milliseconds(1)), {});
  });
  Threads().SleepUntil(In(absl::Milliseconds(5)), {});
  event.Set();
  ending.join();
  EXPECT_EQ(result, WaitResult::kReady);
}

TEST(ThreadRuntime, AForkedChildWaitsAndDrawsForItself) {
  Event event;
  event.Set();
  Threads().Wait(event, Guard(), {});
  runtime_internal::Parker& parker = runtime_internal::Parker::OfThisThread();
  parker.Open();
  const int before = parker.fd();
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);

  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const uint64_t seed = Threads().NextSeed();
    const bool told = ::write(pipe_fds[1], &seed, sizeof(seed)) == sizeof(seed);
    const bool timed_out =
        Threads().Wait(event, In(absl::Milliseconds(1)), {}) == WaitResult::kTimedOut;
    ::_exit(told && timed_out && parker.fd() >= 0 && parker.fd() != before ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  uint64_t seed_of_child = 0;
  ASSERT_EQ(::read(pipe_fds[0], &seed_of_child, sizeof(seed_of_child)), 8);
  EXPECT_NE(Threads().NextSeed(), seed_of_child);
  parker.Open();
  EXPECT_EQ(parker.fd(), before);
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST(ThreadRuntime, SeedsDifferFromThreadToThread) {
  std::set<uint64_t> seeds;
  for (int i = 0; i < 10; ++i) seeds.insert(Threads().NextSeed());
  std::thread([&] {
    for (int i = 0; i < 10; ++i) seeds.insert(Threads().NextSeed());
  }).join();
  EXPECT_EQ(seeds.size(), 20u);
}

TEST(ThreadRuntime, SaysWhenNoThreadCanBeHad) {
  pthread_attr_t before;
  pthread_attr_t huge;
  ASSERT_EQ(::pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(::pthread_attr_init(&huge), 0);
  // More than the address space has.
  ASSERT_EQ(::pthread_attr_setstacksize(&huge, size_t{1} << 47), 0);
  ASSERT_EQ(::pthread_setattr_default_np(&huge), 0);
  bool ran = false;
  const absl::StatusOr<Task> task = Threads().Spawn([&] { ran = true; });
  ASSERT_EQ(::pthread_setattr_default_np(&before), 0);
  ::pthread_attr_destroy(&huge);
  ::pthread_attr_destroy(&before);

  EXPECT_EQ(task.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(task.status().message(), "cannot start a thread: Resource temporarily unavailable");
  EXPECT_FALSE(ran);
}

TEST(ThreadRuntime, IsCurrentUnlessAScopeSaysOtherwise) {
  class Other final : public Runtime {
   public:
    Instant Now() override { return Instant::VirtualOrigin(); }
    absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()>) override { return Task(); }
    uint64_t NextSeed() override { return 0; }

   protected:
    int DoWait(Instant, absl::Span<Source* const>, Deadline, const std::stop_token&) override {
      return kTimedOut;
    }
  };
  Other outer, inner;
  EXPECT_EQ(&Runtime::Current(), &Threads());
  {
    ScopedRuntime scope(outer);
    EXPECT_EQ(&Runtime::Current(), &outer);
    {
      ScopedRuntime nested(inner);
      EXPECT_EQ(&Runtime::Current(), &inner);
      std::thread([] { EXPECT_EQ(&Runtime::Current(), &Threads()); }).join();
    }
    EXPECT_EQ(&Runtime::Current(), &outer);
  }
  EXPECT_EQ(&Runtime::Current(), &Threads());
}

#ifndef NDEBUG
TEST(RuntimeDeathTest, RefusesADeadlineOfAnotherClock) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const Deadline simulated = Deadline::After(Instant::VirtualOrigin(), absl::Seconds(1));
  EXPECT_DEATH(
      Threads().SleepUntil(simulated, {}),
      "redial: this wait's deadline was made on a virtual clock, but the runtime it waits "
      "on has a real one. Make deadlines from the Now\\(\\) of the runtime that uses them.");
}
#endif

}  // namespace
}  // namespace redial
