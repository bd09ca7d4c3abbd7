// What only the kernel has: signals, high descriptor numbers, descriptors that somebody else opened.
// What holds in every world stands in the files beside this one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "redial/failure.h"
#include "redial/runtime.h"
#include "redial/socket.h"
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

constexpr absl::Duration kHang = absl::Seconds(2);

absl::StatusOr<size_t> ReadByte(Socket& socket) {
  char byte = 0;
  return socket.Read(absl::MakeSpan(&byte, 1));
}

// How long `work` took, which must be less than it takes to call it hung.
template <typename Work>
absl::Duration Timed(Work work) {
  const Instant start = Runtime::Current().Now();
  work();
  const absl::Duration took = Runtime::Current().Now() - start;
  EXPECT_LT(took, kHang);
  return took;
}

class KernelSocketTest : public testing::EachRuntime {
 protected:
  ~KernelSocketTest() override { EXPECT_EQ(CountDescriptors(), descriptors_); }

 private:
  // A thread's first wait opens a descriptor of its own, which it keeps.
  const bool warm_ =
      Runtime::Threads().SleepUntil(In(absl::Microseconds(1)), {}) == WaitResult::kTimedOut;
  const size_t descriptors_ = CountDescriptors();
};
ON_EACH_RUNTIME(KernelSocketTest);

// Interrupts the calling thread a thousand times a second.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action{};
    action.sa_handler = [](int) { hits_.fetch_add(1, std::memory_order_relaxed); };
    ::sigaction(SIGPROF, &action, &before_);  // without SA_RESTART
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
    event._sigev_un._tid = ::gettid();
    ::timer_create(CLOCK_MONOTONIC, &event, &timer_);
    const itimerspec each_ms{.it_interval = {0, 1'000'000}, .it_value = {0, 1'000'000}};
    ::timer_settime(timer_, 0, &each_ms, nullptr);
  }
  ~SignalStorm() {
    ::timer_delete(timer_);
    ::sigaction(SIGPROF, &before_, nullptr);
  }
  static int hits() { return hits_.load(std::memory_order_relaxed); }

 private:
  static inline std::atomic<int> hits_{0};  // only counted, by a signal handler too
  timer_t timer_{};
  struct sigaction before_{};
};

// CPython test_socket, PEP 475: signals neither stretch a timeout nor shorten it.
TEST_P(KernelSocketTest, SignalsDontChangeATimeout) {
  Inside([&] {
    Pair pair = TcpPair();
    ASSERT_TRUE(pair.ours.set_operation_timeout(absl::Milliseconds(60)).ok());
    const int before = SignalStorm::hits();
    const SignalStorm storm;
    absl::Status status;
    EXPECT_GE(Timed([&] { status = ReadByte(pair.ours).status(); }), absl::Milliseconds(60));
    EXPECT_GT(SignalStorm::hits(), before);
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  });
}

TEST_P(KernelSocketTest, SignalsLoseNoData) {
  Inside([&] {
    constexpr size_t kSize = 16 << 20;
    Pair pair = TcpPair();
    pair.ours.set_deadline(In(absl::Seconds(20)));
    const SignalStorm storm;
    std::thread echo([&] {
      size_t left = kSize;
      while (left > 0) {
        const std::string bytes = pair.theirs.Receive(std::min<size_t>(left, 100'000));
        if (bytes.empty()) return;
        left -= bytes.size();
      }
      pair.theirs.Send(std::string(kSize, 'r'));
    });
    EXPECT_TRUE(pair.ours.Write(std::string(kSize, 'w')).ok());
    const absl::StatusOr<std::string> reply = pair.ours.ReadExactly(kSize);
    echo.join();
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(*reply, std::string(kSize, 'r'));
    EXPECT_EQ(pair.ours.bytes_sent(), kSize);
  });
}

// select() ends at 1024.
TEST_P(KernelSocketTest, HighDescriptorsWait) {
  Inside([&] {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const RawSocket theirs(ends[1]);
    const RawSocket low(ends[0]);
    const int high = ::fcntl(low.fd(), F_DUPFD_CLOEXEC, 1900);
    ASSERT_GE(high, 1900) << "the limit on descriptors is too low for this test";
    absl::StatusOr<Socket> socket = Socket::Adopt(high);
    ASSERT_TRUE(socket.ok());
    ASSERT_TRUE(socket->set_operation_timeout(absl::Milliseconds(5)).ok());
    EXPECT_EQ(ReadByte(*socket).status().code(), absl::StatusCode::kDeadlineExceeded);
    ASSERT_TRUE(theirs.Send("x"));
    EXPECT_EQ(*ReadByte(*socket), 1u);
  });
}

TEST_P(KernelSocketTest, AdoptTakesConnectedStreamsOnly) {
  Inside([&] {
    const auto message = [](int fd) { return std::string(Socket::Adopt(fd).status().message()); };
    EXPECT_EQ(message(-1), "Adopt: descriptor -1 is not open");
    const RawSocket file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(message(file.fd()),
              "Adopt: descriptor " + std::to_string(file.fd()) + " is not a socket");
    const RawSocket datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(message(datagram.fd()),
              "Adopt: descriptor " + std::to_string(datagram.fd()) + " is not a stream socket");
    const RawSocket listener = RawSocket::Listener();
    EXPECT_EQ(message(listener.fd()),
              "Adopt: descriptor " + std::to_string(listener.fd()) + " is not connected");
  });
}

TEST_P(KernelSocketTest, AdoptMakesDescriptorsNonBlockingAndPrivate) {
  Inside([&] {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const RawSocket theirs(ends[1]);
    const absl::StatusOr<Socket> socket = Socket::Adopt(ends[0]);
    ASSERT_TRUE(socket.ok());
    EXPECT_EQ(socket->fd(), ends[0]);
    EXPECT_NE(::fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(ends[0], F_GETFD) & FD_CLOEXEC, 0);
  });
}

}  // namespace
}  // namespace redial
