// What only the kernel has: options, descriptors and their flags, errnos that somebody else fetches,
// ports that connect to themselves, files that a path leaves behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/target.h"
#include "src/net/sockaddr.h"
#include "tests/support/each_runtime.h"
#include "tests/support/kernel.h"
#include "tests/support/raw_socket.h"

namespace redial {
namespace {

using testing::CountDescriptors;
using testing::In;
using testing::RawSocket;

constexpr absl::Duration kHang = absl::Seconds(2);
const Address kAnyPort = Address::Ipv4({127, 0, 0, 1}, 0);

// Connects as a dial of one address does.
absl::StatusOr<std::unique_ptr<Stream>> Start(const Address& address) {
  return KernelNetwork().StartConnect(address, SocketOptions());
}
int Finish(Stream& stream, absl::Duration limit = kHang) {
  const Deadline deadline = In(limit);
  for (;;) {
    const Io io = stream.FinishConnect();
    if (io.error != EAGAIN) return io.error;
    if (io.want == nullptr) return EAGAIN;
    if (Runtime::Current().Wait(*io.want, deadline, {}) != WaitResult::kReady) return ETIMEDOUT;
  }
}
absl::StatusOr<Socket> Connect(const Address& address) {
  absl::StatusOr<std::unique_ptr<Stream>> stream = Start(address);
  if (!stream.ok()) return stream.status();
  if (const int error = Finish(**stream)) return absl::UnavailableError(ErrnoName(error));
  return Socket(*std::move(stream));
}
int Option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

// A directory of its own for the paths of Unix sockets.
class PathTest : public ::testing::Test {
 protected:
  PathTest() { EXPECT_NE(::mkdtemp(directory_.data()), nullptr); }
  ~PathTest() override {
    ::unlink((directory_ + "/s").c_str());
    EXPECT_EQ(::rmdir(directory_.c_str()), 0) << directory_;
  }
  Address path() const { return *Address::Unix(directory_ + "/s"); }

 private:
  std::string directory_ = "/tmp/redial-test-XXXXXX";
};

class EveryFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryFamily, ConnectsWithDescriptorsThatArePrivate) {
  const size_t before = CountDescriptors();
  {
    absl::StatusOr<Listener> listener = Listener::Listen(*Address::Parse(GetParam()));
    ASSERT_TRUE(listener.ok()) << listener.status();
    absl::StatusOr<Socket> client = Connect(listener->local());
    ASSERT_TRUE(client.ok()) << client.status();
    absl::StatusOr<Socket> server = listener->Accept(In(kHang));
    ASSERT_TRUE(server.ok()) << server.status();
    EXPECT_EQ(client->peer(), listener->local());
    EXPECT_EQ(server->local(), listener->local());
    EXPECT_EQ(server->peer(), client->local());
    ASSERT_TRUE(client->Write("ping").ok());
    EXPECT_EQ(*server->ReadExactly(4), "ping");
    for (const int fd : {client->fd(), server->fd()}) {
      EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    }
  }
  EXPECT_EQ(CountDescriptors(), before);
}
INSTANTIATE_TEST_SUITE_P(Kernel, EveryFamily,
                         ::testing::Values("127.0.0.1:0", "[::1]:0", "@redial-kernel-test"));

TEST(KernelConnect, SetsItsOptions) {
  const RawSocket listener = RawSocket::Listener();
  absl::StatusOr<std::unique_ptr<Stream>> stream = Start(listener.local());
  ASSERT_TRUE(stream.ok());
  const int fd = (*stream)->fd();
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);
}

TEST(KernelConnect, LeavesOptionsAloneWhereItIsTold) {
  const RawSocket listener = RawSocket::Listener();
  SocketOptions options;
  options.no_delay = false;
  options.keepalive_idle = absl::InfiniteDuration();
  options.user_timeout = absl::InfiniteDuration();
  options.receive_buffer = 8192;
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      KernelNetwork().StartConnect(listener.local(), options);
  ASSERT_TRUE(stream.ok());
  const int fd = (*stream)->fd();
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_RCVBUF), 2 * 8192);  // the kernel doubles it
}

