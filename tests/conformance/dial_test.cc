// Dialing on the real kernel, loopback only. Never early is exact; how late is a benchmark's
// business, but for a guard of two seconds against hanging.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/target.h"
#include "redial/time.h"
#include "tests/support/kernel.h"
#include "tests/support/name_server.h"

namespace redial {
namespace {

using testing::BlackHole;
using testing::CountDescriptors;
using testing::FreePort;
using ::testing::HasSubstr;
using testing::Host;
using ::testing::IsEmpty;
using testing::NameServer;
using ::testing::StartsWith;

constexpr absl::Duration kHang = absl::Seconds(2);

Target ParseTarget(const std::string& text) { return *Target::Parse(text); }

class DialTest : public ::testing::Test {
 protected:
  DialTest() { options_.resolver.servers = {names_.address()}; }

  Deadline After(absl::Duration timeout) { return Deadline::After(runtime_.Now(), timeout); }
  absl::Duration elapsed() { return runtime_.Now() - began_; }

  absl::StatusOr<Socket> DialName(const std::string& host, uint16_t port, absl::Duration timeout,
                                  std::stop_token stop = {}) {
    began_ = runtime_.Now();
    return Dial(ParseTarget(absl::StrCat("tcp://", host, ":", port)), After(timeout),
                std::move(stop), options_);
  }
  static Listener ListenOn(const std::string& address) {
    return *Listener::Listen(*Address::Parse(address));
  }
  // That the connection really stands, both ways.
  void ExpectTalks(Socket& client, Listener& listener) {
    auto server = listener.Accept(After(kHang));
    ASSERT_EQ(server.status(), absl::OkStatus());
    ASSERT_EQ(client.Write("ping\n"), absl::OkStatus());
    EXPECT_EQ(*server->ReadUntil("\n"), "ping\n");
    ASSERT_EQ(server->Write("pong\n"), absl::OkStatus());
    EXPECT_EQ(*client.ReadUntil("\n"), "pong\n");
  }

  Runtime& runtime_ = Runtime::Threads();
  NameServer names_;
  DialOptions options_;
  Instant began_;
};

TEST_F(DialTest, ByLiteralByNameAndByPath) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  const uint16_t port = listener.local().port();
  auto literal = DialName(Host(1), port, kHang);
  ASSERT_EQ(literal.status(), absl::OkStatus());
  ExpectTalks(*literal, listener);
  names_.Add("cache.test", Host(1));
  auto named = DialName("cache.test", port, kHang);
  ASSERT_EQ(named.status(), absl::OkStatus());
  ExpectTalks(*named, listener);

  const std::string path = absl::StrCat("@redial-dial-test-", port);
  Listener unix_listener = ListenOn(path);
  auto local = Dial(ParseTarget(absl::StrCat("unix://", path)), After(kHang), {}, options_);
  ASSERT_EQ(local.status(), absl::OkStatus());
  ExpectTalks(*local, unix_listener);
}

TEST_F(DialTest, TheSocketKeepsDeadlineAndStop) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  const Deadline deadline = After(kHang);
  std::stop_source stop;
  auto socket = Dial(ParseTarget(absl::StrCat("tcp://", listener.local().ToString())), deadline,
                     stop.get_token(), options_);
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->deadline(), deadline);
  stop.request_stop();
  char byte = 0;
  EXPECT_EQ(socket->Read({&byte, 1}).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(DialTest, WrongOptionsAreRefusedBeforeAnything) {
  options_.attempt_delay = absl::Milliseconds(1);
  EXPECT_EQ(
      DialName("cache.test", 80, kHang).status(),
      absl::InvalidArgumentError("DialOptions.attempt_delay is 1ms; it must be from 10ms to 2s"));
  EXPECT_THAT(names_.queries(), IsEmpty());
}

// IPv6 dead, IPv4 alive.
TEST_F(DialTest, Ipv6IsBlackHoledAndIpv4Alive) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  const uint16_t port = listener.local().port();
  const BlackHole dead("::1", port);
  names_.Add("both.test", Host(1));
  names_.Add("both.test", "::1");
  options_.attempt_delay = absl::Milliseconds(50);
  auto socket = DialName("both.test", port, kHang);
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_GE(elapsed(), absl::Milliseconds(50)) << "IPv6 has its chance";
  EXPECT_LT(elapsed(), kHang);
  EXPECT_EQ(socket->peer(), listener.local());
  ExpectTalks(*socket, listener);
}

