// Datagrams on the real kernel: what only a kernel can show. What holds everywhere stands in the
// conformance bodies.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/datagram.h"
#include "redial/failure.h"
#include "redial/runtime.h"
#include "tests/support/each_runtime.h"
#include "tests/support/kernel.h"

namespace redial {
namespace {

using testing::CountDescriptors;
using testing::In;

// Of this process alone, so that tests which run beside it don't take its ports.
const Address kLoopback = *Address::FromLiteral(testing::Host(1), 0);

class KernelDatagramTest : public testing::EachRuntime {
 protected:
  ~KernelDatagramTest() override { EXPECT_EQ(CountDescriptors(), descriptors_); }

  static Datagram Bind(const Address& local, const DatagramOptions& options = {}) {
    auto bound = Datagram::Bind(local, options);
    EXPECT_TRUE(bound.ok()) << bound.status();
    return *std::move(bound);
  }
  static Datagram Connect(const Address& peer, const DatagramConnectOptions& options = {}) {
    auto connected = Datagram::Connect(peer, In(absl::Seconds(10)), {}, options);
    EXPECT_TRUE(connected.ok()) << connected.status();
    return *std::move(connected);
  }
  static absl::StatusOr<std::string> Receive(Datagram& socket, size_t room = 512) {
    std::string bytes(room, '\0');
    const absl::StatusOr<size_t> n = socket.Receive(absl::MakeSpan(bytes.data(), room));
    if (!n.ok()) return n.status();
    bytes.resize(*n);
    return bytes;
  }
  // Nobody's, for as long as nobody is given it.
  static Address FreePort() { return Bind(kLoopback).local(); }

 private:
  // A thread's first wait opens a descriptor of its own, which it keeps.
  const bool warm_ =
      Runtime::Threads().SleepUntil(In(absl::Microseconds(1)), {}) == WaitResult::kTimedOut;
  const size_t descriptors_ = CountDescriptors();
};
ON_EACH_RUNTIME(KernelDatagramTest);

TEST_P(KernelDatagramTest, DescriptorsAreNonBlockingAndCloseOnExec) {
  Inside([&] {
    Datagram bound = Bind(kLoopback);
    Datagram connected = Connect(bound.local());
    for (const int fd : {bound.fd(), connected.fd()}) {
      EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    }
    bound.Close();
    EXPECT_EQ(bound.fd(), -1);
  });
}

TEST_P(KernelDatagramTest, BuffersAreAsBigAsAskedFor) {
  Inside([&] {
    // The kernel doubles what it is asked for, for its own bookkeeping.
    const auto size = [](const Datagram& socket, int option) {
      int bytes = 0;
      socklen_t length = sizeof(bytes);
      ::getsockopt(socket.fd(), SOL_SOCKET, option, &bytes, &length);
      return bytes;
    };
    const Datagram bound = Bind(kLoopback, {.send_buffer = 16384, .receive_buffer = 32768});
    EXPECT_EQ(size(bound, SO_SNDBUF), 2 * 16384);
    EXPECT_EQ(size(bound, SO_RCVBUF), 2 * 32768);
    EXPECT_EQ(Datagram::Bind(kLoopback, {.send_buffer = -1}).status().code(),
              absl::StatusCode::kInvalidArgument);
  });
}

TEST_P(KernelDatagramTest, APortThatIsTakenIsSaidToBe) {
  Inside([&] {
    const Datagram bound = Bind(kLoopback);
    const absl::Status taken = Datagram::Bind(bound.local()).status();
    EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(taken.message(), absl::StrCat("listen on ", bound.local().ToString(),
                                            ": address already in use (EADDRINUSE)"));
    const absl::Status elsewhere = Datagram::Bind(*Address::Parse("192.0.2.1:0")).status();
    EXPECT_EQ(elsewhere.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(elsewhere.message(),
              "listen on 192.0.2.1:0: not an address of this machine (EADDRNOTAVAIL)");
    EXPECT_EQ(Datagram::Bind(Address()).status().message(), "datagram: no address was given");
  });
}

TEST_P(KernelDatagramTest, AnAddressWithoutAWayToItIsSaidToBe) {
  Inside([&] {
    // The broadcast address needs a permission that nobody asked for.
    const absl::Status status = Datagram::Connect(*Address::Parse("255.255.255.255:9")).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_EQ(FailureOf(status)->phase, Phase::kConnect);
    EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  });
}

TEST_P(KernelDatagramTest, ConnectingFromAnAddressOfOnesOwn) {
  Inside([&] {
    Datagram service = Bind(kLoopback);
    Datagram client = Connect(service.local(), {.local = Address::Ipv4({127, 0, 0, 9}, 0)});
    ASSERT_TRUE(client.Send("x").ok());
    char buffer[4];
    const auto received = service.ReceiveFrom(absl::MakeSpan(buffer));
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->from, client.local());
    EXPECT_EQ(received->from.HostString(), "127.0.0.9");
  });
}

// A client of a service that isn't there would otherwise answer its own queries, once in some 28000
// times.
TEST_P(KernelDatagramTest, NobodyIsItsOwnPeer) {
  Inside([&] {
    const Address nobody = Bind(Address::Ipv4({127, 0, 0, 1}, 0)).local();
    for (int i = 0; i < 60'000; ++i) {
      auto socket = Datagram::Connect(nobody);
      ASSERT_TRUE(socket.ok()) << socket.status();
      ASSERT_NE(socket->local(), nobody);
    }
  });
}

class UnixDatagramTest : public KernelDatagramTest {
 protected:
  static Address Path(const std::string& name) {
    return *Address::Unix(absl::StrCat("@redial-datagram-test-", ::getpid(), "-", name));
  }
};
ON_EACH_RUNTIME(UnixDatagramTest);

TEST_P(UnixDatagramTest, GoesThereAndBack) {
  Inside([&] {
    Datagram service = Bind(Path("service"));
    Datagram client = Connect(Path("service"), {.local = Path("client")});
    ASSERT_TRUE(client.Send("query").ok());
    char buffer[16];
    const auto received = service.ReceiveFrom(absl::MakeSpan(buffer));
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->from, Path("client"));
    ASSERT_TRUE(service.SendTo("reply", received->from).ok());
    EXPECT_EQ(*Receive(client), "reply");
  });
}

TEST_P(UnixDatagramTest, ATargetNamesIt) {
  Inside([&] {
    Datagram service = Bind(Path("service"));
    auto client =
        Datagram::Connect(*Target::Parse(absl::StrCat("unix://", Path("service").path())));
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Send("x").ok());
    char buffer[16];
    const auto received = service.ReceiveFrom(absl::MakeSpan(buffer));
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->from, Address());
    EXPECT_EQ(
        Datagram::Connect(Path("nobody")).status().message(),
        absl::StrCat("connect to ", Path("nobody").path(), ": connection refused (ECONNREFUSED)"));
  });
}

