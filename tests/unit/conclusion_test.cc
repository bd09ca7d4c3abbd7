// How a call ended, told once to the policies that count calls.
#include "redial/conclusion.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/policy_set.h"
#include "src/core/strings.h"
#include "tests/support/machine_trace.h"

namespace redial {
namespace {

using testing::Fails;
using testing::Hangs;
using testing::MachineTrace;
using testing::ScriptedOutcome;
using testing::Succeeds;

// Writes down what it is told.
class Scribe final : public Policy {
 public:
  Scribe() : Policy({.name = "Scribe", .capabilities = kConcludes | kReconfigures | kSettles}) {}
  const void* CurrentConfig() const override { return &config_; }
  void Settle(Token, const Outcome& outcome) override {
    absl::StrAppend(&told, outcome.aborted ? "gone " : "settled ");
    if (outcome.kind == AttemptKind::kHedge) absl::StrAppend(&told, "hedge ");
    if (outcome.kind == AttemptKind::kRetry) {
      absl::StrAppend(&told, "after ", absl::StatusCodeToString(outcome.follows), " ");
    }
  }
  void Conclude(const Conclusion& end) override {
    EXPECT_EQ(end.config, &config_);
    absl::StrAppend(&told, end.ok ? "ok " : "", absl::StatusCodeToString(end.code), " ",
                    internal::ToAbsl(ReasonName(end.reason)), " attempts=", end.attempts,
                    " after=", NanosBetween(end.began, end.ended) / testing::kMillisecond, " last=",
                    end.outcome == nullptr ? "-" : absl::StatusCodeToString(end.outcome->code));
    for (const std::string_view name : end.refused_by) {
      absl::StrAppend(&told, " by=", internal::ToAbsl(name));
    }
    absl::StrAppend(&told, ". ");
  }
  std::string told;

