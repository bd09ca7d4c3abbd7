// What befalls hosts, links and names of a simulation, and what its misuse is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/mutex.h"
#include "redial/runtime.h"
#include "redial/testing/matchers.h"
#include "redial/testing/simulation.h"

namespace redial::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Deadline In(absl::Duration timeout) { return Deadline::After(Runtime::Current().Now(), timeout); }
void Sleep(absl::Duration time) { Runtime::Current().SleepUntil(In(time), {}); }
absl::StatusOr<Socket> DialTo(const std::string& target, Deadline deadline = Deadline::Never()) {
  return Dial(*Target::Parse(target), deadline);
}
int ErrnoOf(const absl::Status& status) {
  const auto failure = FailureOf(status);
  return failure ? failure->error : 0;
}

// Takes connections, and whatever comes over the first of them.
void Swallow() {
  auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
  if (!listener.ok()) return;
  auto peer = listener->Accept();
  char buffer[1024];
  for (;;) {
    const auto read = peer->Read(absl::MakeSpan(buffer));
    if (!read.ok() || *read == 0) return;
  }
}

class SimulatedHostTest : public ::testing::Test {
 protected:
  SimulationOptions Options() {
    return {.on_failure = [this](const TestFailure& f) { failures_.push_back(f.sentence); }};
  }
  // Runs `body` on the client, to the end.
  void Run(absl::AnyInvocable<void()> body) {
    client_.Run("client", std::move(body));
    EXPECT_EQ(sim_.Run(), absl::OkStatus());
  }

  std::vector<std::string> failures_;
  Simulation sim_{1, Options()};
  SimulatedHost& server_ = sim_.AddHost("server");
  SimulatedHost& client_ = sim_.AddHost("client");
};

