// What only real threads do to a socket in use: they hit any instruction of it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "redial/dial.h"
#include "redial/listener.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/target.h"
#include "tests/support/each_runtime.h"
#include "tests/support/kernel.h"
#include "tests/support/raw_socket.h"

namespace redial {
namespace {

using testing::CountDescriptors;
using testing::In;
using testing::Pair;
using testing::RawSocket;
using testing::TcpPair;
using testing::UnixPair;

constexpr absl::Duration kHang = absl::Seconds(2);
constexpr int kRounds = 100;

class KernelThreads : public testing::EachRuntime {};
ON_EACH_RUNTIME(KernelThreads);

absl::Status ReadForever(Socket& socket) {
  char byte = 0;
  return socket.Read(absl::MakeSpan(&byte, 1)).status();
}
// Go TestConcurrentSetDeadline: two threads race to set it, and the last word holds.
TEST_P(KernelThreads, ThreadsRaceToSetDeadlines) {
  Inside([&] {
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
      EXPECT_FALSE(guard.expired(Runtime::Current().Now()));
      pair.theirs.Send("x");
      (void)ReadForever(pair.ours);
    }
    done = true;
    for (std::thread& racer : racers) racer.join();
    pair.ours.set_deadline(Deadline::Past());
    EXPECT_EQ(ReadForever(pair.ours).code(), absl::StatusCode::kDeadlineExceeded);
  });
}

// A thread that polled a closed number once read another connection's bytes. Here new connections
// take the numbers of closed ones as fast as they can, and each reader sees its own bytes alone.
TEST_P(KernelThreads, AClosedNumberIsNotReadThrough) {
  Inside([&] {
    for (int round = 0; round < kRounds; ++round) {
      Pair pair = UnixPair();
      ASSERT_TRUE(pair.theirs.Send(std::string(1000, 'a')));
      std::atomic<bool> foreign{false};
      auto reader = Runtime::Current().Spawn([&] {
        char byte = 'a';
        for (;;) {
          const absl::StatusOr<size_t> n = pair.ours.Read(absl::MakeSpan(&byte, 1));
          if (!n.ok()) return;
          if (byte != 'a') foreign = true;
        }
      });
      ASSERT_TRUE(reader.ok()) << reader.status();
      if (round % 2 == 1) testing::Sleep(absl::Microseconds(100));
      pair.ours.Close();
      std::vector<RawSocket> others;
      for (int i = 0; i < 4; ++i) {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        others.emplace_back(ends[0]);
        others.emplace_back(ends[1]);
        ASSERT_TRUE(others.back().Send("zzzz"));
      }
      reader->Join();
      ASSERT_FALSE(foreign);
      for (size_t i = 0; i < others.size(); i += 2) ASSERT_EQ(others[i].Receive(8), "zzzz");
    }
  });
}

// Go TestCancelAfterDial, with a stop that comes a few nanoseconds later each time: either a
// cancelled dial that left nothing behind, or a socket that works once it has another token.
TEST_P(KernelThreads, AStopAtTheMomentOfSuccessPoisonsNothing) {
  Inside([&] {
    absl::StatusOr<Listener> listener = Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0));
    ASSERT_TRUE(listener.ok()) << listener.status();
    const Target target = *Target::Parse("tcp://" + listener->local().ToString());
    const size_t before = CountDescriptors();
    for (int round = 0; round < 200; ++round) {
      std::stop_source stop;
      std::atomic<bool> go{false};
      std::jthread stopper([&] {
        go.wait(false);
        for (int spin = 0; spin < round * 20; ++spin) {
          std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        stop.request_stop();
      });
      go = true;
      go.notify_one();
      auto socket = Dial(target, In(kHang), stop.get_token());
      stopper.join();
      if (!socket.ok()) {
        ASSERT_EQ(socket.status().code(), absl::StatusCode::kCancelled);
        continue;
      }
      socket->set_stop_token({});
      ASSERT_EQ(socket->Write("ping\n"), absl::OkStatus());
      // Those whose dial was cancelled after the kernel had connected end at once.
      for (;;) {
        auto server = listener->Accept(In(kHang));
        ASSERT_EQ(server.status(), absl::OkStatus());
        auto line = server->ReadUntil("\n");
        if (!line.ok()) continue;
        EXPECT_EQ(*line, "ping\n");
        break;
      }
    }
    EXPECT_EQ(CountDescriptors(), before);
  });
}

}  // namespace
}  // namespace redial
