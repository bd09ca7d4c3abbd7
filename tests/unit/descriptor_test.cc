#include "redial/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "redial/runtime.h"
#include "redial/source.h"
#include "tests/support/without_membarrier.h"

namespace redial {
namespace {

class CountingWaiter final : public Waiter {
 public:
  void Wake() override { ++wakes; }
  int wakes = 0;
};

std::pair<int, int> Connect() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return {fds[0], fds[1]};
}

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(Descriptor, ClosesAtOnceWhenNobodyUsesIt) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  EXPECT_FALSE(left.closed());
  left.Close();
  left.Close();
  EXPECT_TRUE(left.closed());
  EXPECT_FALSE(IsOpen(a));
  EXPECT_EQ(left.Enter(Descriptor::kRead), -EBADF);
  EXPECT_EQ(left.Enter(Descriptor::kRead), -EBADF);
}

TEST(Descriptor, LetsOneInInEachDirection) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  EXPECT_EQ(left.Enter(Descriptor::kRead), a);
  EXPECT_EQ(left.Enter(Descriptor::kRead), -EBUSY);
  EXPECT_EQ(left.Enter(Descriptor::kWrite), a);
  left.Leave(Descriptor::kRead);
  EXPECT_EQ(left.Enter(Descriptor::kRead), a);
  left.Leave(Descriptor::kRead);
  left.Leave(Descriptor::kWrite);
}

TEST(Descriptor, KeepsItsNumberUntilTheLastWaitHasEnded) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  CountingWaiter waiter;
  WaitNode reader{.waiter = &waiter};
  WaitNode writer{.waiter = &waiter};
  EXPECT_FALSE(left.readable().BeginWait(reader));
  EXPECT_FALSE(left.writable().BeginWait(writer));

  left.Close();
  EXPECT_EQ(waiter.wakes, 2);
  EXPECT_TRUE(IsOpen(a));
  {
    const auto [c, d] = Connect();
    EXPECT_NE(c, a);
    EXPECT_NE(d, a);
    ::close(c);
    ::close(d);
  }
  left.readable().EndWait(reader, true);
  EXPECT_TRUE(IsOpen(a));
  left.writable().EndWait(writer, true);
  EXPECT_FALSE(IsOpen(a));
}

TEST(Descriptor, ReportsToEveryWaitOnceClosed) {
  const auto [a, b] = Connect();
  Descriptor left(a);
  Descriptor right(b);
  left.Close();
  CountingWaiter waiter;
  for (int i = 0; i < 3; ++i) {
    WaitNode node{.waiter = &waiter};
    EXPECT_TRUE(left.readable().BeginWait(node));
    EXPECT_TRUE(left.readable().Consume());
    left.readable().EndWait(node, true);
  }
}

TEST(Descriptor, ReleasesItsRegistrationsBeforeItCloses) {
  class Registration final : public SourceRegistration {
   public:
    explicit Registration(int fd) : fd_(fd) {}
    void Release() override {
      ++released;
      EXPECT_TRUE(IsOpen(fd_));
    }
    int released = 0;

   private:
    const int fd_;
  };
  const auto [a, b] = Connect();
  Descriptor right(b);
  Registration reads(a);
  Registration writes(a);
  Descriptor left(a);
  EXPECT_EQ(left.readable().SwapRegistration(&reads), nullptr);
  EXPECT_EQ(left.writable().SwapRegistration(&writes), nullptr);
  left.Close();
  EXPECT_EQ(reads.released, 1);
  EXPECT_EQ(writes.released, 1);
  EXPECT_FALSE(IsOpen(a));
}

// Without the barrier nobody can tell who is inside: the connection ends at once, and its number is
// given back with the object, so that it can't become somebody else's meanwhile.
TEST(Descriptor, KeepsItsNumberWhereTheKernelOffersNoBarrier) {
  const auto close_in_a_sandbox = [] {
    if (!testing::ForbidMembarrier()) std::_Exit(1);
    const auto [a, b] = Connect();
    {
      Descriptor left(a);
      left.Close();
      char byte;
      if (::recv(b, &byte, 1, 0) != 0) std::_Exit(2);
      if (left.Enter(Descriptor::kRead) != -EBADF) std::_Exit(3);
      if (!IsOpen(a)) std::_Exit(4);
    }
    std::_Exit(IsOpen(a) ? 5 : 0);
  };
  EXPECT_EXIT(close_in_a_sandbox(), ::testing::ExitedWithCode(0), "");
}

// A thread that polled a closed number once read another connection's bytes.
TEST(Descriptor, AWaitingReaderNeverMeetsTheNextOwnerOfTheNumber) {
  Runtime& threads = Runtime::Threads();
  int reused = 0;
  for (int i = 0; i < 200; ++i) {
    const auto [a, b] = Connect();
    Descriptor left(a);
    Descriptor right(b);
    absl::StatusOr<Task> reader = threads.Spawn([&left] {
      const Deadline guard = Deadline::After(Runtime::Current().Now(), absl::Seconds(20));
      for (;;) {
        const int fd = left.Enter(Descriptor::kRead);
        if (fd < 0) {
          EXPECT_EQ(fd, -EBADF);
          return;
        }
        char stolen[8];
        const ssize_t n = ::recv(fd, stolen, sizeof(stolen), MSG_DONTWAIT);
        const int error = errno;
        left.Leave(Descriptor::kRead);
        ASSERT_EQ(n, -1) << std::string(stolen, static_cast<size_t>(n));
        ASSERT_EQ(error, EAGAIN);
        EXPECT_EQ(Runtime::Current().Wait(left.readable(), guard, {}), WaitResult::kReady);
      }
    });
    ASSERT_TRUE(reader.ok()) << reader.status();
    threads.SleepUntil(Deadline::AfterNanos(threads.Now(), (i % 20) * 10'000), {});
    left.Close();
    const auto [c, d] = Connect();
    if (c == a || d == a) ++reused;
    EXPECT_EQ(::write(c, "secret", 6), 6);
    EXPECT_EQ(::write(d, "secret", 6), 6);
    reader->Join();
    ::close(c);
    ::close(d);
  }
  EXPECT_GT(reused, 0) << "the hazard never arose";
}

}  // namespace
}  // namespace redial
