#include "redial/testing/fake_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redial/dial.h"
#include "redial/socket.h"
#include "redial/target.h"
#include "redial/testing/matchers.h"

namespace redial::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<Socket> Connect(FakeNetwork& net, std::string_view target,
                               Deadline deadline = Deadline::Never(),
                               const DialOptions& options = {}) {
  const absl::StatusOr<Target> parsed = Target::Parse(target);
  if (!parsed.ok()) return parsed.status();
  return Dial(*parsed, deadline, {}, options, net);
}

Deadline In(FakeNetwork& net, absl::Duration timeout) {
  return Deadline::After(net.runtime().Now(), timeout);
}

// A network whose complaints are kept: those of its life, and after `End` those of its end as well.
class Complaints : public ::testing::Test {
 protected:
  Complaints() {
    net_ = std::make_unique<FakeNetwork>(FakeNetworkOptions{
        .on_failure = [this](const TestFailure& failure) { failures_.push_back(failure); }});
  }

  FakeNetwork& net() { return *net_; }
  std::vector<std::string> End() {
    net_.reset();
    return Sentences();
  }
  std::vector<std::string> Sentences() const {
    std::vector<std::string> sentences;
    for (const TestFailure& failure : failures_) sentences.push_back(failure.sentence);
    return sentences;
  }

  std::vector<TestFailure> failures_;
  std::unique_ptr<FakeNetwork> net_;
};

TEST(FakeNetwork, ItsRuntimeIsCurrentForItsLife) {
  Runtime& before = Runtime::Current();
  {
    FakeNetwork net;
    EXPECT_EQ(&Runtime::Current(), &net.runtime());
  }
  EXPECT_EQ(&Runtime::Current(), &before);
}

TEST(FakeNetwork, ExchangesWhatIsScripted) {
  FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Accept()
      .Reply("hello\r\n")
      .Expect("PING\r\n")
      .Reply("+PONG\r\n")
      .Close();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->ReadUntil("\r\n"), IsOkAndHolds("hello\r\n"));
  EXPECT_THAT(socket->Write("PI"), IsOk());
  EXPECT_THAT(socket->Write("NG\r\n"), IsOk());
  EXPECT_THAT(socket->ReadUntil("\r\n"), IsOkAndHolds("+PONG\r\n"));
  char byte = 0;
  EXPECT_THAT(socket->Read(absl::MakeSpan(&byte, 1)), IsOkAndHolds(0u));
  EXPECT_EQ(socket->bytes_sent(), 6u);
  EXPECT_EQ(socket->peer().ToString(), "198.18.0.1:6379");
  EXPECT_EQ(net.runtime().elapsed(), absl::ZeroDuration());
}

TEST(FakeNetwork, ConnectsFailAsScriptedInTheirOrder) {
  FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Refuse()
      .Unreachable()
      .FailConnect(EMFILE)
      .BlackHole()
      .AcceptAfter(absl::Seconds(2));
  EXPECT_THAT(Connect(net, "tcp://cache:6379"),
              AllOf(StatusIs(absl::StatusCode::kUnavailable), HasErrno(ECONNREFUSED)));
  EXPECT_THAT(Connect(net, "tcp://cache:6379"),
              AllOf(StatusIs(absl::StatusCode::kUnavailable), HasErrno(EHOSTUNREACH)));
  EXPECT_THAT(Connect(net, "tcp://cache:6379"),
              AllOf(StatusIs(absl::StatusCode::kResourceExhausted), HasErrno(EMFILE)));
  EXPECT_EQ(net.runtime().elapsed(), absl::ZeroDuration());
  EXPECT_THAT(Connect(net, "tcp://cache:6379", In(net, absl::Seconds(3))),
              AllOf(StatusIs(absl::StatusCode::kDeadlineExceeded), FailedIn(Phase::kConnect)));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(3));
  EXPECT_THAT(Connect(net, "tcp://cache:6379"), IsOk());
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(5));
}

TEST(FakeNetwork, RepliesTakeTheTimeTheyAreGiven) {
  FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Accept()
      .Delay(absl::Seconds(1))
      .Reply("a")
      .ReplySlowly("bcd", absl::Seconds(2))
      .Reply("e");
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->ReadExactly(1), IsOkAndHolds("a"));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(1));
  EXPECT_THAT(socket->ReadExactly(1), IsOkAndHolds("b"));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(3));
  EXPECT_THAT(socket->ReadExactly(3), IsOkAndHolds("cde"));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(7));
}

