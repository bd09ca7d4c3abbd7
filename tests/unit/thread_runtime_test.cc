#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "redial/descriptor.h"
#include "redial/mutex.h"
#include "redial/runtime.h"

namespace redial {
namespace {

Runtime& Threads() { return Runtime::Threads(); }
Deadline In(absl::Duration d) { return Deadline::After(Threads().Now(), d); }

TEST(ThreadRuntime, TakesALatchedEventOverNothing) {
  Event first, second;
  second.Set();
  Source* const sources[] = {&first, &second};
  EXPECT_EQ(Threads().WaitAny(sources, Deadline::Never(), {}), 1);
  EXPECT_EQ(Threads().WaitAny(sources, In(absl::Milliseconds(1)), {}), Runtime::kTimedOut);
}

TEST(ThreadRuntime, JoinsWhatItSpawned) {
  Event ready;
  auto task = Threads().Spawn([&] { ready.Set(); });
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(Threads().Wait(ready, Deadline::Never(), {}), WaitResult::kReady);
  task->Join();
}

TEST(ThreadRuntime, SeesADescriptorBecomeReadable) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  Descriptor left(fds[0]);
  Descriptor right(fds[1]);
  EXPECT_EQ(Threads().Wait(left.readable(), In(absl::Milliseconds(1)), {}), WaitResult::kTimedOut);
  EXPECT_EQ(Threads().Wait(left.writable(), Deadline::Never(), {}), WaitResult::kReady);
  ASSERT_EQ(::write(fds[1], "x", 1), 1);
  EXPECT_EQ(Threads().Wait(left.readable(), Deadline::Never(), {}), WaitResult::kReady);
}

}  // namespace
}  // namespace redial
