// What other threads do to a socket in use: close it, stop it, move its limits.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "tests/support/kernel.h"
#include "tests/support/raw_socket.h"

namespace redial {
namespace {

using testing::CountDescriptors;
using testing::Pair;
using testing::RawSocket;
using testing::TcpPair;
using testing::UnixPair;

constexpr absl::Duration kHang = absl::Seconds(2);
constexpr int kRounds = 100;

Runtime& Threads() { return Runtime::Threads(); }
Deadline In(absl::Duration d) { return Deadline::After(Threads().Now(), d); }

absl::Status ReadForever(Socket& socket) {
  char byte = 0;
  return socket.Read(absl::MakeSpan(&byte, 1)).status();
}
absl::Status WriteForever(Socket& socket) {
  const std::string much(1 << 20, 'x');
  absl::Status status;
  while (status.ok()) status = socket.Write(much);
  return status;
}

// Runs `wait` on a thread of its own and `disturb` here, in every order that chance gives: at once in
// even rounds, and after a moment, when the wait has begun, in odd ones.
absl::Status Disturb(int round, const std::function<absl::Status()>& wait,
                     const std::function<void()>& disturb) {
  absl::Status status;
  const Instant start = Threads().Now();
  std::thread waiting([&] { status = wait(); });
  if (round % 2 == 1) Threads().SleepUntil(In(absl::Milliseconds(1)), {});
  disturb();
  waiting.join();
  EXPECT_LT(Threads().Now() - start, kHang);
  return status;
}

// Go TestCloseUnblocksRead; close(2) alone would not wake the reader.
TEST(KernelThreads, CloseEndsAReadAndAWrite) {
  const size_t before = CountDescriptors();
  for (int round = 0; round < kRounds; ++round) {
    Pair pair = TcpPair();
    const bool reads = round % 4 < 2;
    const absl::Status status = Disturb(
        round, [&] { return reads ? ReadForever(pair.ours) : WriteForever(pair.ours); },
        [&] { pair.ours.Close(); });
    ASSERT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    ASSERT_EQ(pair.ours.fd(), -1);
  }
  EXPECT_EQ(CountDescriptors(), before);
}

TEST(KernelThreads, StopEndsAReadAndAWrite) {
  for (int round = 0; round < kRounds; ++round) {
    Pair pair = TcpPair();
    std::stop_source stop;
    pair.ours.set_stop_token(stop.get_token());
    const bool reads = round % 4 < 2;
    const absl::Status status = Disturb(
        round, [&] { return reads ? ReadForever(pair.ours) : WriteForever(pair.ours); },
        [&] { stop.request_stop(); });
    ASSERT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  }
}

// Go TestDeadlineRace, and a past deadline that wakes a pending read.
TEST(KernelThreads, AMovedDeadlineReachesAWait) {
  for (int round = 0; round < kRounds; ++round) {
    Pair pair = TcpPair();
    const absl::Status status = Disturb(
        round, [&] { return ReadForever(pair.ours); },
        [&] { pair.ours.set_deadline(Deadline::Past()); });
    ASSERT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    // Cleared, and a read waits again.
    pair.ours.set_deadline(Deadline::Never());
    const absl::Status again =
        Disturb(round, [&] { return ReadForever(pair.ours); }, [&] { pair.theirs.Send("x"); });
    ASSERT_TRUE(again.ok()) << again;
  }
}

TEST(KernelThreads, AMovedTimeoutReachesAWait) {
  for (int round = 0; round < kRounds; ++round) {
    Pair pair = TcpPair();
    const absl::Status status = Disturb(
        round, [&] { return ReadForever(pair.ours); },
        [&] { ASSERT_TRUE(pair.ours.set_operation_timeout(absl::Microseconds(10)).ok()); });
    ASSERT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  }
}

// Go TestConcurrentSetDeadline: two threads race to set it, and the last word holds.
TEST(KernelThreads, ThreadsRaceToSetDeadlines) {
  Pair pair = TcpPair();
  std::atomic<bool> done{false};
  std::vector<std::thread> racers;
  for (int i = 0; i < 2; ++i) {
    racers.emplace_back([&] {
      while (!done) pair.ours.set_deadline(In(absl::Milliseconds(1)));
    });
  }
  for (int i = 0; i < 20; ++i) {
    const Deadline guard = In(kHang);
    EXPECT_FALSE(guard.expired(Threads().Now()));
    pair.theirs.Send("x");
    (void)ReadForever(pair.ours);
  }
  done = true;
  for (std::thread& racer : racers) racer.join();
  pair.ours.set_deadline(Deadline::Past());
  EXPECT_EQ(ReadForever(pair.ours).code(), absl::StatusCode::kDeadlineExceeded);
}

// A thread that polled a closed number once read another connection's bytes. Here new connections
// take the numbers of closed ones as fast as they can, and each reader sees its own bytes alone.
TEST(KernelThreads, AClosedNumberIsNotReadThrough) {
  for (int round = 0; round < kRounds; ++round) {
    Pair pair = UnixPair();
    ASSERT_TRUE(pair.theirs.Send(std::string(1000, 'a')));
    std::atomic<bool> foreign{false};
    std::thread reader([&] {
      char byte = 'a';
      for (;;) {
        const absl::StatusOr<size_t> n = pair.ours.Read(absl::MakeSpan(&byte, 1));
        if (!n.ok()) return;
        if (byte != 'a') foreign = true;
      }
    });
    if (round % 2 == 1) Threads().SleepUntil(In(absl::Microseconds(100)), {});
    pair.ours.Close();
    std::vector<RawSocket> others;
    for (int i = 0; i < 4; ++i) {
      int ends[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
      others.emplace_back(ends[0]);
      others.emplace_back(ends[1]);
      ASSERT_TRUE(others.back().Send("zzzz"));
    }
    reader.join();
    ASSERT_FALSE(foreign);
    for (size_t i = 0; i < others.size(); i += 2) ASSERT_EQ(others[i].Receive(8), "zzzz");
  }
}

TEST(KernelThreads, OneReadsWhileAnotherWrites) {
  constexpr size_t kSize = 8 << 20;
  Pair pair = TcpPair();
  pair.ours.set_deadline(In(absl::Seconds(20)));
  std::thread echo([&] {
    for (;;) {
      const std::string bytes = pair.theirs.Receive(1 << 16);
      if (bytes.empty() || !pair.theirs.Send(bytes)) return;
    }
  });
  absl::Status written;
  std::thread writer([&] {
    written = pair.ours.Write(std::string(kSize, 'x'));
    if (written.ok()) written = pair.ours.ShutdownWrite();
  });
  const absl::StatusOr<std::string> echoed = pair.ours.ReadExactly(kSize);
  writer.join();
  echo.join();
  EXPECT_TRUE(written.ok()) << written;
  ASSERT_TRUE(echoed.ok()) << echoed.status();
  EXPECT_EQ(*echoed, std::string(kSize, 'x'));
}

}  // namespace
}  // namespace redial