// Somebody who fetches SO_ERROR first must not make it look as if it went on for ever.
TEST(KernelConnect, ALostErrnoIsStillAFailure) {
  RawSocket listener = RawSocket::Listener();
  const Address address = listener.local();
  listener.Close();
  absl::StatusOr<std::unique_ptr<Stream>> stream = Start(address);
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ(Option((*stream)->fd(), SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(Finish(**stream), ECONNABORTED);
}

// A port that nobody listens on, of the kind that the kernel gives to those who connect.
Address PortForConnects() {
  const RawSocket listener = RawSocket::Listener();
  RawSocket client = RawSocket::Connect(listener.local());
  const RawSocket server = listener.Accept();
  const Address address = client.local();
  client.Reset();
  return address;
}

// Connects to it until the kernel gives that very port to the caller. Linux goes on by one to eight
// ports at random, so that it may pass that one many times.
bool ReachesItself(const Address& address) {
  constexpr int kDials = 400'000;
  const internal::SockAddr to = internal::ToSockAddr(address);
  for (int dial = 0; dial < kDials; ++dial) {
    RawSocket socket(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.fd(), to.get(), to.size) != 0) continue;
    const bool reached_itself = socket.local() == address;
    socket.Reset();
    if (reached_itself) return true;
  }
  return false;
}

// Go dials again when it reached itself (selfConnect), and so does redial.
TEST(KernelConnect, NeverReachesItself) {
  constexpr int kDials = 80'000;  // each such port comes up twice or more
  const Address address = PortForConnects();
  ASSERT_TRUE(ReachesItself(address)) << "this kernel has no such trap";
  for (int dial = 0; dial < kDials; ++dial) {
    absl::StatusOr<std::unique_ptr<Stream>> stream = Start(address);
    ASSERT_TRUE(stream.ok()) << stream.status();
    // Somebody else may listen there by now; what counts is that it isn't us.
    if ((*stream)->FinishConnect().error != 0) continue;
    ASSERT_NE((*stream)->local(), (*stream)->peer()) << "dial " << dial;
  }
}

TEST_F(PathTest, ItsPathGoesWithTheListener) {
  const std::string file = path().path();
  {
    const absl::StatusOr<Listener> listener = Listener::Listen(path());
    ASSERT_TRUE(listener.ok());
    EXPECT_EQ(::access(file.c_str(), F_OK), 0);
  }
  EXPECT_NE(::access(file.c_str(), F_OK), 0);
}

TEST_F(PathTest, AnothersPathStays) {
  const std::string file = path().path();
  std::optional<Listener> first = *Listener::Listen(path());
  const std::string aside = file + ".old";
  ASSERT_EQ(::rename(file.c_str(), aside.c_str()), 0);
  const absl::StatusOr<Listener> second = Listener::Listen(path());
  ASSERT_TRUE(second.ok());
  first.reset();
  EXPECT_EQ(::access(file.c_str(), F_OK), 0);
  EXPECT_EQ(::unlink(aside.c_str()), 0);
}

TEST(KernelAccept, AcceptedSocketsHaveTheOptions) {
  absl::StatusOr<Listener> listener = Listener::Listen(kAnyPort);
  ASSERT_TRUE(listener.ok());
  const RawSocket client = RawSocket::Connect(listener->local());
  const absl::StatusOr<Socket> accepted = listener->Accept(In(kHang));
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(Option(accepted->fd(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option(accepted->fd(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(accepted->fd(), IPPROTO_TCP, TCP_KEEPIDLE), 15);
  EXPECT_EQ(Option(accepted->fd(), IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);
}

class OutOfDescriptors : public testing::EachRuntime {};
ON_EACH_RUNTIME(OutOfDescriptors);

TEST_ON_EACH_RUNTIME(OutOfDescriptors, EndsAnAcceptWithAnErrorThatPasses) {
  absl::StatusOr<Listener> listener = Listener::Listen(kAnyPort);
  ASSERT_TRUE(listener.ok());
  const RawSocket client = RawSocket::Connect(listener->local());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status accept = listener->Accept(In(kHang)).status();
  const absl::Status connect = Start(listener->local()).status();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(accept.code(), absl::StatusCode::kResourceExhausted) << accept;
  EXPECT_EQ(FailureOf(accept)->error, EMFILE);
  EXPECT_EQ(connect.code(), absl::StatusCode::kResourceExhausted) << connect;
  EXPECT_TRUE(listener->Accept(In(kHang)).ok());
}

TEST_ON_EACH_RUNTIME(OutOfDescriptors, EndsADialThatSaysSo) {
  const std::string host = testing::Host(1);
  const uint16_t port = testing::FreePort(host);
  const Target target = *Target::Parse(absl::StrCat("tcp://", host, ":", port));
  const testing::NoMoreDescriptors none;
  const absl::Status status = Dial(target, In(kHang)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FailureOf(status)->error, EMFILE);
  EXPECT_THAT(std::string(status.message()),
              ::testing::StartsWith(absl::StrCat("connect to ", host, ":", port,
                                                 " failed: too many open files (EMFILE) after ")));
}

}  // namespace
}  // namespace redial
