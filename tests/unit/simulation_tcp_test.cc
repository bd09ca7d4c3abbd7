// Simulated TCP beside what a kernel was recorded to do: docs/simulation.md has the records, and
// tools/dev/record_tcp.py makes them. The conformance suite holds both to the orders of calls; here
// are the times, which take minutes on a kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/testing/simulation.h"
#include "redial/testing/virtual_runtime.h"

namespace redial::testing {
namespace {

using ::testing::ElementsAre;

int ErrnoOf(const absl::Status& status) {
  const auto failure = FailureOf(status);
  return failure ? failure->error : 0;
}

SocketOptions Patient() {
  return {.keepalive_idle = absl::InfiniteDuration(), .user_timeout = absl::InfiniteDuration()};
}

class SimulatedTcpTest : public ::testing::Test {
 protected:
  SimulatedTcpTest() { sim_.SetDefaultLink({.latency = absl::ZeroDuration()}); }

  // Until the server's side goes, with a peer that doesn't read unless told to.
  void ServeOne(const SocketOptions& options = Patient()) {
    server_.Serve("peer", [options] {
      auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"), {.socket = options});
      auto peer = listener->Accept();
      Runtime::Current().SleepUntil(Deadline::Never(), {});
    });
  }
  absl::StatusOr<Socket> Dial(const SocketOptions& options) {
    DialOptions dial;
    dial.socket = options;
    return redial::Dial(*Target::Parse("tcp://198.18.0.1:7"), Deadline::Never(), {}, dial);
  }
  // Runs `body` as a client, to the end.
  void Run(absl::AnyInvocable<void()> body) {
    client_.Run("client", std::move(body));
    EXPECT_EQ(sim_.Run(), absl::OkStatus());
  }
  // How long `socket`, which is read, lives.
  static std::string ReadUntilBroken(Socket& socket) {
    const Instant began = Runtime::Current().Now();
    char byte;
    const auto read = socket.Read({&byte, 1});
    return absl::StrCat(ErrnoName(ErrnoOf(read.status())), " after ",
                        FormatSeconds(Runtime::Current().Now() - began));
  }
  // When lines with `what` in them were traced.
  std::vector<std::string> TimesOf(std::string_view what) const {
    std::vector<std::string> times;
    for (const absl::string_view line : absl::StrSplit(sim_.Trace(), '\n')) {
      if (line.find(absl::string_view(what.data(), what.size())) == absl::string_view::npos) {
        continue;
      }
      times.emplace_back(line.substr(0, line.find(' ')));
    }
    return times;
  }

