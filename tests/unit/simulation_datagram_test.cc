// Datagrams between simulated hosts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/datagram.h"
#include "redial/failure.h"
#include "redial/runtime.h"
#include "redial/testing/simulation.h"

namespace redial::testing {
namespace {

Address At(std::string_view text) { return *Address::Parse(text); }
Deadline In(absl::Duration timeout) { return Deadline::After(Runtime::Current().Now(), timeout); }
void Sleep(absl::Duration time) { Runtime::Current().SleepUntil(In(time), {}); }

Datagram BindTo(std::string_view address, const DatagramOptions& options = {}) {
  return *Datagram::Bind(At(address), options);
}
Datagram ConnectTo(const std::string& target) {
  return *Datagram::Connect(*Target::Parse(target), In(absl::Seconds(10)));
}
absl::StatusOr<std::string> Receive(Datagram& socket) {
  std::string bytes(512, '\0');
  const absl::StatusOr<size_t> n = socket.Receive(absl::MakeSpan(bytes.data(), bytes.size()));
  if (!n.ok()) return n.status();
  bytes.resize(*n);
  return bytes;
}
int ErrnoOf(const absl::Status& status) {
  const auto failure = FailureOf(status);
  return failure ? failure->error : 0;
}

// Answers everything with itself.
void Echo() {
  Datagram socket = BindTo("0.0.0.0:7");
  char buffer[512];
  for (;;) {
    const auto received = socket.ReceiveFrom(absl::MakeSpan(buffer));
    if (!received.ok()) return;
    socket.SendTo({buffer, received->size}, received->from).IgnoreError();
  }
}

class SimulationDatagramTest : public ::testing::Test {
 protected:
  void Run() { EXPECT_EQ(sim_.Run(), absl::OkStatus()); }
  // What of 1000 numbered datagrams arrives at the server, in the order in which it does.
  std::vector<int> SendThousand() {
    std::vector<int> arrived;
    server_.Run("sink", [&] {
      Datagram socket = BindTo("0.0.0.0:7");
      ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(5)).ok());
      for (auto data = Receive(socket); data.ok(); data = Receive(socket)) {
        arrived.push_back(std::stoi(*data));
      }
    });
    client_.Run("source", [] {
      Datagram socket = ConnectTo("udp://server:7");
      for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(socket.Send(absl::StrCat(i)).ok());
        Sleep(absl::Milliseconds(1));
      }
    });
    Run();
    return arrived;
  }

  Simulation sim_{1};
  SimulatedHost& server_ = sim_.AddHost("server");
  SimulatedHost& client_ = sim_.AddHost("client");
};

TEST_F(SimulationDatagramTest, OneGoesThereAndBack) {
  server_.Serve("echo", Echo);
  client_.Run("ask", [] {
    Datagram socket = ConnectTo("udp://server:7");
    ASSERT_TRUE(socket.Send("hello").ok());
    EXPECT_EQ(*Receive(socket), "hello");
  });
  Run();
  EXPECT_EQ(sim_.Trace(),
            "0.001s client:32768 > server:7 datagram 5\n"
            "0.002s server:7 > client:32768 datagram 5\n");
  EXPECT_EQ(sim_.elapsed(), absl::Milliseconds(3));
}

TEST_F(SimulationDatagramTest, NobodyThereIsToldAfterARoundTrip) {
  client_.Run("ask", [&] {
    Datagram socket = ConnectTo("udp://server:7");
    ASSERT_TRUE(socket.Send("hello").ok());
    EXPECT_EQ(ErrnoOf(Receive(socket).status()), ECONNREFUSED);
    EXPECT_TRUE(socket.Send("again").ok()) << "it is told once";
    Sleep(absl::Seconds(1));
    EXPECT_EQ(ErrnoOf(socket.Send("and again")), ECONNREFUSED);
    EXPECT_TRUE(socket.Send("and again").ok());
  });
  Run();
  EXPECT_EQ(sim_.Trace(),
            "0.001s client:32768 > server:7 datagram 5\n"
            "0.002s server:7 > client:32768 unreachable\n"
            "0.003s client:32768 > server:7 datagram 5\n"
            "0.004s server:7 > client:32768 unreachable\n"
            "1.003s client:32768 > server:7 datagram 9\n");
}