TEST_F(SimulatedHostTest, BandwidthTakesItsTime) {
  sim_.SetLink(server_, client_, {.latency = absl::Milliseconds(10), .bandwidth = 1'000'000});
  server_.Run("swallow", Swallow);
  Run([] {
    auto socket = DialTo("tcp://server:7");
    EXPECT_EQ(socket->Write(std::string(60'000, 'x')), absl::OkStatus());
  });
  // The name, the handshake, 60 ms for the bytes, 10 ms for the last of them.
  EXPECT_EQ(sim_.elapsed(), absl::Milliseconds(1 + 20 + 60 + 10));
}

TEST_F(SimulatedHostTest, LossIsADelay) {
  sim_.SetLink(server_, client_, {.loss = 0.4});
  std::string got;
  server_.Run("read", [&got] {
    auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
    auto peer = listener->Accept();
    got = peer->ReadExactly(50'000).value_or("");
  });
  Run([] {
    auto socket = DialTo("tcp://server:7");
    for (int i = 0; i < 50; ++i) EXPECT_EQ(socket->Write(std::string(1000, 'x')), absl::OkStatus());
  });
  EXPECT_EQ(got, std::string(50'000, 'x'));
  EXPECT_THAT(sim_.Trace(), HasSubstr("data 1000 lost"));
  EXPECT_GT(sim_.elapsed(), absl::Milliseconds(200));
}

TEST_F(SimulatedHostTest, OnlyOneWayIsCut) {
  server_.Serve("swallow", Swallow);
  Run([this] {
    auto socket = DialTo("tcp://server:7");
    sim_.PartitionOneWay(server_, client_);
    EXPECT_EQ(socket->Write("heard"), absl::OkStatus());
    // It arrives; that it did is never told.
    char byte;
    EXPECT_EQ(ErrnoOf(socket->Read({&byte, 1}).status()), ETIMEDOUT);
  });
  EXPECT_THAT(sim_.Trace(), HasSubstr("client:32768 > server:7 data 5\n"));
}

TEST_F(SimulatedHostTest, APausedHostKeepsItsConnections) {
  server_.Serve("echo", [] {
    auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
    for (auto peer = listener->Accept(); peer.ok(); peer = listener->Accept()) {
      peer->Write(peer->ReadUntil("\n").value_or("")).IgnoreError();
    }
  });
  Run([this] {
    Sleep(absl::Seconds(1));
    server_.Pause();
    auto socket = DialTo("tcp://server:7");
    ASSERT_EQ(socket.status(), absl::OkStatus()) << "a backlog takes it";
    EXPECT_EQ(socket->Write("hello\n"), absl::OkStatus());
    ASSERT_EQ(socket->set_operation_timeout(absl::Seconds(1)), absl::OkStatus());
    EXPECT_EQ(socket->ReadUntil("\n").status().code(), absl::StatusCode::kDeadlineExceeded);
    server_.Resume();
    EXPECT_THAT(socket->ReadUntil("\n"), IsOkAndHolds("hello\n"));
  });
}

TEST_F(SimulatedHostTest, NamesAreRememberedForTheirTime) {
  client_.AddAddress("10.0.0.9").IgnoreError();
  sim_.SetName("db.internal", {"10.0.0.1"}, absl::Seconds(30));
  const auto dialed = [] {
    const absl::Status status = DialTo("tcp://db.internal:7", In(absl::Seconds(1))).status();
    const auto failure = FailureOf(status);
    return failure && !failure->tried.empty() ? failure->tried[0].address : status.ToString();
  };
  Run([&] {
    EXPECT_EQ(dialed(), "10.0.0.1:7");
    sim_.SetName("db.internal", {"10.0.0.9"}, absl::Seconds(30));
    EXPECT_EQ(dialed(), "10.0.0.1:7");
    Sleep(absl::Seconds(30));
    EXPECT_EQ(dialed(), "10.0.0.9:7");
    sim_.SetName("db.internal", {});
    Sleep(absl::Seconds(31));
    EXPECT_THAT(DialTo("tcp://db.internal:7").status().message(),
                HasSubstr("no such host: 'db.internal'"));
  });
}

TEST_F(SimulatedHostTest, NameServersFallSilentAndComeBack) {
  client_.SetNameServersAnswer(false);
  Run([this] {
    const absl::Status status = DialTo("tcp://server:7").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("name server 198.18.255.53 did not answer"));
    EXPECT_EQ(sim_.elapsed(), absl::Seconds(6)) << "three rounds of two seconds";
    client_.SetNameServersAnswer(true);
    EXPECT_EQ(ErrnoOf(DialTo("tcp://server:7").status()), ECONNREFUSED);
  });
  EXPECT_THAT(sim_.NameQueries(), ElementsAre("AAAA server", "A server"));
}

TEST_F(SimulatedHostTest, NobodyHasTheAddress) {
  Run([] {
    EXPECT_EQ(ErrnoOf(DialTo("tcp://192.0.2.1:7").status()), ENETUNREACH);
    EXPECT_EQ(ErrnoOf(DialTo("tcp://[2001:db8::1]:7").status()), ENETUNREACH);
    const absl::Status elsewhere = Listener::Listen(*Address::Parse("198.18.0.1:7")).status();
    EXPECT_EQ(elsewhere.code(), absl::StatusCode::kInvalidArgument);
  });
}

TEST_F(SimulatedHostTest, APortLingersAfterItsConnections) {
  const auto listen = [](bool reuse) {
    return Listener::Listen(*Address::Parse("127.0.0.1:7"), {.reuse_address = reuse});
  };
  Run([&] {
    {
      auto listener = listen(false);
      ASSERT_EQ(listener.status(), absl::OkStatus());
      EXPECT_EQ(ErrnoOf(listen(true).status()), EADDRINUSE);
      auto near = DialTo("tcp://127.0.0.1:7");
      auto far = listener->Accept();
      far->Close();
    }
    EXPECT_EQ(ErrnoOf(listen(false).status()), EADDRINUSE);
    EXPECT_EQ(listen(true).status(), absl::OkStatus());
    Sleep(absl::Minutes(1));
    EXPECT_EQ(listen(false).status(), absl::OkStatus());
  });
}

TEST_F(SimulatedHostTest, FibersShareAMutexAndAScope) {
  int inside = 0;
  Run([&] {
    Mutex mutex;
    std::vector<Task> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(*Runtime::Current().Spawn([&] {
        const std::lock_guard lock(mutex);
        EXPECT_EQ(++inside, 1);
        Sleep(absl::Seconds(1));
        --inside;
      }));
    }
  });
  EXPECT_EQ(sim_.elapsed(), absl::Seconds(4));
}

TEST_F(SimulatedHostTest, CodeThatNeverWaitsStillGetsOn) {
  server_.Serve("late", [] {
    auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
    auto peer = listener->Accept();
    Sleep(absl::Milliseconds(3));
    peer->Write("x").IgnoreError();
    Sleep(absl::Seconds(1));
  });
  Run([] {
    auto socket = DialTo("tcp://server:7");
    // Zero never waits, so that only the tries themselves can make time pass.
    ASSERT_EQ(socket->set_operation_timeout(absl::ZeroDuration()), absl::OkStatus());
    char byte = 0;
    while (!socket->Read({&byte, 1}).ok()) continue;
    EXPECT_EQ(byte, 'x');
    const Deadline deadline = In(absl::Milliseconds(1));
    while (!deadline.expired(Runtime::Current().Now())) continue;
  });
}

TEST_F(SimulatedHostTest, ACrashEndsWaitsAndSockets) {
  std::vector<absl::StatusCode> seen;
  server_.Run("victim", [&seen] {
    auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
    auto peer = listener->Accept();
    char byte;
    seen.push_back(peer->Read({&byte, 1}).status().code());
    seen.push_back(peer->Write("x").code());
    seen.push_back(listener->Accept().status().code());
    seen.push_back(DialTo("tcp://client:7").status().code());
    EXPECT_EQ(Runtime::Current().SleepUntil(Deadline::Never(), {}), WaitResult::kStopped);
  });
  Run([this] {
    auto socket = DialTo("tcp://server:7");
    Sleep(absl::Seconds(1));
    server_.Crash();
    EXPECT_FALSE(server_.up());
  });
  EXPECT_THAT(seen,
              ElementsAre(absl::StatusCode::kCancelled, absl::StatusCode::kFailedPrecondition,
                          absl::StatusCode::kFailedPrecondition, absl::StatusCode::kUnavailable));
}

TEST_F(SimulatedHostTest, ACrashEndsADialInProgress) {
  server_.Ignore(*Address::Parse("198.18.0.1:7"));
  client_.Run("dial", [] {
    const absl::Status status = DialTo("tcp://server:7").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  });
  sim_.After(absl::Seconds(1), [this] { client_.Crash(); });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
  EXPECT_EQ(sim_.elapsed(), absl::Seconds(1));
}

TEST(SimulatedHostDeathTest, TheEndTakesFibersThatIgnoreItOffTheProcessor) {
  // In a process of its own: what can't be unwound is leaked.
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto print = [](const TestFailure& failure) {
    std::fputs(failure.sentence.c_str(), stderr);
    std::_Exit(3);
  };
  EXPECT_EXIT(
      {
        Simulation sim(1, {.on_failure = print});
        sim.AddHost("stubborn").Serve("loop", [] {
          auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
          for (;;) listener->Accept().IgnoreError();
        });
        sim.RunFor(absl::Seconds(1)).IgnoreError();
      },
      ::testing::ExitedWithCode(3),
      "fibers were left when the simulation ended:\n"
      "  stubborn/loop was given up: it goes on although its host is gone \\(serves\\)\n");
}

int Deepen(int depth) {
  volatile char frame[256];
  frame[0] = static_cast<char>(depth);
  const int below = depth < 1'000'000 ? Deepen(depth + 1) : 0;
  return below + frame[0];
}

TEST(SimulatedHostDeathTest, AStackOverflowNamesTheFiber) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Simulation sim(1, {.stack_size = 65'536});
        sim.AddHost("parser").Run("deep", [] { Deepen(0); });
        sim.Run().IgnoreError();
      },
      "fiber \"parser/deep\" ran over the end of its stack of 65536 bytes "
      "\\(SimulationOptions.stack_size\\)");
}

TEST_F(SimulatedHostTest, MisuseIsToldByName) {
  Event event;
  EXPECT_EQ(client_.runtime().Wait(event, Deadline::Never(), {}), WaitResult::kStopped);
  EXPECT_EQ(client_.runtime().Spawn([] {}).status(),
            absl::FailedPreconditionError("Spawn on simulated host 'client' from outside its "
                                          "fibers; start one with SimulatedHost::Run"));
  client_.Run("watch", [this] {
    Source foreign(0, Source::Kind::kReadable);
    EXPECT_EQ(Runtime::Current().Wait(foreign, Deadline::Never(), {}), WaitResult::kStopped);
    EXPECT_EQ(sim_.Run(),
              absl::FailedPreconditionError("Simulation::Run was called inside the simulation"));
  });
  EXPECT_EQ(sim_.Run(), absl::OkStatus());
  server_.Crash();
  server_.Run("ghost", [] {});
  sim_.SetLink(server_, client_, {.loss = 2});
  sim_.SetName("x", {"nowhere"});
  sim_.AddHost("client");
  EXPECT_EQ(client_.AddAddress("nowhere").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client_.AddAddress("198.18.0.1").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(sim_.RunFor(absl::InfiniteDuration()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      failures_,
      ElementsAre(
          "a wait on simulated host 'client' outside its fibers; start one with "
          "SimulatedHost::Run",
          "fiber 'client/watch' waits for descriptor 0, which virtual time doesn't watch; use the "
          "simulated network",
          "fiber 'ghost' was started on host 'server', which is down; Restart it first",
          "LinkOptions.loss is 2; it must be from 0 to 1",
          "SetName(\"x\") has \"nowhere\", which is not an address like 10.0.0.1 or 2001:db8::1",
          "AddHost(\"client\"): a host needs a name of its own"));
}

TEST_F(SimulatedHostTest, OptionsSayWhatIsWrong) {
  EXPECT_EQ(LinkOptions{.latency = absl::Seconds(-1)}.Validate(),
            absl::InvalidArgumentError("LinkOptions.latency is -1s; it must be from 0 to 1h"));
  EXPECT_EQ(LinkOptions{.jitter = absl::Hours(2)}.Validate(),
            absl::InvalidArgumentError("LinkOptions.jitter is 2h; it must be from 0 to 1h"));
  EXPECT_EQ(LinkOptions{.bandwidth = -1}.Validate(),
            absl::InvalidArgumentError("LinkOptions.bandwidth is -1; it must be at least 0 bytes "
                                       "a second (0: any number)"));
  EXPECT_EQ(SimulationOptions{.link = {.loss = -1}}.Validate(),
            absl::InvalidArgumentError(
                "SimulationOptions.link: LinkOptions.loss is -1; it must be from 0 to 1"));
  EXPECT_EQ(
      SimulationOptions{.stack_size = 1}.Validate(),
      absl::InvalidArgumentError("SimulationOptions.stack_size is 1; it must be at least 16384"));
  EXPECT_THAT(failures_, IsEmpty());
}

}  // namespace
}  // namespace redial::testing
