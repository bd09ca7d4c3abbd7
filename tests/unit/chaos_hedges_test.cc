// Faults of attempts that run beside each other: in simulations, on threads and on fibers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "redial/fiber.h"
#include "redial/redial.h"
#include "redial/testing/matchers.h"
#include "redial/testing/recorder.h"
#include "redial/testing/simulation.h"

namespace redial {
namespace {

using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::Simulation;
using Kind = Fault::Kind;

// Hedges each attempt once.
class HedgeAfter final : public Policy {
 public:
  explicit HedgeAfter(absl::Duration delay)
      : Policy({.name = "HedgeAfter", .capabilities = kProposes | kHedges}), delay_(delay) {}
  Proposal Propose(const View&) const override {
    return {.hedge_after_nanos = ToNanos(delay_), .max_hedges = 1};
  }

 private:
  const absl::Duration delay_;
};

// Has attempts go wrong by a function of the view.
class Disruptive final : public Policy {
 public:
  explicit Disruptive(std::function<Fault(const View&)> fault)
      : Policy({.name = "Disruptive", .capabilities = kDisrupts}), fault_(std::move(fault)) {}
  Fault Disrupt(const View& view) const override { return fault_(view); }

 private:
  const std::function<Fault(const View&)> fault_;
};

PolicyPtr Hedged(absl::Duration delay = absl::Milliseconds(20)) {
  return std::make_shared<HedgeAfter>(delay);
}
PolicyPtr OnlyThe(AttemptKind kind, Fault fault) {
  return std::make_shared<Disruptive>(
      [=](const View& view) { return view.kind == kind ? fault : Fault(); });
}
PolicySet Set(PolicyList policies) {
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}
CallOptions Idempotent() { return {.operation = "GET", .idempotent = true}; }

// What `operation`, called with `policies`, came to on a simulated host.
struct Played {
  absl::StatusOr<int> result = absl::UnknownError("never returned");
  absl::Duration took;
  std::string trace;
};
template <class F>
Played Play(PolicyList policies, F operation) {
  Played played;
  const auto recorder = std::make_shared<testing::Recorder>();
  policies.push_back(Report(recorder));
  const PolicySet set = Set(std::move(policies));
  Simulation sim(/*seed=*/1);
  sim.AddHost("client").Run("call", [&] {
    const Instant began = Runtime::Current().Now();
    played.result = Call(Idempotent(), set, operation);
    played.took = Runtime::Current().Now() - began;
  });
  EXPECT_EQ(sim.Run(), absl::OkStatus());
  played.trace = recorder->Trace();
  return played;
}

// Takes 50 ms and returns its number.
absl::StatusOr<int> Works(const Attempt& attempt) {
  Runtime& runtime = Runtime::Current();
  if (runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(50)),
                         attempt.stop_token()) == WaitResult::kStopped) {
    return absl::CancelledError("stopped");
  }
  return attempt.number();
}

// The stall is a wait of the attempt's, in which the call is served: else no hedge would start.
TEST(ChaosHedgesTest, AHedgeWinsOverAStall) {
  const Played played =
      Play({Hedged(), OnlyThe(AttemptKind::kFirst, {.kind = Kind::kStall})}, Works);
  EXPECT_THAT(played.result, IsOkAndHolds(2));
  EXPECT_EQ(played.took, absl::Milliseconds(70)) << "the stall ends with the call";
}

