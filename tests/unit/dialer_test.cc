// Dialing in virtual time, against a network that does as it is told.
#include "src/net/dialer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/target.h"
#include "redial/testing/virtual_runtime.h"
#include "redial/time.h"
#include "src/net/immediate_lookup.h"
#include "tests/unit/scripted_network.h"

namespace redial::internal {
namespace {

using absl::Milliseconds;
using redial::testing::VirtualRuntime;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DialerTest : public ::testing::Test {
 protected:
  static Address Parse(const std::string& text) { return *Address::Parse(text); }

  void Resolve(const std::vector<std::string>& ipv6, const std::vector<std::string>& ipv4) {
    std::vector<Address> addresses;
    for (const auto& text : ipv6) addresses.push_back(Parse(text));
    network_.lookup.ipv6 = addresses;
    addresses.clear();
    for (const auto& text : ipv4) addresses.push_back(Parse(text));
    network_.lookup.ipv4 = addresses;
    if (ipv6.empty()) network_.lookup.ipv6 = NoAddress("cache", Address::Family::kIpv6);
    if (ipv4.empty()) network_.lookup.ipv4 = NoAddress("cache", Address::Family::kIpv4);
  }

  absl::Status Dial(const std::string& target, absl::Duration timeout = absl::InfiniteDuration()) {
    return DialUntil(target, Deadline::After(runtime_.Now(), timeout));
  }
  absl::Status DialUntil(const std::string& target, Deadline deadline) {
    const Target parsed = *Target::Parse(target);
    const std::stop_token stop = stop_.get_token();
    Dialer dialer(parsed, deadline, stop, options_, network_, avoid_);
    auto stream = dialer.Run();
    tried_ = dialer.Tried();
    connect_time_ = dialer.connect_time();
    peer_ = stream.ok() ? (*stream)->peer().ToString() : "";
    alive_after_success_ = network_.alive;
    failure_ = FailureOf(stream.status()).value_or(Failure());
    // Without the payload, so that it equals what a test expects.
    return absl::Status(stream.status().code(), stream.status().message());
  }
  int elapsed_ms() const { return static_cast<int>(absl::ToInt64Milliseconds(runtime_.elapsed())); }

  VirtualRuntime runtime_;
  ScriptedNetwork network_{runtime_};
  DialOptions options_;
  std::stop_source stop_;
  Failure failure_;  // of the last dial
  std::vector<AddressTried> tried_;
  std::vector<Address> avoid_;
  absl::Duration connect_time_;
  std::string peer_;
  int alive_after_success_ = 0;
};

AddressTried Tried(const std::string& address, int error, int ms) {
  return {.address = address, .error = error, .elapsed = Milliseconds(ms)};
}

TEST_F(DialerTest, ConnectsToALiteralAddressWithoutALookUp) {
  network_.plans["127.0.0.1:80"] = {.after_ms = 3};
  EXPECT_EQ(Dial("tcp://127.0.0.1:80"), absl::OkStatus());
  EXPECT_EQ(peer_, "127.0.0.1:80");
  EXPECT_EQ(network_.lookups, 0);
  EXPECT_EQ(elapsed_ms(), 3);
  EXPECT_THAT(tried_, IsEmpty());
}

TEST_F(DialerTest, ConnectsToAUnixSocketWhateverTheFamily) {
  options_.resolver.family = AddressFamily::kIpv6Only;
  network_.plans["/run/app.sock"] = {.after_ms = 0};
  EXPECT_EQ(Dial("unix:///run/app.sock"), absl::OkStatus());
  EXPECT_EQ(network_.lookups, 0);
}

// Nothing tells when a full backlog has room: 1 ms at first, 10 ms at most.
TEST_F(DialerTest, TriesAgainAfterAPauseWhereNothingTells) {
  network_.plans["/run/app.sock"] = {.after_ms = 40, .no_source = true};
  EXPECT_EQ(Dial("unix:///run/app.sock"), absl::OkStatus());
  EXPECT_THAT(network_.tries, ElementsAre(0, 1, 3, 7, 15, 25, 35, 45));
}

TEST_F(DialerTest, AFullBacklogEndsWithTheDeadline) {
  network_.plans["/run/app.sock"] = {.no_source = true};
  const absl::Status status = Dial("unix:///run/app.sock", Milliseconds(50));
  EXPECT_EQ(status, absl::DeadlineExceededError("connect to /run/app.sock timed out after 50 ms"));
  EXPECT_THAT(failure_.tried, ElementsAre(Tried("/run/app.sock", ETIMEDOUT, 50)));
  EXPECT_EQ(network_.alive, 0);
}

TEST_F(DialerTest, ARefusalNamesItsErrno) {
  network_.plans["127.0.0.1:80"] = {.after_ms = 1, .error = ECONNREFUSED};
  const absl::Status status = Dial("tcp://127.0.0.1:80");
  EXPECT_EQ(status, absl::UnavailableError("connect to 127.0.0.1:80 failed: connection refused "
                                           "(ECONNREFUSED) after 1 ms"));
  EXPECT_EQ(failure_.phase, Phase::kConnect);
  EXPECT_EQ(failure_.error, ECONNREFUSED);
  EXPECT_EQ(failure_.sent, Sent::kNo);
  EXPECT_EQ(failure_.elapsed, Milliseconds(1));
}

TEST_F(DialerTest, TheFailureNamesEveryAddress) {
  Resolve({"[::1]:6379"}, {"10.0.0.7:6379"});
  network_.plans["[::1]:6379"] = {.after_ms = 1, .error = ECONNREFUSED};
  network_.plans["10.0.0.7:6379"] = {.after_ms = 20, .error = EHOSTUNREACH};
  const absl::Status status = Dial("tcp://cache:6379");
  EXPECT_EQ(status,
            absl::UnavailableError(
                "connect to cache:6379 failed: [::1]:6379 connection refused (ECONNREFUSED) after "
                "1 ms; 10.0.0.7:6379 no route to host (EHOSTUNREACH) after 20 ms"));
  EXPECT_EQ(failure_.error, ECONNREFUSED) << "what a peer said, above that there is no way";
  EXPECT_EQ(failure_.elapsed, Milliseconds(21));
  EXPECT_THAT(failure_.tried, ElementsAre(Tried("[::1]:6379", ECONNREFUSED, 1),
                                          Tried("10.0.0.7:6379", EHOSTUNREACH, 20)));
}

TEST_F(DialerTest, ADeadlineWhileConnectingNamesEveryAddress) {
  Resolve({"[::1]:6379"}, {"10.0.0.7:6379"});
  network_.plans["[::1]:6379"] = {.after_ms = 1, .error = ECONNREFUSED};
  const absl::Status status = Dial("tcp://cache:6379", Milliseconds(201));
  EXPECT_EQ(status, absl::DeadlineExceededError(
                        "connect to cache:6379 timed out after 201 ms: [::1]:6379 connection "
                        "refused (ECONNREFUSED) after 1 ms; 10.0.0.7:6379 timed out after 200 ms"));
  EXPECT_EQ(failure_.error, ETIMEDOUT);
  EXPECT_EQ(elapsed_ms(), 201);
  EXPECT_EQ(network_.alive, 0);
}

TEST_F(DialerTest, TheKernelsOwnTimeoutIsNotTheDeadline) {
  network_.plans["127.0.0.1:80"] = {.after_ms = 900, .error = ETIMEDOUT};
  EXPECT_EQ(Dial("tcp://127.0.0.1:80", absl::Seconds(1)),
            absl::UnavailableError("connect to 127.0.0.1:80 failed: connection timed out "
                                   "(ETIMEDOUT) after 900 ms"));
}

TEST_F(DialerTest, TheLosersAreClosedAndKeptForTheStory) {
  Resolve({"[::1]:80"}, {"10.0.0.7:80", "10.0.0.8:80"});
  network_.plans["[::1]:80"] = {.after_ms = 10, .error = ENETUNREACH};
  network_.plans["10.0.0.8:80"] = {.after_ms = 5};
  EXPECT_EQ(Dial("tcp://cache:80"), absl::OkStatus());
  EXPECT_EQ(peer_, "10.0.0.8:80");
  EXPECT_EQ(alive_after_success_, 1);
  EXPECT_THAT(network_.started, ElementsAre("0 [::1]:80", "10 10.0.0.7:80", "260 10.0.0.8:80"));
  EXPECT_THAT(tried_, ElementsAre(Tried("[::1]:80", ENETUNREACH, 10),
                                  Tried("10.0.0.7:80", ECANCELED, 255)));
}

TEST_F(DialerTest, AnAddressToAvoidComesLast) {
  Resolve({}, {"10.0.0.7:80", "10.0.0.8:80"});
  network_.plans["10.0.0.7:80"] = {.after_ms = 1};
  network_.plans["10.0.0.8:80"] = {.after_ms = 1};
  avoid_ = {Parse("10.0.0.7:80")};
  EXPECT_EQ(Dial("tcp://cache:80"), absl::OkStatus());
  EXPECT_EQ(peer_, "10.0.0.8:80");
}

TEST_F(DialerTest, WithOneAddressThereIsNothingToAvoid) {
  network_.plans["127.0.0.1:80"] = {.after_ms = 3};
  avoid_ = {Parse("127.0.0.1:80")};
  EXPECT_EQ(Dial("tcp://127.0.0.1:80"), absl::OkStatus());
  EXPECT_EQ(elapsed_ms(), 3);
}

// Of the one that won, without what was tried before it.
TEST_F(DialerTest, TellsHowLongItTookToConnect) {
  Resolve({}, {"10.0.0.7:80", "10.0.0.8:80"});
  network_.plans["10.0.0.7:80"] = {.after_ms = 40, .error = ECONNREFUSED};
  network_.plans["10.0.0.8:80"] = {.after_ms = 7};
  EXPECT_EQ(Dial("tcp://cache:80"), absl::OkStatus());
  EXPECT_EQ(connect_time_, Milliseconds(7));
}

TEST_F(DialerTest, OutOfDescriptorsIsResourceExhausted) {
  Resolve({"[::1]:80"}, {"10.0.0.7:80"});
  network_.plans["[::1]:80"] = {.error = EMFILE, .at_start = true};
  network_.plans["10.0.0.7:80"] = {.after_ms = 1, .error = ECONNREFUSED};
  const absl::Status status = Dial("tcp://cache:80");
  EXPECT_EQ(status, absl::ResourceExhaustedError(
                        "connect to cache:80 failed: [::1]:80 too many open files (EMFILE) after "
                        "0 ms; 10.0.0.7:80 connection refused (ECONNREFUSED) after 1 ms"));
  EXPECT_EQ(failure_.error, EMFILE);
}

TEST_F(DialerTest, StartsWithTheFirstFamilyThatIsKnown) {
  Resolve({"[::1]:80"}, {"10.0.0.7:80"});
  network_.lookup.ipv6_ms = -1;
  network_.lookup.ipv4_ms = 4;
  network_.plans["10.0.0.7:80"] = {.after_ms = 1};
  EXPECT_EQ(Dial("tcp://cache:80"), absl::OkStatus());
  EXPECT_THAT(network_.started, ElementsAre("54 10.0.0.7:80"));
}

TEST_F(DialerTest, ALookUpThatTimesOutNamesTheServers) {
  network_.lookup.ipv4_ms = -1;
  network_.lookup.ipv6_ms = -1;
  network_.lookup.tried = {Tried("10.0.0.2", ETIMEDOUT, 2000), Tried("10.0.0.3", ECONNREFUSED, 1)};
  const absl::Status status = Dial("tcp://cache:80", absl::Seconds(2));
  EXPECT_EQ(status, absl::DeadlineExceededError(
                        "look-up of 'cache' timed out after 2 s: name server 10.0.0.2 did not "
                        "answer; name server 10.0.0.3 cannot be reached: connection refused "
                        "(ECONNREFUSED)"));
  EXPECT_EQ(failure_.phase, Phase::kResolve);
  EXPECT_EQ(failure_.error, ETIMEDOUT);
  EXPECT_EQ(failure_.tried, network_.lookup.tried);
}

TEST_F(DialerTest, NoSuchHostIsNotFound) {
  network_.lookup.ipv4 = NoSuchHost("cache");
  network_.lookup.ipv6 = NoSuchHost("cache");
  const absl::Status status = Dial("tcp://cache:80");
  EXPECT_EQ(status, absl::NotFoundError("no such host: 'cache'"));
  EXPECT_EQ(failure_.phase, Phase::kResolve);
  EXPECT_EQ(failure_.sent, Sent::kNo);
}

TEST_F(DialerTest, AHostWithoutAddressesIsNotFound) {
  Resolve({}, {});
  EXPECT_EQ(
      Dial("tcp://cache:80"),
      absl::NotFoundError("host 'cache' has no IPv6 address; host 'cache' has no IPv4 address"));
}

TEST_F(DialerTest, ASilentServerIsNotAMissingHost) {
  network_.lookup.ipv4 =
      absl::UnavailableError("look-up of 'cache' failed: name server did not answer");
  network_.lookup.ipv6 = NoSuchHost("cache");
  EXPECT_EQ(Dial("tcp://cache:80"), network_.lookup.ipv4.status());
  std::swap(network_.lookup.ipv4, network_.lookup.ipv6);
  EXPECT_EQ(Dial("tcp://cache:80"), network_.lookup.ipv6.status());
}

TEST_F(DialerTest, AFailedConnectTellsOfTheFamilyThatNobodyKnows) {
  Resolve({}, {"10.0.0.7:80"});
  network_.lookup.ipv6 =
      absl::UnavailableError("look-up of 'cache' failed: name server 10.0.0.2 did not answer");
  network_.plans["10.0.0.7:80"] = {.after_ms = 1, .error = ECONNREFUSED};
  EXPECT_EQ(Dial("tcp://cache:80"),
            absl::UnavailableError(
                "connect to cache:80 failed: 10.0.0.7:80 connection refused (ECONNREFUSED) after "
                "1 ms; look-up of 'cache' failed: name server 10.0.0.2 did not answer"));
}

TEST_F(DialerTest, APassedDeadlineFailsBeforeAnything) {
  EXPECT_EQ(DialUntil("tcp://cache:80", Deadline::Past()),
            absl::DeadlineExceededError("connect to cache:80 not begun: the deadline had passed"));
  EXPECT_EQ(
      Dial("tcp://127.0.0.1:80", absl::ZeroDuration()),
      absl::DeadlineExceededError("connect to 127.0.0.1:80 not begun: the deadline had passed"));
  EXPECT_EQ(network_.lookups, 0);
  EXPECT_THAT(network_.started, IsEmpty());
}

TEST_F(DialerTest, AStopBeforeFailsBeforeAnything) {
  stop_.request_stop();
  EXPECT_EQ(Dial("tcp://cache:80"),
            absl::CancelledError("connect to cache:80 not begun: stop was requested"));
  EXPECT_EQ(network_.lookups, 0);
}

TEST_F(DialerTest, AStopEndsTheLookUp) {
  network_.lookup.ipv4_ms = -1;
  network_.lookup.ipv6_ms = -1;
  runtime_.After(Milliseconds(7), [&] { stop_.request_stop(); });
  EXPECT_EQ(Dial("tcp://cache:80", absl::Seconds(1)),
            absl::CancelledError("look-up of 'cache' stopped after 7 ms"));
}

TEST_F(DialerTest, AStopEndsTheConnects) {
  Resolve({"[::1]:80"}, {});
  runtime_.After(Milliseconds(7), [&] { stop_.request_stop(); });
  const absl::Status status = Dial("tcp://cache:80", absl::Seconds(1));
  EXPECT_EQ(status, absl::CancelledError("connect to cache:80 stopped after 7 ms: [::1]:80 given "
                                         "up after 7 ms"));
  EXPECT_THAT(failure_.tried, ElementsAre(Tried("[::1]:80", ECANCELED, 7)));
  EXPECT_EQ(network_.alive, 0);
}

TEST_F(DialerTest, AResolverFunctionAnswers) {
  ResolveRequest seen;
  options_.resolver.function =
      [&](const ResolveRequest& request) -> absl::StatusOr<std::vector<Address>> {
    seen = request;
    return std::vector<Address>{Parse("10.0.0.7:0"), Parse("10.0.0.8:81"), Parse("[::1]:0")};
  };
  network_.plans["10.0.0.8:81"] = {.after_ms = 1};
  EXPECT_EQ(Dial("tcp://cache:80", absl::Seconds(9)), absl::OkStatus());
  EXPECT_EQ(seen.host, "cache");
  EXPECT_EQ(seen.port, 80);
  EXPECT_EQ(seen.deadline, Deadline::After(Instant::VirtualOrigin(), absl::Seconds(9)));
  EXPECT_TRUE(seen.stop.stop_possible());
  EXPECT_THAT(network_.started, ElementsAre("0 [::1]:80", "250 10.0.0.7:80", "500 10.0.0.8:81"));
}

TEST_F(DialerTest, AResolverFunctionFailsInItsOwnWords) {
  options_.resolver.function = [](const ResolveRequest&) -> absl::StatusOr<std::vector<Address>> {
    return absl::PermissionDeniedError("consul says no");
  };
  const absl::Status status = Dial("tcp://cache:80");
  EXPECT_EQ(status, absl::PermissionDeniedError("consul says no"));
  EXPECT_EQ(failure_.phase, Phase::kResolve);
}

TEST_F(DialerTest, AResolverFunctionMayFindNothing) {
  options_.resolver.function = [](const ResolveRequest&) { return std::vector<Address>(); };
  EXPECT_EQ(Dial("tcp://cache:80"), absl::NotFoundError("no such host: 'cache'"));
}

TEST_F(DialerTest, AResolverFunctionAnswersWithIpAddressesOnly) {
  options_.resolver.function = [](const ResolveRequest&) {
    return std::vector<Address>{Parse("/run/app.sock")};
  };
  EXPECT_EQ(Dial("tcp://cache:80"),
            absl::InvalidArgumentError("the resolver function answered '/run/app.sock' for "
                                       "'cache': must be an IPv4 or IPv6 address"));
}

TEST_F(DialerTest, AResolverFunctionThatOutlivesTheDeadlineDialsNobody) {
  options_.resolver.function = [&](const ResolveRequest&) {
    runtime_.Advance(absl::Seconds(3));
    return std::vector<Address>{Parse("10.0.0.7:80")};
  };
  EXPECT_EQ(Dial("tcp://cache:80", absl::Seconds(2)),
            absl::DeadlineExceededError("look-up of 'cache' timed out after 3 s"));
  EXPECT_THAT(network_.started, IsEmpty());
}

TEST_F(DialerTest, LocalhostNeedsNoServer) {
  network_.plans["127.0.0.1:80"] = {.after_ms = 0};
  for (const std::string name : {"localhost", "LocalHost", "db.localhost"}) {
    network_.started.clear();
    EXPECT_EQ(Dial(absl::StrCat("tcp://", name, ":80")), absl::OkStatus());
    EXPECT_EQ(network_.started.front().substr(network_.started.front().find(' ')), " [::1]:80");
    EXPECT_EQ(peer_, "127.0.0.1:80");
  }
}

TEST_F(DialerTest, AFamilyThatIsRuledOutIsNotDialed) {
  options_.resolver.family = AddressFamily::kIpv4Only;
  network_.plans["127.0.0.1:80"] = {.after_ms = 0};
  EXPECT_EQ(Dial("tcp://localhost:80"), absl::OkStatus());
  EXPECT_THAT(network_.started, ElementsAre("0 127.0.0.1:80"));
  EXPECT_EQ(Dial("tcp://[::1]:80"), absl::NotFoundError("host '::1' has no IPv4 address"));
}

}  // namespace
}  // namespace redial::internal