 private:
  const int config_ = 0;
};

class Hedges final : public Policy {
 public:
  Hedges() : Policy({.name = "Hedges", .capabilities = kProposes | kHedges}) {}
  Proposal Propose(const View&) const override {
    return {.hedge_after_nanos = 2 * testing::kMillisecond, .max_hedges = 1};
  }
};

class NoHedges final : public Policy {
 public:
  NoHedges() : Policy({.name = "NoHedges", .capabilities = kJudgesAgain}) {}
  Verdict Judge(const View& view) const override {
    return view.kind == AttemptKind::kHedge ? Verdict::Reject(Reason::kRefused) : Verdict::Admit();
  }
};

class CountsEmpty final : public Policy {
 public:
  CountsEmpty() : Policy({.name = "CountsEmpty", .capabilities = kExamines}) {}
  bool IsFailure(const Outcome&) const override { return true; }
};

struct Told {
  explicit Told(PolicyList others,
                CallMachine::Config config = {.deadline = {}, .idempotent = true})
      : scribe(std::make_shared<Scribe>()) {
    others.push_back(scribe);
    set = *PolicySet::Create(std::move(others));
    trace.emplace(set, config);
  }
  std::string Play(std::function<ScriptedOutcome(int, AttemptKind)> script) {
    trace->Play(std::move(script));
    return scribe->told;
  }
  std::shared_ptr<Scribe> scribe;
  PolicySet set;
  std::optional<MachineTrace> trace;
};
PolicyPtr ThreeAtOnce() {
  return Retry({.max_attempts = 3, .backoff = Constant(absl::ZeroDuration())});
}
Deadline AfterMs(int64_t ms) {
  return Deadline(Plus(Instant::VirtualOrigin(), (1000 + ms) * testing::kMillisecond));
}

TEST(ConclusionTest, OfASuccess) {
  EXPECT_EQ(Told({}).Play([](int, AttemptKind) { return Succeeds(5); }),
            "settled ok OK none attempts=1 after=5 last=OK. ");
}

TEST(ConclusionTest, OfASuccessAfterAFailure) {
  EXPECT_EQ(Told({ThreeAtOnce()}).Play([](int id, AttemptKind) {
    return id == 0 ? Fails(5) : Succeeds(2);
  }),
            "settled settled after UNAVAILABLE ok OK none attempts=2 after=7 last=OK. ");
}

TEST(ConclusionTest, NamesAllThatRefused) {
  EXPECT_EQ(Told({ThreeAtOnce()}).Play([](int, AttemptKind) { return Fails(1); }),
            "settled settled after UNAVAILABLE settled after UNAVAILABLE UNAVAILABLE exhausted "
            "attempts=3 after=3 last=UNAVAILABLE by=Retry. ");
  EXPECT_EQ(Told({Retry({.max_attempts = 1}), RetryBudget({.initial_tokens = 0}), FailFast()})
                .Play([](int, AttemptKind) { return Fails(1); }),
            "settled UNAVAILABLE fail_fast attempts=1 after=1 last=UNAVAILABLE "
            "by=FailFast by=Retry by=RetryBudget. ");
}

TEST(ConclusionTest, WhatTheEngineEndsNobodyRefused) {
  EXPECT_EQ(Told({}).Play([](int, AttemptKind) { return Fails(1); }),
            "settled UNAVAILABLE not_retried attempts=1 after=1 last=UNAVAILABLE. ");
}

// The hedge's refusal didn't end the call; the deadline did.
TEST(ConclusionTest, OfADeadlineNamesNobodyWhoRefusedBefore) {
  Told told({std::make_shared<Hedges>(), std::make_shared<NoHedges>()},
            {.deadline = AfterMs(10), .idempotent = true});
  told.trace->Play([](int, AttemptKind) { return Succeeds(20); });
  EXPECT_EQ(told.scribe->told,
            "settled DEADLINE_EXCEEDED deadline attempts=1 after=10 last=DEADLINE_EXCEEDED. ");
}

TEST(ConclusionTest, OfAPauseThatWouldPassTheDeadline) {
  EXPECT_EQ(Told({Retry({.backoff = Constant(absl::Seconds(1))})},
                 {.deadline = AfterMs(500), .idempotent = true})
                .Play([](int, AttemptKind) { return Fails(1); }),
            "settled UNAVAILABLE deadline attempts=1 after=1 last=UNAVAILABLE. ");
}

TEST(ConclusionTest, ComesBeforeTheLosersHaveReturned) {
  EXPECT_EQ(Told({std::make_shared<Hedges>()}).Play([](int, AttemptKind kind) {
    return kind == AttemptKind::kHedge ? Succeeds(3) : Hangs();
  }),
            "settled hedge ok OK none attempts=2 after=5 last=OK. gone ");
}

TEST(ConclusionTest, OfAValueThatCountsAsAFailure) {
  EXPECT_EQ(
      Told({std::make_shared<CountsEmpty>()}).Play([](int, AttemptKind) { return Succeeds(1); }),
      "settled OK not_retried attempts=1 after=1 last=OK. ");
}

TEST(ConclusionTest, OfACallThatWasStopped) {
  Told told({});
  told.trace->machine().Begin(told.trace->At(0));
  told.trace->machine().Cancel(told.trace->At(3));
  told.trace->machine().Cancel(told.trace->At(4));
  EXPECT_EQ(told.scribe->told, "CANCELLED cancelled attempts=1 after=3 last=-. ");
}

TEST(ConclusionTest, OfACallThatWasStoppedBeforeItBegan) {
  Told told({});
  told.trace->machine().Cancel(told.trace->At(3));
  EXPECT_EQ(told.scribe->told, "CANCELLED cancelled attempts=0 after=0 last=-. ");
}

TEST(ConclusionTest, OfACallThatAnExceptionLeaves) {
  Told told({ThreeAtOnce()});
  told.trace->machine().Begin(told.trace->At(0));
  told.trace.reset();
  EXPECT_EQ(told.scribe->told, "gone UNKNOWN none attempts=1 after=0 last=-. ");
}

TEST(ConclusionTest, ACallThatNeverBeganHasNone) {
  Told told({});
  told.trace.reset();
  EXPECT_EQ(told.scribe->told, "");
}

}  // namespace
}  // namespace redial
