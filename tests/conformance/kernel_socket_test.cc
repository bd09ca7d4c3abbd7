// A socket's limits, errors and losses on the real kernel. Peers' tests are named where an oracle is
// theirs. Timed tests assert "never early" exactly; how late is a benchmark's business.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "redial/failure.h"
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

Runtime& Threads() { return Runtime::Threads(); }
Deadline In(absl::Duration d) { return Deadline::After(Threads().Now(), d); }

absl::StatusOr<size_t> ReadByte(Socket& socket) {
  char byte = 0;
  return socket.Read(absl::MakeSpan(&byte, 1));
}

// How long `work` took, which must be less than it takes to call it hung.
template <typename Work>
absl::Duration Timed(Work work) {
  const Instant start = Threads().Now();
  work();
  const absl::Duration took = Threads().Now() - start;
  EXPECT_LT(took, kHang);
  return took;
}

class KernelSocketTest : public ::testing::Test {
 protected:
  ~KernelSocketTest() override { EXPECT_EQ(CountDescriptors(), descriptors_); }

 private:
  // A thread's first wait opens a descriptor of its own, which it keeps.
  const bool warm_ = Threads().SleepUntil(In(absl::Microseconds(1)), {}) == WaitResult::kTimedOut;
  const size_t descriptors_ = CountDescriptors();
};

// Go TestReadTimeoutFluctuation, without its upper bound.
TEST_F(KernelSocketTest, ReadsTimeOutNeverEarly) {
  Pair pair = TcpPair();
  for (const int ms : {1, 2, 5, 20, 50}) {
    const absl::Duration timeout = absl::Milliseconds(ms);
    ASSERT_TRUE(pair.ours.set_operation_timeout(timeout).ok());
    absl::Status status;
    EXPECT_GE(Timed([&] { status = ReadByte(pair.ours).status(); }), timeout);
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_GE(FailureOf(status)->elapsed, timeout);
  }
}

// Go TestReadTimeout, TestWriteTimeout: a deadline in the past, with data ready and room to write.
TEST_F(KernelSocketTest, AnExpiredDeadlineTouchesNothing) {
  Pair pair = TcpPair();
  ASSERT_TRUE(pair.theirs.Send("ready"));
  pair.ours.set_deadline(In(absl::ZeroDuration()));
  EXPECT_EQ(ReadByte(pair.ours).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pair.ours.Write("x").code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pair.ours.bytes_sent(), 0u);
  pair.ours.set_deadline(Deadline::Never());
  EXPECT_EQ(*pair.ours.ReadExactly(5), "ready");
}

// CPython test_socket, PEP 475: signals neither stretch a timeout nor shorten it.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action{};
    action.sa_handler = [](int) {};  // without SA_RESTART
    ::sigaction(SIGPROF, &action, &before_);
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGPROF;
    ::timer_create(CLOCK_MONOTONIC, &event, &timer_);
    const itimerspec each_ms{.it_interval = {0, 1'000'000}, .it_value = {0, 1'000'000}};
    ::timer_settime(timer_, 0, &each_ms, nullptr);
  }
  ~SignalStorm() {
    ::timer_delete(timer_);
    ::sigaction(SIGPROF, &before_, nullptr);
  }

 private:
  timer_t timer_{};
  struct sigaction before_{};
};

