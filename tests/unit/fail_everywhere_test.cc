#include "redial/testing/fail_everywhere.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/redial.h"
#include "redial/testing/matchers.h"

namespace redial::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Injection::Kind;

// Takes one line a connection, does what it says, and answers. The peer hears nothing if it ends
// between the two.
void TakePayments(int& paid) {
  auto listener = Listener::Listen(*Address::Parse("0.0.0.0:80"));
  if (!listener.ok()) return;
  for (;;) {
    auto peer = listener->Accept();
    if (!peer.ok()) return;
    peer->set_operation_timeout(absl::Seconds(10)).IgnoreError();
    if (!peer->ReadUntil("\n").ok()) continue;
    ++paid;
    peer->Write("OK\n").IgnoreError();
  }
}

absl::StatusOr<std::string> PayOver(Socket& socket) {
  if (auto sent = socket.Write("PAY\n"); !sent.ok()) return sent;
  return socket.ReadUntil("\n");
}

// A payment in a loop of one's own, which goes by the error alone.
void PayByHand() {
  for (int attempt = 0; attempt < 3; ++attempt) {
    const Deadline deadline = Deadline::After(Runtime::Current().Now(), absl::Seconds(5));
    auto socket = Dial(*Target::Parse("tcp://bank:80"), deadline);
    if (socket.ok() && PayOver(*socket).ok()) return;
  }
}

void PayWithPolicies() {
  auto client = Client::Create("tcp://bank:80",
                               {Retry({.max_attempts = 3}), AttemptTimeout(absl::Seconds(5))});
  ASSERT_TRUE(client.ok()) << client.status();
  client->Call({.operation = "PAY", .timeout = absl::Seconds(20)}, PayOver).status().IgnoreError();
}

absl::Status PaysAtMostOnce(Simulation& sim, void (*pay)()) {
  int paid = 0;
  sim.AddHost("bank").Serve("till", [&] { TakePayments(paid); });
  sim.AddHost("shop").Run("pay", pay);
  if (absl::Status ran = sim.Run(); !ran.ok()) return ran;
  sim.RunFor(absl::Minutes(1)).IgnoreError();
  if (paid <= 1) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("paid ", paid, " times"));
}

TEST(FailEverywhere, FindsThePaymentThatRunsTwice) {
  const FailEverywhereReport report =
      FailEverywhere([](Simulation& sim) { return PaysAtMostOnce(sim, PayByHand); }, {.seed = 7});
  ASSERT_FALSE(report.ok());
  ASSERT_TRUE(report.point.has_value());
  EXPECT_THAT(std::string(report.status.message()), HasSubstr("paid "));
  EXPECT_THAT(report.ToString(), HasSubstr("to see it again: {.seed = 7, .only = FaultPoint{"));
  EXPECT_THAT(report.trace, HasSubstr("shop:"));

  // The printed point alone shows it again.
  const FailEverywhereReport again =
      FailEverywhere([](Simulation& sim) { return PaysAtMostOnce(sim, PayByHand); },
                     {.seed = 7, .only = report.point});
  EXPECT_EQ(again.status, report.status);
  EXPECT_EQ(again.trace, report.trace);
  EXPECT_EQ(again.runs, 2u);
}

TEST(FailEverywhere, HoldsWhereReplaysAreSafe) {
  const FailEverywhereReport report =
      FailEverywhere([](Simulation& sim) { return PaysAtMostOnce(sim, PayWithPolicies); });
  EXPECT_TRUE(report.ok()) << report.ToString();
  EXPECT_THAT(report.ToString(), StartsWith("holds in "));
  // A look-up, a connect, an accept, two writes and two reads.
  EXPECT_GE(report.operations, 7u);
  EXPECT_GT(report.runs, 40u);
}