TEST_F(SimulationDatagramTest, LossAndPartitionsAreSilent) {
  server_.Serve("echo", Echo);
  client_.Run("ask", [&] {
    Datagram socket = ConnectTo("udp://server:7");
    ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(1)).ok());
    sim_.Partition(client_, server_);
    ASSERT_TRUE(socket.Send("a").ok());
    EXPECT_EQ(Receive(socket).status().code(), absl::StatusCode::kDeadlineExceeded);
    sim_.Heal(client_, server_);
    sim_.SetLink(client_, server_, {.loss = 1});
    ASSERT_TRUE(socket.Send("b").ok());
    EXPECT_EQ(Receive(socket).status().code(), absl::StatusCode::kDeadlineExceeded);
    sim_.SetLink(client_, server_, {});
    ASSERT_TRUE(socket.Send("c").ok());
    EXPECT_EQ(*Receive(socket), "c");
  });
  Run();
}

TEST_F(SimulationDatagramTest, SomeAreLost) {
  sim_.SetLink(client_, server_, {.loss = 0.1});
  const std::vector<int> arrived = SendThousand();
  EXPECT_GT(arrived.size(), 850u);
  EXPECT_LT(arrived.size(), 950u);
  EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST_F(SimulationDatagramTest, JitterLetsThemOvertake) {
  sim_.SetLink(client_, server_, {.jitter = absl::Milliseconds(5)});
  std::vector<int> arrived = SendThousand();
  EXPECT_EQ(arrived.size(), 1000u);
  EXPECT_FALSE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST_F(SimulationDatagramTest, SomeArriveTwice) {
  sim_.SetLink(client_, server_, {.duplication = 0.1});
  const std::vector<int> arrived = SendThousand();
  EXPECT_GT(arrived.size(), 1050u);
  EXPECT_LT(arrived.size(), 1150u);
  EXPECT_THAT(sim_.Trace(), ::testing::HasSubstr("datagram 3 again\n"));
  EXPECT_EQ((LinkOptions{.duplication = 2}).Validate().message(),
            "LinkOptions.duplication is 2; it must be from 0 to 1");
}

TEST_F(SimulationDatagramTest, ACrashedHostIsSilentAndThenRefuses) {
  server_.Serve("echo", Echo);
  client_.Run("ask", [&] {
    Datagram socket = ConnectTo("udp://server:7");
    ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(1)).ok());
    server_.Crash();
    ASSERT_TRUE(socket.Send("a").ok());
    EXPECT_EQ(Receive(socket).status().code(), absl::StatusCode::kDeadlineExceeded);
    server_.Restart();
    Sleep(absl::Milliseconds(1));
    ASSERT_TRUE(socket.Send("b").ok());
    EXPECT_EQ(*Receive(socket), "b") << "it serves again";
  });
  Run();
  EXPECT_EQ(sim_.CountOpen(), 1u);
}

TEST_F(SimulationDatagramTest, ACrashEndsWaitsAndSockets) {
  absl::Status waited;
  client_.Run("wait", [&] {
    Datagram socket = BindTo("0.0.0.0:9");
    waited = Receive(socket).status();
    EXPECT_EQ(ErrnoOf(socket.SendTo("x", At("127.0.0.1:9"))), EBADF);
    EXPECT_EQ(ErrnoOf(Datagram::Bind(At("0.0.0.0:10")).status()), ENETDOWN);
  });
  sim_.After(absl::Seconds(1), [&] { client_.Crash(); });
  Run();
  EXPECT_FALSE(waited.ok());
  EXPECT_EQ(sim_.CountOpen(), 0u);
}

TEST_F(SimulationDatagramTest, APausedHostQueuesThem) {
  server_.Serve("echo", Echo);
  client_.Run("ask", [&] {
    Sleep(absl::Milliseconds(1));
    Datagram socket = ConnectTo("udp://server:7");
    ASSERT_TRUE(socket.set_operation_timeout(absl::Seconds(1)).ok());
    server_.Pause();
    ASSERT_TRUE(socket.Send("a").ok());
    EXPECT_EQ(Receive(socket).status().code(), absl::StatusCode::kDeadlineExceeded);
    server_.Resume();
    EXPECT_EQ(*Receive(socket), "a");
  });
  Run();
}

TEST_F(SimulationDatagramTest, ABlackHoleSaysNothing) {
  const Address hole = server_.addresses()[0].WithPort(9);
  server_.Ignore(hole);
  client_.Run("ask", [&] {
    auto socket = Datagram::Connect(hole, In(absl::Seconds(1)));
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_TRUE(socket->Send("a").ok());
    EXPECT_EQ(Receive(*socket).status().code(), absl::StatusCode::kDeadlineExceeded);
  });
  Run();
}