TEST_F(DialTest, Ipv6IsRefusedAndIpv4Alive) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  names_.Add("both.test", Host(1));
  names_.Add("both.test", "::1");
  options_.attempt_delay = absl::Seconds(2);
  auto socket = DialName("both.test", listener.local().port(), absl::Seconds(10));
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_LT(elapsed(), kHang) << "a refusal doesn't wait for the delay";
}

// Three addresses, two dead.
TEST_F(DialTest, TwoOfThreeAddressesAreBlackHoled) {
  Listener listener = ListenOn(absl::StrCat(Host(4), ":0"));
  const uint16_t port = listener.local().port();
  const BlackHole first(Host(2), port);
  const BlackHole second(Host(3), port);
  for (const std::string& address : {Host(2), Host(3), Host(4)}) {
    names_.Add("three.test", address);
  }
  options_.attempt_delay = absl::Milliseconds(30);
  const size_t before = CountDescriptors();
  {
    auto socket = DialName("three.test", port, kHang);
    ASSERT_EQ(socket.status(), absl::OkStatus());
    EXPECT_GE(elapsed(), absl::Milliseconds(60));
    EXPECT_EQ(socket->peer().ToString(), absl::StrCat(Host(4), ":", port));
    EXPECT_EQ(CountDescriptors(), before + 1) << "the losers are closed";
  }
  EXPECT_EQ(CountDescriptors(), before);
}

// CPython's test_create_connection_all_errors: every address's error is there.
TEST_F(DialTest, EveryAddressIsInTheFailure) {
  const uint16_t port = FreePort(Host(1));
  const BlackHole silent(Host(3), port);
  names_.Add("three.test", Host(2));
  names_.Add("three.test", Host(3));
  names_.Add("three.test", Host(4));
  options_.attempt_delay = absl::Milliseconds(10);
  const absl::Status status = DialName("three.test", port, absl::Milliseconds(100)).status();
  EXPECT_GE(elapsed(), absl::Milliseconds(100));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  const Failure failure = *FailureOf(status);
  EXPECT_EQ(failure.phase, Phase::kConnect);
  ASSERT_EQ(failure.tried.size(), 3U);
  EXPECT_EQ(failure.tried[0].address, absl::StrCat(Host(2), ":", port));
  EXPECT_EQ(failure.tried[0].error, ECONNREFUSED);
  EXPECT_EQ(failure.tried[1].error, ETIMEDOUT);
  EXPECT_GE(failure.tried[1].elapsed, absl::Milliseconds(80));
  EXPECT_EQ(failure.tried[2].error, ECONNREFUSED);
  EXPECT_THAT(std::string(status.message()),
              StartsWith(absl::StrCat("connect to three.test:", port, " timed out after ")));
}

// The kernel's network, but the connection to one address stands without anybody being told.
class Unheard final : public Network {
 public:
  explicit Unheard(Address address) : address_(std::move(address)) {}

  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions& options) override {
    auto stream = KernelNetwork().StartConnect(address, options);
    if (!stream.ok() || address != address_) return stream;
    return std::make_unique<Silent>(*std::move(stream));
  }
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address& address,
                                                   const ListenOptions& options) override {
    return KernelNetwork().Listen(address, options);
  }
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override {
    return KernelNetwork().StartLookup(request, options);
  }

 private:
  class Silent final : public Stream {
   public:
    explicit Silent(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
    Io FinishConnect() override {
      stream_->FinishConnect();
      return {.error = EAGAIN, .want = &never_};
    }
    Io TryRead(absl::Span<char> buffer) override { return stream_->TryRead(buffer); }
    Io TryWrite(std::string_view data) override { return stream_->TryWrite(data); }
    int ShutdownWrite() override { return stream_->ShutdownWrite(); }
    void Close() override { stream_->Close(); }
    void Poke() override { stream_->Poke(); }
    Address local() const override { return stream_->local(); }
    Address peer() const override { return stream_->peer(); }

   private:
    std::unique_ptr<Stream> stream_;
    Event never_;
  };

  const Address address_;
};