  Simulation sim_{1};
  SimulatedHost& server_ = sim_.AddHost("server");
  SimulatedHost& client_ = sim_.AddHost("client");
};

// Recorded: sent at 0 1.01 2.03 3.06 4.08 5.11 7.12 11.16 19.34 35.48 68.24 s, given up at 133.78.
TEST_F(SimulatedTcpTest, AConnectThatNobodyAnswersGivesUpAsTheKernelDoes) {
  server_.Crash();
  Run([this] {
    EXPECT_EQ(ErrnoOf(Dial(Patient()).status()), ETIMEDOUT);
    EXPECT_EQ(sim_.elapsed(), absl::Seconds(131));
  });
  EXPECT_THAT(TimesOf("SYN"),
              ElementsAre("0s", "1s", "2s", "3s", "4s", "5s", "7s", "11s", "19s", "35s", "67s"));
}

// Recorded: user timeouts of 2.5 s and 30 s ended connects after 2.52 s and 30.11 s.
TEST_F(SimulatedTcpTest, AUserTimeoutEndsAConnect) {
  server_.Crash();
  SocketOptions options = Patient();
  options.user_timeout = absl::Milliseconds(2500);
  Run([&] {
    EXPECT_EQ(ErrnoOf(Dial(options).status()), ETIMEDOUT);
    EXPECT_EQ(sim_.elapsed(), absl::Milliseconds(2500));
  });
}

// Recorded: sent at 0 .20 .41 .84 1.68 3.30 6.54 13.19 26.25 53.90 s and on.
TEST_F(SimulatedTcpTest, WhatNobodyAcknowledgesIsSentAgainEverLess) {
  ServeOne();
  Run([this] {
    auto socket = Dial(Patient());
    server_.Crash();
    EXPECT_EQ(socket->Write("x"), absl::OkStatus());
    // 15 retries double up to two minutes (tcp_retries2: "924.6 seconds" with the first of 200 ms).
    EXPECT_EQ(ReadUntilBroken(*socket), "ETIMEDOUT after 924.8s");
  });
  std::vector<std::string> times = TimesOf("data 1");
  times.resize(9);
  EXPECT_THAT(times,
              ElementsAre("0s", "0.2s", "0.4s", "0.8s", "1.6s", "3.2s", "6.4s", "12.8s", "25.6s"));
}

// Recorded: .5 s ended after .919 s, 1 after 1.443, 2 after 2.439, 5 after 5.511, 30 after 30.6.
TEST_F(SimulatedTcpTest, AUserTimeoutCountsFromTheSecondTimeInVain) {
  ServeOne();
  for (const auto& [timeout, its_life] :
       {std::pair(absl::Milliseconds(500), "0.9s"), std::pair(absl::Seconds(1), "1.4s"),
        std::pair(absl::Seconds(2), "2.4s"), std::pair(absl::Seconds(5), "5.4s"),
        std::pair(absl::Seconds(30), "30.4s")}) {
    server_.Restart();
    SocketOptions options = Patient();
    options.user_timeout = timeout;
    Run([&, life = its_life] {
      auto socket = Dial(options);
      server_.Crash();
      EXPECT_EQ(socket->Write("x"), absl::OkStatus());
      EXPECT_EQ(ReadUntilBroken(*socket), absl::StrCat("ETIMEDOUT after ", life));
    });
  }
}

struct KeepaliveRecord {
  int idle, interval, probes, user_timeout;
  const char* life;
};

// Recorded: 1/1/2 ended after 3.08 s, 2/1/3 after 5.10, 15/5/3 with a user timeout of 30 s after
// 30.6, 3/2/9 with one of 4 s after 5.26: it counts in place of the probes.
TEST_F(SimulatedTcpTest, KeepaliveFindsADeadPeer) {
  ServeOne();
  for (const KeepaliveRecord& record :
       {KeepaliveRecord{1, 1, 2, 0, "3s"}, KeepaliveRecord{2, 1, 3, 0, "5s"},
        KeepaliveRecord{15, 5, 3, 30, "30s"}, KeepaliveRecord{3, 2, 9, 4, "5s"}}) {
    server_.Restart();
    const SocketOptions options{.keepalive_idle = absl::Seconds(record.idle),
                                .keepalive_interval = absl::Seconds(record.interval),
                                .keepalive_probes = record.probes,
                                .user_timeout = record.user_timeout == 0
                                                    ? absl::InfiniteDuration()
                                                    : absl::Seconds(record.user_timeout)};
    Run([&] {
      auto socket = Dial(options);
      server_.Crash();
      EXPECT_EQ(ReadUntilBroken(*socket), absl::StrCat("ETIMEDOUT after ", record.life));
    });
  }
}

TEST_F(SimulatedTcpTest, KeepaliveFindsAPeerThatForgot) {
  ServeOne();
  Run([this] {
    auto socket = Dial({});
    server_.Crash();
    server_.Restart();
    EXPECT_EQ(ReadUntilBroken(*socket), "ECONNRESET after 15s");
  });
}

TEST_F(SimulatedTcpTest, AnIdleConnectionToALivePeerLivesForEver) {
  ServeOne({});
  Run([this] {
    auto socket = Dial({});
    Runtime::Current().SleepUntil(Deadline::After(Runtime::Current().Now(), absl::Hours(100)), {});
    EXPECT_EQ(socket->Write("x"), absl::OkStatus());
  });
}

// Recorded: with a peer that lives and doesn't read, a user timeout of 2 s ended the connection
// after 2.33 s.
TEST_F(SimulatedTcpTest, AUserTimeoutAlsoBoundsAPeerThatDoesNotRead) {
  ServeOne();
  SocketOptions options = Patient();
  options.user_timeout = absl::Seconds(2);
  Run([&] {
    auto socket = Dial(options);
    EXPECT_EQ(ErrnoOf(socket->Write(std::string(1'000'000, 'x'))), ETIMEDOUT);
    EXPECT_EQ(sim_.elapsed(), absl::Milliseconds(2400));
    EXPECT_EQ(socket->last_write_bytes(), 2u * 65'536);
  });
}

// Recorded: a backlog of 2 takes 3, and the next connects 1.02 s after an accept made room.
TEST_F(SimulatedTcpTest, ASynThatFindsTheBacklogFullIsSentAgain) {
  server_.Serve("slow", [] {
    auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"), {.backlog = 2});
    Runtime::Current().SleepUntil(Deadline::After(Runtime::Current().Now(), absl::Seconds(2.5)),
                                  {});
    auto peer = listener->Accept();
    Runtime::Current().SleepUntil(Deadline::Never(), {});
  });
  Run([this] {
    std::vector<Socket> sockets;
    for (int i = 0; i < 3; ++i) sockets.push_back(*Dial(Patient()));
    EXPECT_EQ(sim_.elapsed(), absl::ZeroDuration());
    sockets.push_back(*Dial(Patient()));
    EXPECT_EQ(sim_.elapsed(), absl::Seconds(3));
  });
  EXPECT_THAT(TimesOf("SYN dropped"), ElementsAre("0s", "1s", "2s"));
}

TEST_F(SimulatedTcpTest, APartitionDelaysAndHeals) {
  ServeOne();
  Run([this] {
    auto socket = Dial(Patient());
    sim_.Partition(server_, client_);
    sim_.After(absl::Seconds(2), [this] { sim_.Heal(server_, client_); });
    EXPECT_EQ(socket->Write("late"), absl::OkStatus());
    Runtime::Current().SleepUntil(Deadline::After(Runtime::Current().Now(), absl::Seconds(9)), {});
  });
  EXPECT_THAT(TimesOf("data 4 lost"), ElementsAre("0s", "0.2s", "0.4s", "0.8s", "1.6s"));
  EXPECT_THAT(TimesOf("data 4"), ElementsAre("0s", "0.2s", "0.4s", "0.8s", "1.6s", "3.2s"));
}

// The byte at `offset` of a stream, so that one lost, repeated or out of order is noticed.
char ByteAt(size_t offset) { return static_cast<char>('a' + offset % 23 + offset / 1000 % 3); }

// Writes `size` bytes in pieces, ends, and reads as many until the end.
absl::Status Exchange(Socket& socket, size_t out, size_t in) {
  auto writer = Runtime::Current().Spawn([&socket, out] {
    Runtime& runtime = Runtime::Current();
    for (size_t done = 0; done < out;) {
      std::string piece;
      for (size_t n = 1 + runtime.NextSeed() % 9000; piece.size() < n && done < out; ++done) {
        piece += ByteAt(done);
      }
      if (!socket.Write(piece).ok()) return;
    }
    socket.ShutdownWrite().IgnoreError();
  });
  if (!writer.ok()) return writer.status();
  char buffer[3000];
  for (size_t done = 0;;) {
    const auto read = socket.Read(absl::MakeSpan(buffer));
    if (!read.ok()) return read.status();
    if (*read == 0) {
      return done == in ? absl::OkStatus()
                        : absl::DataLossError(absl::StrCat("ended after ", done, " of ", in));
    }
    for (size_t i = 0; i < *read; ++i, ++done) {
      if (buffer[i] != ByteAt(done)) return absl::DataLossError(absl::StrCat("at ", done));
    }
  }
}

TEST(SimulatedTcpProperty, EveryByteArrivesOnceAndInOrder) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Simulation sim(seed, {.link = {.latency = absl::Microseconds(seed * 37 % 20'000),
                                   .jitter = absl::Microseconds(seed * 91 % 30'000),
                                   .spread = static_cast<LatencySpread>(seed % 3),
                                   .loss = static_cast<double>(seed % 5) * 0.05,
                                   .bandwidth = seed % 4 == 0 ? 500'000 : 0}});
    const size_t there = seed * 7919 % 200'000;
    const size_t back = seed * 104'729 % 150'000;
    const int buffer = seed % 3 == 0 ? 4096 : 0;
    const SocketOptions options{
        .user_timeout = absl::InfiniteDuration(), .send_buffer = buffer, .receive_buffer = buffer};
    sim.AddHost("server").Run("serve", [&] {
      auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"), {.socket = options});
      auto peer = listener->Accept();
      EXPECT_EQ(Exchange(*peer, back, there), absl::OkStatus()) << "seed " << seed;
    });
    sim.AddHost("client").Run("ask", [&] {
      DialOptions dial;
      dial.socket = options;
      auto socket = Dial(*Target::Parse("tcp://server:7"), Deadline::Never(), {}, dial);
      ASSERT_EQ(socket.status(), absl::OkStatus()) << "seed " << seed;
      EXPECT_EQ(Exchange(*socket, there, back), absl::OkStatus()) << "seed " << seed;
    });
    ASSERT_EQ(sim.Run(), absl::OkStatus()) << "seed " << seed;
    EXPECT_EQ(sim.CountOpen(), 0u);
    // What closing left to send is sent, and then nothing is left of the connection.
    ASSERT_EQ(sim.RunFor(absl::Hours(1)), absl::OkStatus());
    EXPECT_EQ(sim.OpenConnections(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace redial::testing