TEST_F(KernelSocketTest, SignalsDontChangeATimeout) {
  Pair pair = TcpPair();
  ASSERT_TRUE(pair.ours.set_operation_timeout(absl::Milliseconds(60)).ok());
  const SignalStorm storm;
  absl::Status status;
  EXPECT_GE(Timed([&] { status = ReadByte(pair.ours).status(); }), absl::Milliseconds(60));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST_F(KernelSocketTest, SignalsLoseNoData) {
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
}

// The connection stands, and nothing more comes.
TEST_F(KernelSocketTest, ADeadPeerIsLeftByTheDeadline) {
  Pair pair = TcpPair();
  pair.theirs.DropIncoming();
  pair.ours.set_deadline(In(absl::Milliseconds(30)));
  absl::Status status;
  const absl::Duration took = Timed([&] {
    status = pair.ours.Write("GET\r\n");
    if (status.ok()) status = pair.ours.ReadUntil("\r\n").status();
  });
  EXPECT_GE(took, absl::Milliseconds(29));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
  EXPECT_EQ(FailureOf(status)->phase, Phase::kRead);
  pair.theirs.Reset();
}

// A byte a second, at a byte a millisecond: each one alone is in time.
TEST_F(KernelSocketTest, ATrickleIsHeldToTheDeadline) {
  Pair pair = TcpPair();
  std::stop_source enough;
  std::thread peer([&] {
    while (pair.theirs.Send("x") && !enough.stop_requested()) {
      Threads().SleepUntil(In(absl::Milliseconds(1)), {});
    }
  });
  ASSERT_TRUE(pair.ours.set_operation_timeout(absl::Milliseconds(500)).ok());
  const Deadline deadline = In(absl::Milliseconds(50));
  pair.ours.set_deadline(deadline);
  absl::Status status;
  Timed([&] { status = pair.ours.ReadUntil("\n").status(); });
  EXPECT_TRUE(deadline.expired(Threads().Now()));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  enough.request_stop();
  peer.join();
}

// Go TestReadTimeoutMustNotReturn and TestVariousDeadlines: a firehose never blocks a read, and the
// deadline holds all the same.
TEST_F(KernelSocketTest, AFirehoseIsHeldToTheDeadline) {
  Pair pair = TcpPair();
  std::thread peer([&] {
    const std::string much(1 << 16, 'x');
    while (pair.theirs.Send(much)) {
    }
    pair.theirs.Close();
  });
  for (const absl::Duration d : {absl::Nanoseconds(1), absl::Microseconds(1), absl::Milliseconds(1),
                                 absl::Milliseconds(10), absl::Milliseconds(50)}) {
    const Deadline deadline = In(d);
    pair.ours.set_deadline(deadline);
    absl::Status status;
    Timed([&] { status = pair.ours.ReadUntil("\n", {.max_bytes = size_t{1} << 40}).status(); });
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_TRUE(deadline.expired(Threads().Now()));
  }
  pair.ours.Close();
  peer.join();
}

// CPython's timed-out bulk send, and the count that sockpp loses.
TEST_F(KernelSocketTest, AWriteThatTimesOutCountsWhatWentOut) {
  Pair pair = TcpPair();
  ASSERT_TRUE(pair.ours.set_operation_timeout(absl::Milliseconds(20)).ok());
  const absl::Status status = pair.ours.Write(std::string(64 << 20, 'x'));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  const size_t out = pair.ours.last_write_bytes();
  EXPECT_GT(out, 0u);
  EXPECT_EQ(out, pair.ours.bytes_sent());
  EXPECT_EQ(FailureOf(status)->bytes_sent, out);
  ASSERT_TRUE(pair.ours.ShutdownWrite().ok());
  size_t received = 0;
  for (;;) {
    const std::string bytes = pair.theirs.Receive(1 << 20);
    if (bytes.empty()) break;
    received += bytes.size();
  }
  EXPECT_EQ(received, out);
}

// A reset at every byte of a reply. The kernel reports it once; it is kept.
TEST_F(KernelSocketTest, AResetAtEveryByteOfAReply) {
  const std::string reply = "$5\r\nhello\r\n";
  for (size_t cut = 0; cut < reply.size(); ++cut) {
    SCOPED_TRACE(cut);
    Pair pair = TcpPair();
    pair.ours.set_deadline(In(kHang));
    ASSERT_TRUE(pair.ours.Write("GET x\r\n").ok());
    ASSERT_EQ(pair.theirs.Receive(7), "GET x\r\n");
    ASSERT_TRUE(pair.theirs.Send(reply.substr(0, cut)));
    pair.theirs.Reset();
    const absl::Status status = pair.ours.ReadExactly(reply.size()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    const Failure failure = *FailureOf(status);
    EXPECT_EQ(failure.error, ECONNRESET);
    EXPECT_EQ(failure.bytes_received, cut);
    EXPECT_EQ(failure.sent, cut == 0 ? Sent::kMaybe : Sent::kAnswered);
    EXPECT_EQ(pair.ours.ReadExactly(cut).value_or("lost"), reply.substr(0, cut));
    for (int again = 0; again < 3; ++again) {
      const absl::StatusOr<size_t> n = ReadByte(pair.ours);
      ASSERT_FALSE(n.ok());
      EXPECT_EQ(FailureOf(n.status())->error, ECONNRESET);
    }
  }
}

// The reset is told to the writer here, and yet a reader hears of it.
TEST_F(KernelSocketTest, AResetThatAWriteSawIsToldToReadsToo) {
  Pair pair = TcpPair();
  pair.theirs.Reset();
  const absl::Status status = pair.ours.Write("x");
  EXPECT_EQ(FailureOf(status)->error, ECONNRESET) << status;
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  EXPECT_EQ(FailureOf(ReadByte(pair.ours).status())->error, ECONNRESET);
}

// A reply that is cut short.
TEST_F(KernelSocketTest, AShortBodyIsNotSuccess) {
  Pair pair = UnixPair();
  ASSERT_TRUE(pair.theirs.Send("abc"));
  pair.theirs.Close();
  const absl::Status status = pair.ours.ReadExactly(5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "read: closed by the peer after 3 of 5 bytes");
  EXPECT_EQ(*pair.ours.ReadExactly(3), "abc");
  EXPECT_EQ(*ReadByte(pair.ours), 0u);
}

// A reply, then a close: the second write fails, the reply is still there, and no signal is raised.
TEST_F(KernelSocketTest, AReplyBeforeTheEndIsNotLost) {
  Pair pair = TcpPair();
  pair.ours.set_deadline(In(kHang));
  ASSERT_TRUE(pair.ours.Write("POST\r\n").ok());
  ASSERT_EQ(pair.theirs.Receive(16), "POST\r\n");
  ASSERT_TRUE(pair.theirs.Send("413 too large\r\n"));
  pair.theirs.Close();
  absl::Status status;
  while (status.ok()) status = pair.ours.Write("body");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(FailureOf(status)->sent, Sent::kAnswered);
  EXPECT_EQ(FailureOf(status)->bytes_received, 0u);
  EXPECT_EQ(pair.ours.ReadUntil("\r\n").value_or("lost"), "413 too large\r\n");
}

TEST_F(KernelSocketTest, ShutdownWriteLetsReadingGoOn) {
  Pair pair = TcpPair();
  ASSERT_TRUE(pair.ours.Write("last").ok());
  ASSERT_TRUE(pair.ours.ShutdownWrite().ok());
  EXPECT_EQ(pair.theirs.Receive(4), "last");
  EXPECT_EQ(pair.theirs.Receive(4), "");
  ASSERT_TRUE(pair.theirs.Send("reply"));
  EXPECT_EQ(*pair.ours.ReadExactly(5), "reply");
  EXPECT_EQ(FailureOf(pair.ours.Write("more"))->error, EPIPE);
}

// select() ends at 1024.
TEST_F(KernelSocketTest, HighDescriptorsWait) {
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
}

TEST_F(KernelSocketTest, AdoptTakesConnectedStreamsOnly) {
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
}

TEST_F(KernelSocketTest, AdoptMakesDescriptorsNonBlockingAndPrivate) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const RawSocket theirs(ends[1]);
  const absl::StatusOr<Socket> socket = Socket::Adopt(ends[0]);
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(socket->fd(), ends[0]);
  EXPECT_NE(::fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(ends[0], F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace redial