TEST(ChaosHedgesTest, AHedgeWinsOverADelay) {
  const Played played =
      Play({Hedged(), OnlyThe(AttemptKind::kFirst, {.delay_nanos = 5'000'000'000})}, Works);
  EXPECT_THAT(played.result, IsOkAndHolds(2));
  EXPECT_EQ(played.took, absl::Milliseconds(70));
}

TEST(ChaosHedgesTest, AnErrorOfAHedgeLeavesTheOtherAttemptAlone) {
  const Played played =
      Play({Hedged(), OnlyThe(AttemptKind::kHedge, {.kind = Kind::kError})}, Works);
  EXPECT_THAT(played.result, IsOkAndHolds(1));
  EXPECT_EQ(played.took, absl::Milliseconds(50));
  EXPECT_THAT(played.trace, HasSubstr("#2 failed: UNAVAILABLE: an error injected by Disruptive"));
}

TEST(ChaosHedgesTest, ADelayedHedgeEndsWithTheCallUnrun) {
  std::vector<int> ran;
  const Played played =
      Play({Hedged(), OnlyThe(AttemptKind::kHedge, {.delay_nanos = 5'000'000'000})},
           [&](const Attempt& attempt) {
             ran.push_back(attempt.number());
             return Works(attempt);
           });
  EXPECT_THAT(played.result, IsOkAndHolds(1));
  EXPECT_EQ(played.took, absl::Milliseconds(50));
  EXPECT_EQ(ran, std::vector<int>({1}));
}

// There is no value to be delivered.
TEST(ChaosHedgesTest, AnErrorOfAPolicysOwnIsAnError) {
  const auto confused = std::make_shared<Disruptive>(
      [](const View&) -> Fault { return {.kind = Kind::kError, .code = absl::StatusCode::kOk}; });
  const Played played = Play({confused}, Works);
  EXPECT_EQ(played.result.status().code(), absl::StatusCode::kUnknown);
}

TEST(ChaosHedgesTest, TheViewIsThatOfTheAttempt) {
  std::string asked;
  const auto notes = std::make_shared<Disruptive>([&](const View& view) {
    asked += view.kind == AttemptKind::kHedge ? " hedge" : view.attempts > 0 ? " retry" : " first";
    asked += " after " + std::to_string(view.attempts);
    return view.attempts < 2 ? Fault{.kind = Kind::kError, .delay_nanos = 100'000'000} : Fault();
  });
  const Played played = Play(
      {Hedged(), notes, Retry({.max_attempts = 4, .backoff = Constant(absl::Seconds(1))})}, Works);
  EXPECT_THAT(played.result, IsOkAndHolds(3));
  EXPECT_EQ(asked, " first after 0 hedge after 1 retry after 2");
}

TEST(ChaosHedgesTest, EachTellsWhatItSuffered) {
  const auto faults = std::make_shared<Disruptive>([](const View& view) -> Fault {
    if (view.kind == AttemptKind::kHedge) return {.kind = Kind::kReset};
    return {.kind = Kind::kError, .delay_nanos = 100'000'000};
  });
  const Played played = Play({Hedged(), faults}, Works);
  const std::optional<Failure> failure = FailureOf(played.result.status());
  ASSERT_TRUE(failure.has_value());
  ASSERT_EQ(failure->attempts.size(), 2u);
  EXPECT_EQ(failure->attempts[0].number, 2) << "in the order in which they ended";
  EXPECT_EQ(failure->attempts[0].sent, Sent::kMaybe);
  EXPECT_EQ(failure->attempts[0].detail, "a reset injected by Disruptive");
  EXPECT_EQ(failure->attempts[1].number, 1);
  EXPECT_EQ(failure->attempts[1].sent, Sent::kNo);
  EXPECT_EQ(failure->attempts[1].detail, "an error injected by Disruptive");
  EXPECT_EQ(failure->sent, Sent::kMaybe) << "one of them may have been executed";
}

TEST(ChaosHedgesTest, HedgesAreDrawnForByThemselves) {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true, .stall_probability = 0.5});
  const PolicySet set = Set({Hedged(), chaos, AttemptTimeout(absl::Seconds(1))});
  int won_by[3] = {};
  Simulation sim(/*seed=*/3);
  sim.AddHost("client").Run("calls", [&] {
    for (uint64_t seed = 0; seed < 400; ++seed) {
      CallOptions options = Idempotent();
      options.seed = seed;
      const absl::StatusOr<int> result = Call(options, set, Works);
      ++won_by[result.ok() ? *result : 0];
    }
  });
  ASSERT_EQ(sim.Run(), absl::OkStatus());
  EXPECT_NEAR(won_by[1], 200, 40);
  EXPECT_NEAR(won_by[2], 100, 35);
  EXPECT_NEAR(won_by[0], 100, 35);
}

// In real time, where two attempts run at once and each has its own fault.
void CallsOnThisRuntime() {
  const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                            .latency_probability = 0.5,
                            .min_latency = absl::ZeroDuration(),
                            .max_latency = absl::Microseconds(200),
                            .error_probability = 0.25,
                            .reset_probability = 0.25,
                            .stall_probability = 0.25});
  const PolicySet set =
      Set({Hedged(absl::Microseconds(100)), chaos, AttemptTimeout(absl::Milliseconds(5))});
  int worked = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CallOptions options = Idempotent();
    options.seed = seed;
    const absl::StatusOr<std::string> result =
        Call(options, set, [](const Attempt&) -> absl::StatusOr<std::string> { return "done"; });
    if (result.ok()) {
      EXPECT_EQ(*result, "done");
      ++worked;
    } else {
      EXPECT_THAT(Story(result.status()), HasSubstr("injected by Chaos"));
    }
  }
  EXPECT_GT(worked, 0);
  EXPECT_GT(chaos->snapshot().stalls, 0);
}
TEST(ChaosHedgesTest, OnThreads) { CallsOnThisRuntime(); }
TEST(ChaosHedgesTest, OnFibers) {
  auto fibers = FiberRuntime::Create({.workers = 2, .spread_spawns = true});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  EXPECT_EQ(fibers->Run(CallsOnThisRuntime), absl::OkStatus());
}

// A server and its clients, with all that Chaos has: once more is the same.
std::string Storm(uint64_t chaos_seed) {
  const auto recorder = std::make_shared<testing::Recorder>();
  Simulation sim(/*seed=*/5);
  testing::SimulatedHost& server = sim.AddHost("server");
  testing::SimulatedHost& client = sim.AddHost("client");
  server.Serve("echo", [] {
    auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
    for (;;) {
      auto peer = listener->Accept();
      if (!peer.ok()) return;
      if (auto line = peer->ReadUntil("\n"); line.ok()) peer->Write(*line).IgnoreError();
    }
  });
  client.Run("calls", [&] {
    const auto chaos = Chaos({.i_know_this_breaks_calls = true,
                              .latency_probability = 0.3,
                              .error_probability = 0.2,
                              .reset_probability = 0.2,
                              .stall_probability = 0.1,
                              .seed = chaos_seed});
    const auto echo = Client::Create("tcp://server:7", {Retry(), Hedged(), chaos, Report(recorder),
                                                        AttemptTimeout(absl::Milliseconds(400))});
    for (uint64_t seed = 0; seed < 30; ++seed) {
      CallOptions options = Idempotent();
      options.seed = seed;
      echo->Call(options,
                 [](Socket& socket) -> absl::StatusOr<std::string> {
                   if (auto sent = socket.Write("hello\n"); !sent.ok()) return sent;
                   return socket.ReadUntil("\n");
                 })
          .status()
          .IgnoreError();
    }
    const ChaosPolicy::Snapshot s = chaos->snapshot();
    EXPECT_TRUE(s.delays > 0 && s.errors > 0 && s.resets > 0 && s.stalls > 0);
  });
  EXPECT_EQ(sim.Run(), absl::OkStatus());
  EXPECT_EQ(recorder->outstanding(), 0);
  return recorder->Trace();
}
TEST(ChaosHedgesTest, ASimulatedStormIsTheSameForTheSameSeeds) {
  const std::string storm = Storm(1);
  EXPECT_EQ(Storm(1), storm);
  EXPECT_NE(Storm(2), storm);
  EXPECT_THAT(storm, HasSubstr("injected by Chaos"));
}

#if defined(__cpp_exceptions)
TEST(ChaosHedgesTest, APolicyThatThrowsEndsTheCallAndHoldsNothing) {
  const auto throws = std::make_shared<Disruptive>(
      [](const View&) -> Fault { throw std::runtime_error("thrown"); });
  const auto recorder = std::make_shared<testing::Recorder>();
  const PolicySet set = Set({throws, RetryBudget(), Report(recorder)});
  EXPECT_THROW((void)Call(Idempotent(), set, [] { return absl::OkStatus(); }), std::runtime_error);
  EXPECT_TRUE(recorder->running().empty());
  EXPECT_EQ(recorder->outstanding(), 0);
}
#endif

}  // namespace
}  // namespace redial