TEST(FakeNetwork, AReadThatTimesOutLosesNothing) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept().ReplySlowly("abc", absl::Seconds(1));
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  ASSERT_THAT(socket->set_operation_timeout(absl::Milliseconds(2500)), IsOk());
  EXPECT_THAT(socket->ReadExactly(3), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net.runtime().elapsed(), absl::Milliseconds(2500));
  EXPECT_THAT(socket->ReadExactly(3), IsOkAndHolds("abc"));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(3));
}

TEST(FakeNetwork, AStalledPeerTakesEverythingAndNeverAnswers) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept().Expect("PING\r\n").Stall();
  auto socket = Connect(net, "tcp://cache:6379", In(net, absl::Seconds(5)));
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->Write("PING\r\nPING\r\n"), IsOk());
  EXPECT_THAT(socket->Write("and more"), IsOk());
  EXPECT_THAT(socket->ReadExactly(1), AllOf(StatusIs(absl::StatusCode::kDeadlineExceeded),
                                            FailedIn(Phase::kRead), WasSent(Sent::kMaybe)));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(5));
}

TEST(FakeNetwork, WhatCameBeforeAResetCanStillBeRead) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept().Reply("abc").Reset();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->ReadExactly(3), IsOkAndHolds("abc"));
  EXPECT_THAT(socket->ReadExactly(1),
              AllOf(StatusIs(absl::StatusCode::kUnavailable), HasErrno(ECONNRESET)));
  EXPECT_THAT(socket->Write("x"), HasErrno(EPIPE));
}

TEST(FakeNetwork, AClosedPeerEndsReadsAndThenBreaksWrites) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept().Reply("abc").Close();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->ReadExactly(5), StatusIs(absl::StatusCode::kUnavailable,
                                               HasSubstr("closed by the peer after 3 of 5 bytes")));
  EXPECT_THAT(socket->Write("lost"), IsOk());
  EXPECT_THAT(socket->Write("x"), HasErrno(EPIPE));
}

TEST(FakeNetwork, NothingIsWrittenAfterShutdown) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept().Expect("bye");
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->Write("bye"), IsOk());
  EXPECT_THAT(socket->ShutdownWrite(), IsOk());
  EXPECT_THAT(socket->Write("x"), HasErrno(EPIPE));
}

TEST(FakeNetwork, ClosingFromAScheduledFunctionEndsAWait) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  net.runtime().After(absl::Seconds(1), [&] { socket->Close(); });
  EXPECT_THAT(socket->ReadExactly(1), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(1));
}

TEST(FakeNetwork, LiteralsAndPathsAreThemselves) {
  FakeNetwork net;
  net.Script("tcp://[::1]:80").Accept().Reply("six");
  net.Script("tcp://10.0.0.7:80").Accept().Reply("four");
  net.Script("unix:///run/app.sock").Accept().Reply("unix");
  const auto exchange = [&](std::string_view target, size_t size) {
    auto socket = Connect(net, target);
    return socket.ok() ? socket->ReadExactly(size) : socket.status();
  };
  EXPECT_THAT(exchange("unix:///run/app.sock", 4), IsOkAndHolds("unix"));
  EXPECT_THAT(exchange("tcp://10.0.0.7:80", 4), IsOkAndHolds("four"));
  EXPECT_THAT(exchange("tcp://[::1]:80", 3), IsOkAndHolds("six"));
}

TEST(FakeNetwork, NamesResolveAsScripted) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Resolve({"2001:db8::7", "10.0.0.7"}).Refuse().Accept();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_EQ(socket->peer().ToString(), "10.0.0.7:6379");
}

TEST(FakeNetwork, ALiteralScriptStandsForAnAddressOfAName) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Resolve({"10.0.0.7", "10.0.0.8"});
  net.Script("tcp://10.0.0.8:6379").Accept().Reply("8");
  net.Script("tcp://10.0.0.7:6379").BlackHole();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->ReadExactly(1), IsOkAndHolds("8"));
  EXPECT_EQ(net.runtime().elapsed(), absl::Milliseconds(250));
}