// Go's TestDialParallelSpuriousConnection: two servers accept, and the one that comes second reads
// the end.
TEST_F(DialTest, TheLosersServerSeesTheEnd) {
  Listener loser = ListenOn(absl::StrCat(Host(2), ":0"));
  const uint16_t port = loser.local().port();
  Listener winner = ListenOn(absl::StrCat(Host(3), ":", port));
  names_.Add("race.test", Host(2));
  names_.Add("race.test", Host(3));
  options_.attempt_delay = absl::Milliseconds(20);
  Unheard network(loser.local());
  auto socket = Dial(ParseTarget(absl::StrCat("tcp://race.test:", port)), After(kHang), {},
                     options_, network);
  ASSERT_EQ(socket.status(), absl::OkStatus());
  EXPECT_EQ(socket->peer(), winner.local());
  auto accepted = loser.Accept(After(kHang));
  ASSERT_EQ(accepted.status(), absl::OkStatus());
  accepted->set_deadline(After(kHang));
  char byte = 0;
  auto read = accepted->Read({&byte, 1});
  ASSERT_EQ(read.status(), absl::OkStatus());
  EXPECT_EQ(*read, 0U) << "the end, not a reset";
  ExpectTalks(*socket, winner);
}

TEST_F(DialTest, AFullUnixBacklogIsWaitedFor) {
  const std::string path = absl::StrCat("@redial-backlog-test-", FreePort(Host(1)));
  Listener listener = *Listener::Listen(*Address::Parse(path), {.backlog = 0});
  const Target target = ParseTarget(absl::StrCat("unix://", path));
  auto first = Dial(target, After(kHang), {}, options_);
  ASSERT_EQ(first.status(), absl::OkStatus());
  began_ = runtime_.Now();
  const absl::Status full = Dial(target, After(absl::Milliseconds(30)), {}, options_).status();
  EXPECT_GE(elapsed(), absl::Milliseconds(30));
  EXPECT_EQ(full.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(full.message()),
              StartsWith(absl::StrCat("connect to ", path, " timed out after ")));
  std::jthread server([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(listener.Accept(After(kHang)).status(), absl::OkStatus());
  });
  EXPECT_EQ(Dial(target, After(kHang), {}, options_).status(), absl::OkStatus());
}

// Go's TestDialTimeout: a deadline that has passed, and one that is short.
TEST_F(DialTest, ADeadlineIsNeverEarlyAndNeverHangs) {
  const BlackHole hole(Host(1));
  for (const int ms : {1, 5, 20, 60}) {
    const absl::Status status = DialName(Host(1), hole.port(), absl::Milliseconds(ms)).status();
    EXPECT_GE(elapsed(), absl::Milliseconds(ms));
    EXPECT_LT(elapsed(), kHang);
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  }
  const absl::Status past = Dial(ParseTarget(absl::StrCat("tcp://", Host(1), ":", hole.port())),
                                 Deadline::Past(), {}, options_)
                                .status();
  EXPECT_EQ(past.code(), absl::StatusCode::kDeadlineExceeded);
}

// Go's TestDialTimeoutMaxDuration.
TEST_F(DialTest, TheLargestTimeoutConnects) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  for (const absl::Duration timeout : {absl::Nanoseconds(INT64_MAX), absl::InfiniteDuration()}) {
    EXPECT_EQ(DialName(Host(1), listener.local().port(), timeout).status(), absl::OkStatus());
  }
}

// The name server is black-holed, and many threads ask at once.
TEST_F(DialTest, SixteenThreadsAndASilentNameServer) {
  names_.DropAll();
  const size_t before = CountDescriptors();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&, i] {
        const Instant began = runtime_.Now();
        const absl::Duration timeout = absl::Milliseconds(60 + i);
        const absl::Status status =
            Dial(ParseTarget("tcp://cache.test:80"), Deadline::After(began, timeout), {}, options_)
                .status();
        const absl::Duration took = runtime_.Now() - began;
        EXPECT_GE(took, timeout);
        EXPECT_LT(took, kHang);
        EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
        EXPECT_THAT(std::string(status.message()),
                    ::testing::AllOf(StartsWith("look-up of 'cache.test' timed out after "),
                                     HasSubstr(absl::StrCat(": name server ", names_.address(),
                                                            " did not answer"))));
        EXPECT_EQ(FailureOf(status)->phase, Phase::kResolve);
      });
    }
  }
  EXPECT_EQ(CountDescriptors(), before);
}

