// What a read that spares a try must still notice: everything that comes without a further edge.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "redial/fiber.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/testing/matchers.h"
#include "tests/fiber/fibers.h"
#include "tests/support/kernel.h"

namespace redial {
namespace {

struct Pair {
  Socket near;
  Socket far;
};

// Connected over TCP, and `near` watched by the loop of the calling fiber; each read is bounded.
Pair Connect() {
  absl::StatusOr<Listener> listener = Listener::Listen(*Address::Parse("127.0.0.1:0"));
  EXPECT_TRUE(listener.ok()) << listener.status();
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      KernelNetwork().StartConnect(listener->local(), {});
  EXPECT_TRUE(stream.ok()) << stream.status();
  absl::StatusOr<Socket> far = listener->Accept(In(5000));
  EXPECT_TRUE(far.ok()) << far.status();
  Pair pair{Socket(*std::move(stream)), *std::move(far)};
  EXPECT_TRUE(pair.near.set_operation_timeout(absl::Milliseconds(1)).ok());
  char byte;
  EXPECT_EQ(pair.near.Read({&byte, 1}).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(pair.near.set_operation_timeout(absl::Seconds(5)).ok());
  return pair;
}

std::string Read(Socket& socket) {
  char buffer[64];
  const absl::StatusOr<size_t> n = socket.Read(absl::MakeSpan(buffer));
  return n.ok() ? std::string(buffer, *n) : std::string(n.status().message());
}

void InFiber(absl::AnyInvocable<void()> body) {
  EXPECT_TRUE(Make({.workers = 2}).Run(std::move(body)).ok());
}

TEST(Drained, EachArrivalIsSeen) {
  InFiber([] {
    Pair pair = Connect();
    for (int i = 0; i < 100; ++i) {
      // One byte arrives before the read, the next while it waits.
      const auto write = [&pair] { EXPECT_TRUE(pair.far.Write("x").ok()); };
      if (i % 2 == 0) write();
      absl::StatusOr<Task> writer = Rt().Spawn([write, i] {
        if (i % 2 != 0) write();
      });
      ASSERT_EQ(Read(pair.near), "x") << i;
    }
  });
}

TEST(Drained, AnEndThatCameWithTheBytes) {
  InFiber([] {
    Pair pair = Connect();
    // While the reader waits, so that one event tells of both, and the wait takes it.
    absl::StatusOr<Task> writer = Rt().Spawn([&] {
      EXPECT_TRUE(pair.far.Write("last").ok());
      EXPECT_TRUE(pair.far.ShutdownWrite().ok());
    });
    EXPECT_EQ(Read(pair.near), "last");
    EXPECT_EQ(Read(pair.near), "");
    EXPECT_EQ(Read(pair.near), "");
  });
}

TEST(Drained, AnEndThatCameBetweenTwoReads) {
  InFiber([] {
    Pair pair = Connect();
    EXPECT_TRUE(pair.far.Write("last").ok());
    EXPECT_EQ(Read(pair.near), "last");
    EXPECT_TRUE(pair.far.ShutdownWrite().ok());
    Rt().SleepUntil(In(1), {});  // the loop sees it while nobody waits for the socket
    EXPECT_EQ(Read(pair.near), "");
  });
}

TEST(Drained, BytesThatCameBetweenTwoReads) {
  InFiber([] {
    Pair pair = Connect();
    EXPECT_TRUE(pair.far.Write("a").ok());
    EXPECT_EQ(Read(pair.near), "a");
    EXPECT_TRUE(pair.far.Write("b").ok());
    Rt().SleepUntil(In(1), {});
    EXPECT_EQ(Read(pair.near), "b");
    EXPECT_TRUE(pair.far.Write("c").ok());
    EXPECT_EQ(Read(pair.near), "c");
  });
}

TEST(Drained, AResetAfterTheBytes) {
  InFiber([] {
    Pair pair = Connect();
    EXPECT_TRUE(pair.far.Write("a").ok());
    EXPECT_EQ(Read(pair.near), "a");
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(pair.far.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    pair.far.Close();
    Rt().SleepUntil(In(1), {});
    char byte;
    const absl::Status status = pair.near.Read({&byte, 1}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  });
}

TEST(Drained, BytesBehindUrgentOnes) {
  InFiber([] {
    Pair pair = Connect();
    absl::StatusOr<Task> writer = Rt().Spawn([&] {
      EXPECT_TRUE(pair.far.Write("a").ok());
      EXPECT_EQ(::send(pair.far.fd(), "!", 1, MSG_OOB), 1);
      EXPECT_TRUE(pair.far.Write("b").ok());
    });
    // A read stops at the urgent byte, short of what is there.
    EXPECT_EQ(Read(pair.near), "a");
    EXPECT_EQ(Read(pair.near), "b");
  });
}

TEST(Drained, AReaderThatMayNotWaitLooks) {
  InFiber([] {
    Pair pair = Connect();
    EXPECT_TRUE(pair.far.Write("a").ok());
    EXPECT_EQ(Read(pair.near), "a");
    EXPECT_TRUE(pair.far.Write("b").ok());
    EXPECT_TRUE(pair.near.set_operation_timeout(absl::ZeroDuration()).ok());
    EXPECT_EQ(Read(pair.near), "b");
    EXPECT_TRUE(pair.far.Write("c").ok());
    char byte = 0;
    EXPECT_EQ(*pair.near.TryRead({&byte, 1}), 1u);
    EXPECT_EQ(byte, 'c');
  });
}

TEST(Drained, AReaderThatMovesToAnotherLoop) {
  InFiber([] {
    Pair pair = Connect();
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(pair.far.Write("a").ok());
      EXPECT_EQ(Read(pair.near), "a");
      EXPECT_TRUE(pair.far.Write("b").ok());
      const auto read_next = [&] { EXPECT_EQ(Read(pair.near), "b"); };
      if (i % 2 == 0) {
        absl::StatusOr<Task> thread = Runtime::Threads().Spawn(read_next);
        ASSERT_TRUE(thread.ok());
      } else {
        absl::StatusOr<FiberRuntime> other = FiberRuntime::Create({.workers = 1});
        ASSERT_TRUE(other.ok()) << other.status();
        EXPECT_TRUE(other->Run(read_next).ok());
      }
    }
  });
}

}  // namespace
}  // namespace redial