TEST(FakeNetwork, NamesMayNotExist) {
  FakeNetwork net;
  net.Script("tcp://nowhere:80").NoSuchHost();
  EXPECT_THAT(Connect(net, "tcp://nowhere:80"),
              AllOf(StatusIs(absl::StatusCode::kNotFound, "no such host: 'nowhere'"),
                    FailedIn(Phase::kResolve), WasSent(Sent::kNo)));
}

TEST(FakeNetwork, NameServersMayBeSilent) {
  FakeNetwork net;
  net.Script("tcp://nowhere:80").NameServerSilent();
  EXPECT_THAT(
      Connect(net, "tcp://nowhere:80"),
      AllOf(StatusIs(absl::StatusCode::kUnavailable,
                     "look-up of 'nowhere' failed: name server 198.18.255.53 did not answer"),
            FailedIn(Phase::kResolve), WasSent(Sent::kNo)));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(6));  // three rounds of two seconds
  EXPECT_THAT(Connect(net, "tcp://nowhere:80", In(net, absl::Seconds(1))),
              AllOf(StatusIs(absl::StatusCode::kDeadlineExceeded), FailedIn(Phase::kResolve)));
  EXPECT_EQ(net.runtime().elapsed(), absl::Seconds(7));
}

TEST(FakeNetwork, AUsersResolverIsAskedInstead) {
  FakeNetwork net;
  net.Script("tcp://10.0.0.7:6379").Accept();
  DialOptions options;
  options.resolver.function = [](const ResolveRequest& request) {
    EXPECT_EQ(request.host, "cache");
    return std::vector<Address>{*Address::FromLiteral("10.0.0.7", 0)};
  };
  EXPECT_THAT(Connect(net, "tcp://cache:6379", Deadline::Never(), options), IsOk());
}