// Go's TestDialCancel, in each state: a look-up, a connect, a full backlog.
TEST_F(DialTest, AStopEndsEveryState) {
  names_.DropAll();
  const BlackHole hole(Host(1));
  const std::string path = absl::StrCat("@redial-stop-test-", hole.port());
  Listener full = *Listener::Listen(*Address::Parse(path), {.backlog = 0});
  const Target local = ParseTarget(absl::StrCat("unix://", path));
  auto filler = Dial(local, After(kHang), {}, options_);
  ASSERT_EQ(filler.status(), absl::OkStatus());
  const size_t before = CountDescriptors();
  for (const Target& target :
       {ParseTarget("tcp://cache.test:80"),
        ParseTarget(absl::StrCat("tcp://", Host(1), ":", hole.port())), local}) {
    std::stop_source stop;
    {
      std::jthread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        stop.request_stop();
      });
      began_ = runtime_.Now();
      EXPECT_EQ(Dial(target, Deadline::Never(), stop.get_token(), options_).status().code(),
                absl::StatusCode::kCancelled);
      EXPECT_LT(elapsed(), kHang);
    }
    EXPECT_EQ(CountDescriptors(), before) << target.text();
  }
}

// A stop that comes just as the connection stands gives either a cancelled dial that left nothing
// behind, or a socket that works once it has another token (Go's TestCancelAfterDial).
TEST_F(DialTest, AStopAtTheMomentOfSuccessPoisonsNothing) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  const Target target = ParseTarget(absl::StrCat("tcp://", listener.local().ToString()));
  const size_t before = CountDescriptors();
  for (int round = 0; round < 200; ++round) {
    std::stop_source stop;
    std::atomic<bool> go{false};
    std::jthread stopper([&] {
      go.wait(false);
      for (int spin = 0; spin < round * 20; ++spin)
        std::atomic_signal_fence(std::memory_order_seq_cst);
      stop.request_stop();
    });
    go = true;
    go.notify_one();
    auto socket = Dial(target, After(kHang), stop.get_token(), options_);
    stopper.join();
    if (!socket.ok()) {
      ASSERT_EQ(socket.status().code(), absl::StatusCode::kCancelled);
      continue;
    }
    socket->set_stop_token({});
    ASSERT_EQ(socket->Write("ping\n"), absl::OkStatus());
    // Those whose dial was cancelled after the kernel had connected end at once.
    for (;;) {
      auto server = listener.Accept(After(kHang));
      ASSERT_EQ(server.status(), absl::OkStatus());
      auto line = server->ReadUntil("\n");
      if (!line.ok()) continue;
      EXPECT_EQ(*line, "ping\n");
      break;
    }
  }
  EXPECT_EQ(CountDescriptors(), before);
}

// Go's TestDialTimeoutFDLeak, over every outcome.
TEST_F(DialTest, TenDialsLeaveNoDescriptor) {
  Listener listener = ListenOn(absl::StrCat(Host(1), ":0"));
  const uint16_t port = listener.local().port();
  const uint16_t nobody = FreePort(Host(1));
  names_.Add("cache.test", Host(1));
  names_.Add("cache.test", "::1");
  names_.Set("failing.test", {.rcode = NameServer::kServFail});
  const size_t before = CountDescriptors();
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(DialName("cache.test", port, kHang).status(), absl::OkStatus());
    EXPECT_EQ(DialName("cache.test", nobody, kHang).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(DialName("nobody.test", port, kHang).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(DialName("failing.test", port, kHang).status().code(),
              absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(CountDescriptors(), before);
}

TEST_F(DialTest, OutOfDescriptorsSaysSo) {
  const uint16_t port = FreePort(Host(1));
  const testing::NoMoreDescriptors none;
  const absl::Status status = DialName(Host(1), port, kHang).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FailureOf(status)->error, EMFILE);
  EXPECT_THAT(std::string(status.message()),
              StartsWith(absl::StrCat("connect to ", Host(1), ":", port,
                                      " failed: too many open files (EMFILE) after ")));
}

// The next look-up finds what the name stands for now.
TEST_F(DialTest, ANameThatMovesIsFoundAgain) {
  Listener listener = ListenOn(absl::StrCat(Host(3), ":0"));
  const uint16_t port = listener.local().port();
  const BlackHole old(Host(2), port);
  names_.Add("moving.test", Host(2));
  EXPECT_EQ(DialName("moving.test", port, absl::Milliseconds(30)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  names_.Replace("moving.test", Host(3));
  EXPECT_EQ(DialName("moving.test", port, kHang).status(), absl::OkStatus());
}

}  // namespace
}  // namespace redial