// The receiver's queue is bounded (net.unix.max_dgram_qlen); a sender waits for it.
TEST_P(UnixDatagramTest, ASenderWaitsForTheReceiversQueue) {
  Inside([&] {
    Datagram service = Bind(Path("service"));
    for (const bool connected : {true, false}) {
      Datagram sender = connected ? Connect(Path("service")) : Bind(Path("sender"));
      const auto send = [&] {
        return connected ? sender.Send("x") : sender.SendTo("x", Path("service"));
      };
      ASSERT_TRUE(sender.set_operation_timeout(absl::Milliseconds(20)).ok());
      absl::Status status;
      while (status.ok()) status = send();
      EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
      ASSERT_TRUE(sender.set_operation_timeout(absl::Seconds(10)).ok());
      auto reader = Runtime::Current().Spawn([&] {
        testing::Sleep(absl::Milliseconds(10));
        ASSERT_TRUE(service.set_operation_timeout(absl::ZeroDuration()).ok());
        while (Receive(service).ok()) {
        }
      });
      EXPECT_TRUE(send().ok());
      reader->Join();
      while (Receive(service).ok()) {
      }
    }
  });
}

TEST_P(UnixDatagramTest, APathGoesWithItsSocket) {
  Inside([&] {
    const std::string path = absl::StrCat("/tmp/redial-datagram-", ::getpid());
    struct stat status{};
    {
      Datagram service = Bind(*Address::Unix(path));
      EXPECT_EQ(service.local().path(), path);
      EXPECT_EQ(::stat(path.c_str(), &status), 0);
    }
    EXPECT_NE(::stat(path.c_str(), &status), 0);
  });
}

}  // namespace
}  // namespace redial