TEST(FakeNetwork, AScriptGrowsWhileItIsUsed) {
  FakeNetwork net;
  net.Script("tcp://cache:6379").Accept();
  auto socket = Connect(net, "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  net.Script("tcp://cache:6379").Reply("late");
  EXPECT_THAT(socket->ReadExactly(4), IsOkAndHolds("late"));
}

TEST(FakeNetwork, HasNoListeners) {
  FakeNetwork net;
  EXPECT_THAT(net.Listen(*Address::Parse("127.0.0.1:0"), {}).status(),
              StatusIs(absl::StatusCode::kUnimplemented,
                       "a FakeNetwork has peers, no listeners; script one"));
}

TEST_F(Complaints, NoneWhereAllWentAsScripted) {
  net().Script("tcp://cache:6379").Accept().Expect("a");
  EXPECT_THAT(Connect(net(), "tcp://cache:6379")->Write("a"), IsOk());
  EXPECT_THAT(End(), IsEmpty());
}

TEST_F(Complaints, WrongBytesAreShownBesideTheExpectedOnes) {
  net().Script("tcp://cache:6379").Accept().Expect("PING\r\n");
  const auto line = std::source_location::current().line() - 1;
  auto socket = Connect(net(), "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->Write("PONG\r\n"), IsOk());
  EXPECT_THAT(Sentences(),
              ElementsAre("tcp://cache:6379, connection 1: expected \"PING\\r\\n\", but the client "
                          "wrote \"PONG\\r\\n\"; they differ from byte 2 on"));
  EXPECT_EQ(failures_[0].where.line(), line);
  EXPECT_THAT(socket->ReadExactly(1), HasErrno(ECONNRESET));
  socket->Close();
  EXPECT_EQ(End().size(), 1u);
}

TEST_F(Complaints, BytesThatNothingExpects) {
  net().Script("tcp://cache:6379").Accept().Expect("a").Reply("b");
  auto socket = Connect(net(), "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->Write("a\x01"), IsOk());
  EXPECT_THAT(Sentences(), ElementsAre("tcp://cache:6379, connection 1: the client wrote "
                                       "\"\\x01\", which nothing expects"));
}

TEST_F(Complaints, ExpectationsThatWereNotMet) {
  net().Script("tcp://cache:6379").Accept().Expect("PING\r\n").Reply("+PONG\r\n").Expect("QUIT");
  net().Script("tcp://db:5432").Accept().Expect("BEGIN");
  EXPECT_THAT(Connect(net(), "tcp://cache:6379")->Write("PI"), IsOk());
  EXPECT_THAT(Connect(net(), "tcp://db:5432"), IsOk());
  EXPECT_THAT(End(),
              ElementsAre("tcp://cache:6379, connection 1: still expected \"PING\\r\\n\", but the "
                          "client wrote \"PI\"",
                          "tcp://db:5432, connection 1: still expected \"BEGIN\", but the client "
                          "wrote nothing more"));
}

TEST_F(Complaints, ConnectionsThatWereNeverUsed) {
  net().Script("tcp://cache:6379").Refuse().Accept().Expect("PING\r\n");
  EXPECT_FALSE(Connect(net(), "tcp://cache:6379").ok());
  EXPECT_THAT(End(), ElementsAre("tcp://cache:6379, connection 2: Accept() was scripted, but the "
                                 "client never connected that often"));
}

TEST_F(Complaints, ConnectsThatNoScriptProvidesFor) {
  net().Script("tcp://cache:6379").Accept();
  EXPECT_THAT(Connect(net(), "tcp://cache:6379"), IsOk());
  net().runtime().Advance(absl::Seconds(1.5));
  EXPECT_THAT(Connect(net(), "tcp://cache:6379"), HasErrno(ECONNREFUSED));
  EXPECT_THAT(Connect(net(), "tcp://10.0.0.7:80"), HasErrno(ECONNREFUSED));
  EXPECT_THAT(Connect(net(), "tcp://db:5432"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(
      End(),
      ElementsAre(
          "tcp://cache:6379: the client connected once more at 1.5s, after the 1 connection of "
          "the script",
          "the client connected to 10.0.0.7:80 at 1.5s, which no script names",
          "the client looked up \"db\" at 1.5s, which no script names"));
}

TEST_F(Complaints, CallsThatHaveNotEndedAndReservationsLeftBehind) {
  CallEvent event;
  event.call_id = 1;
  event.operation = "GET";
  event.began = event.now = net().runtime().Now();
  net().Observe(event);
  event.call_id = 2;
  net().Observe(event);
  event.type = CallEvent::Type::kCallEnded;
  const absl::Status status;
  event.status = &status;
  event.outstanding = 2;
  net().Observe(event);
  EXPECT_THAT(End(), ElementsAre("the call \"GET\" hasn't ended",
                                 "calls left 2 reservations behind, neither voided nor settled"));
}

TEST_F(Complaints, ADeadlockOnTheNetworksRuntime) {
  net().Script("tcp://cache:6379").Accept();
  auto socket = Connect(net(), "tcp://cache:6379");
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(socket->ReadExactly(1), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Sentences(),
              ElementsAre("deadlock at 0s: a wait without a deadline, and nothing is scheduled "
                          "that could end it"));
}

TEST_F(Complaints, StepsThatCannotStandWhereTheyStand) {
  net().Script("tcp://a:1").Expect("x");
  net().Script("tcp://b:1").Refuse().Reply("x");
  net().Script("tcp://c:1").Accept().Stall().Reply("x");
  net().Script("tcp://d:1").Accept().Expect("");
  net().Script("tcp://e:1").Accept().Delay(-absl::Seconds(1));
  net().Script("tcp://f:1").AcceptAfter(absl::InfiniteDuration());
  net().Script("tcp://g:1").FailConnect(0);
  net().Script("tcp://h:1").Resolve({"h"});
  net().Script("tcp://10.0.0.1:1").NoSuchHost();
  EXPECT_THAT(
      Sentences(),
      ElementsAre(
          "tcp://a:1: Expect() stands before the first connection; begin with Accept()",
          "tcp://b:1: Reply() follows Refuse(); only an accepted connection goes on",
          "tcp://c:1: Reply() follows Stall(), which ends the connection's steps",
          "tcp://d:1: Expect() has no bytes",
          "tcp://e:1: Delay() has the duration -1s; it must be finite and not negative",
          "tcp://f:1: AcceptAfter() has the duration inf; it must be finite and not negative",
          "tcp://g:1: FailConnect(0) needs the errno of a connect that failed",
          "tcp://h:1: Resolve() has \"h\", which is not an address like 10.0.0.1 or 2001:db8::1",
          "tcp://10.0.0.1:1: NoSuchHost() is for a host name, and this target needs no look-up"));
}

TEST_F(Complaints, ATargetThatIsNone) {
  net().Script("cache:6379").Accept();
  EXPECT_THAT(End(), ElementsAre(std::string(Target::Parse("cache:6379").status().message())));
}

}  // namespace
}  // namespace redial::testing