// Each byte of what is written is a place for each of three faults, each inner one for a short write.
TEST(FailEverywhere, VisitsEveryByteOnce) {
  const auto writes = [](Simulation& sim) {
    sim.AddHost("sink").Serve("sink", [] {
      auto listener = Listener::Listen(*Address::Parse("0.0.0.0:80"));
      auto peer = listener->Accept();
      if (peer.ok()) peer->ReadExactly(5).status().IgnoreError();
    });
    sim.AddHost("source").Run("write", [] {
      auto socket = Dial(*Target::Parse("tcp://sink:80"),
                         Deadline::After(Runtime::Current().Now(), absl::Seconds(5)));
      if (socket.ok()) socket->Write("12345").IgnoreError();
    });
    if (absl::Status ran = sim.Run(); !ran.ok()) return ran;
    return sim.RunFor(absl::Minutes(1));
  };
  const FailEverywhereReport resets = FailEverywhere(writes, {.faults = {Kind::kReset}});
  const FailEverywhereReport shorts = FailEverywhere(writes, {.faults = {Kind::kShort}});
  EXPECT_TRUE(resets.ok()) << resets.ToString();
  EXPECT_TRUE(shorts.ok()) << shorts.ToString();
  // One run without a fault; of a write of 5 bytes 6 places for a reset, of the read and the accept
  // one each; 4 places for a short write, and 4 for a short read.
  EXPECT_EQ(resets.runs, 1u + 6 + 1 + 1);
  EXPECT_EQ(shorts.runs, 1u + 4 + 4);
}

TEST(FailEverywhere, SaysWhatFailsWithoutAnyFault) {
  const FailEverywhereReport report =
      FailEverywhere([](Simulation&) { return absl::InternalError("never holds"); });
  EXPECT_THAT(report.status,
              StatusIs(absl::StatusCode::kInternal, "fails without any fault: never holds"));
  EXPECT_FALSE(report.point.has_value());
  EXPECT_EQ(report.runs, 1u);
}

TEST(FailEverywhere, AFailureOfTheSimulationBreaksAnInvariant) {
  const FailEverywhereReport report = FailEverywhere([](Simulation& sim) {
    sim.AddHost("lonely").Run("wait", [] {
      Event never;
      Runtime::Current().Wait(never, Deadline::Never(), {});
    });
    return sim.Run();
  });
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(report.ToString(), HasSubstr("lonely"));
}

TEST(FailEverywhere, NoticesStateThatIsLeftOver) {
  int run = 0;
  const FailEverywhereReport report = FailEverywhere([&run](Simulation& sim) {
    ++run;
    int paid = 0;
    sim.AddHost("bank").Serve("till", [&] { TakePayments(paid); });
    sim.AddHost("shop").Run("pay", [&run] {
      auto socket = Dial(*Target::Parse("tcp://bank:80"),
                         Deadline::After(Runtime::Current().Now(), absl::Seconds(5)));
      if (socket.ok()) socket->Write(std::string(static_cast<size_t>(run), 'x')).IgnoreError();
    });
    return sim.Run();
  });
  EXPECT_EQ(report.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(report.ToString(), StartsWith("the scenario isn't deterministic"));
}

TEST(FailEverywhere, ChecksItsOptions) {
  const auto quiet = [](Simulation&) { return absl::OkStatus(); };
  EXPECT_THAT(FailEverywhere(quiet, {.faults = {Kind::kNone}}).status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "FailEverywhereOptions.faults has kNone, which is no fault"));
  EXPECT_THAT(FailEverywhere(quiet, {.max_runs = 0}).status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "FailEverywhereOptions.max_runs is 0; it must be at least 1"));
  EXPECT_THAT(FailEverywhere(quiet, {.only = FaultPoint{1, Kind::kReset, 0}}).status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "FailEverywhereOptions.only names operation 1, reset after 0; the scenario "
                       "has no such point with seed 1"));
  const FailEverywhereReport large = FailEverywhere(
      [](Simulation& sim) { return PaysAtMostOnce(sim, PayByHand); }, {.max_runs = 3});
  EXPECT_EQ(large.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(large.runs, 1u);
}

}  // namespace
}  // namespace redial::testing