TEST_F(SimulationDatagramTest, BandwidthDelaysThem) {
  sim_.SetLink(client_, server_, {.latency = absl::ZeroDuration(), .bandwidth = 1000});
  server_.Run("sink", [] {
    Datagram socket = BindTo("0.0.0.0:7");
    // 472 bytes and 28 of headers.
    for (int i = 1; i <= 3; ++i) {
      ASSERT_TRUE(Receive(socket).ok());
      EXPECT_EQ(Runtime::Current().Now() - Instant::VirtualOrigin(), i * absl::Milliseconds(500));
    }
  });
  client_.Run("source", [&] {
    Datagram socket = ConnectTo(absl::StrCat("udp://", server_.addresses()[0].HostString(), ":7"));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(socket.Send(std::string(472, 'x')).ok());
  });
  Run();
}

TEST_F(SimulationDatagramTest, ADeadlockNamesWhoReceives) {
  server_.Run("bound", [] {
    Datagram socket = BindTo("0.0.0.0:7");
    Receive(socket).status().IgnoreError();
  });
  client_.Run("connected", [] {
    auto socket = Datagram::Connect(At("198.18.0.1:7"));
    Receive(*socket).status().IgnoreError();
  });
  EXPECT_EQ(sim_.Run().message(),
            "deadlock at 0s: nothing will happen any more\n"
            "  server/bound waits to receive on 0.0.0.0:7 since 0s\n"
            "  client/connected waits to receive from 198.18.0.1:7 since 0s\n");
}

// What goes wrong with a datagram is that it is lost.
class LoseFirst final : public Injector {
 public:
  Injection On(const Point& point) override {
    if (point.operation != Operation::kWrite || count_++ > 0) return {};
    EXPECT_EQ(point.host, "client");
    EXPECT_EQ(point.connection, 0u);
    EXPECT_EQ(point.size, 1u);
    return {.kind = Injection::Kind::kReset};
  }

 private:
  int count_ = 0;
};

TEST_F(SimulationDatagramTest, AnInjectorLosesThem) {
  LoseFirst lose_first;
  sim_.set_injector(&lose_first);
  server_.Serve("echo", Echo);
  client_.Run("ask", [] {
    Datagram socket = ConnectTo("udp://server:7");
    ASSERT_TRUE(socket.Send("a").ok());
    ASSERT_TRUE(socket.Send("b").ok());
    EXPECT_EQ(*Receive(socket), "b");
  });
  Run();
  EXPECT_THAT(sim_.Trace(),
              ::testing::StartsWith("0.001s client:32768 > server:7 datagram 1 lost\n"));
}

TEST_F(SimulationDatagramTest, WhereTheyCantGo) {
  client_.Run("ask", [&] {
    EXPECT_EQ(ErrnoOf(Datagram::Connect(At("10.9.9.9:7")).status()), ENETUNREACH);
    EXPECT_EQ(ErrnoOf(Datagram::Connect(At("[2001:db8::9]:7")).status()), ENETUNREACH);
    Datagram local = BindTo("127.0.0.1:0");
    EXPECT_EQ(ErrnoOf(local.SendTo("x", server_.addresses()[0].WithPort(7))), EINVAL);
    EXPECT_EQ(ErrnoOf(local.SendTo("x", At("[::1]:7"))), EAFNOSUPPORT);
    EXPECT_EQ(Datagram::Bind(*Address::Unix("@x")).status().message(),
              "a Simulation carries datagrams of IP addresses alone");
  });
  Run();
}

TEST(SimulationDatagramTraceTest, IsTheSameForTheSameSeed) {
  const auto trace = [](uint64_t seed) {
    Simulation sim(seed);
    SimulatedHost& server = sim.AddHost("server");
    SimulatedHost& client = sim.AddHost("client");
    sim.SetLink(client, server, {.jitter = absl::Milliseconds(3), .loss = 0.1, .duplication = 0.1});
    server.Serve("echo", Echo);
    client.Run("ask", [] {
      Datagram socket = ConnectTo("udp://server:7");
      ASSERT_TRUE(socket.set_operation_timeout(absl::Milliseconds(4)).ok());
      for (int i = 0; i < 300; ++i) {
        ASSERT_TRUE(socket.Send(absl::StrCat(i)).ok());
        Receive(socket).status().IgnoreError();
      }
    });
    EXPECT_EQ(sim.Run(), absl::OkStatus());
    return sim.Trace();
  };
  EXPECT_EQ(trace(5), trace(5));
  EXPECT_NE(trace(5), trace(6));
}

}  // namespace
}  // namespace redial::testing
