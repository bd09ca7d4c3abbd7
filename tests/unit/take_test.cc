// Calls whose first attempt takes what it needs in one go: what `Policy::Take` is asked, and when it
// isn't.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/call.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/rate_limit.h"
#include "redial/policy.h"
#include "redial/policy_set.h"
#include "src/core/call_machine.h"

namespace redial {
namespace {

constexpr Instant kNow = Instant::FromNanos(1'000'000'000);

// Writes down what it is asked.
class Scribe final : public Policy {
 public:
  Scribe(std::string name, Rank rank, uint32_t capabilities, std::string& asked)
      : Policy({.name = "Scribe", .capabilities = capabilities, .rank = rank}),
        name_(std::move(name)),
        asked_(asked) {}

  uint64_t Fingerprint() const override { return static_cast<uint64_t>(name_.front()); }
  Verdict Judge(const View&) const override {
    Note("judge");
    return refuses_ ? Verdict::Reject(reason_) : Verdict::Admit();
  }
  Verdict Reserve(const View&, Token& token, Ticket*) override {
    Note("reserve");
    token = 7;
    return Verdict::Admit();
  }
  bool Take(const View& view, Token& token) override {
    Note("take");
    EXPECT_EQ(view.kind, AttemptKind::kFirst);
    token = 8;
    return takes_ && !refuses_;
  }
  void Void(Token token, Ticket* ticket) override {
    EXPECT_EQ(ticket, nullptr);
    Note(absl::StrCat("void ", token));
  }
  void Settle(Token token, const Outcome&) override { Note(absl::StrCat("settle ", token)); }

  bool takes_ = true;
  bool refuses_ = false;
  Reason reason_ = Reason::kRefused;

 private:
  void Note(const std::string& what) const { absl::StrAppend(&asked_, name_, " ", what, ". "); }

  const std::string name_;
  std::string& asked_;
};

constexpr uint32_t kTaker =
    Policy::kJudgesFirst | Policy::kReserves | Policy::kTakes | Policy::kSettles;

class Take : public ::testing::Test {
 protected:
  std::shared_ptr<Scribe> Add(const char* name, Rank rank, uint32_t capabilities = kTaker) {
    auto scribe = std::make_shared<Scribe>(name, rank, capabilities, asked_);
    policies_.push_back(scribe);
    return scribe;
  }
  // What they were asked when a call began so, and when its attempt succeeded.
  std::string Asked(bool at_once = true) {
    const auto set = PolicySet::Create(policies_);
    EXPECT_TRUE(set.ok()) << set.status();
    CallMachine machine(*set, {});
    asked_.clear();
    bool started = false;
    if (at_once) {
      const CallMachine::Beginning beginning = machine.BeginAtOnce(kNow);
      started = beginning.started != nullptr;
      refused_ = beginning.why;
    } else {
      machine.Begin(kNow);
      started = machine.Next().type == CallMachine::Action::Type::kStart;
    }
    if (started) {
      Outcome outcome;
      machine.AttemptDone(kNow, 0, outcome);
    }
    EXPECT_EQ(machine.outstanding(), 0);
    EXPECT_TRUE(machine.delivered());
    return asked_;
  }

  PolicyList policies_;
  std::string asked_;
  Reason refused_ = Reason::kNone;
};

TEST_F(Take, ComesInThePlaceOfJudgeAndReserve) {
  Add("A", Rank::kBreaker);
  Add("B", Rank::kBulkhead);
  Add("J", Rank::kTimeout, Policy::kJudgesFirst);
  EXPECT_EQ(Asked(), "J judge. A take. B take. A settle 8. B settle 8. ");
}

TEST_F(Take, IsAskedOfFirstAttemptsThatBeginAtOnceAlone) {
  Add("A", Rank::kBreaker);
  EXPECT_EQ(Asked(/*at_once=*/false), "A judge. A reserve. A settle 7. ");
}

TEST_F(Take, IsUndoneWhereAnotherMustLookClosely) {
  Add("A", Rank::kBreaker);
  Add("B", Rank::kBulkhead)->takes_ = false;
  EXPECT_EQ(Asked(),
            "A take. B take. A void 8. "
            "A judge. B judge. A reserve. B reserve. A settle 7. B settle 7. ");
}

TEST_F(Take, IsntAskedWhereSomebodyElseObjects) {
  Add("A", Rank::kBreaker);
  Add("J", Rank::kTimeout, Policy::kJudgesFirst)->refuses_ = true;
  EXPECT_EQ(Asked(), "J judge. J judge. A judge. ");
  EXPECT_EQ(refused_, Reason::kRefused);
}

// The first would be missed by others while the second refuses.
TEST_F(Take, IsntAskedOfTwoThatGiveWhatIsScarce) {
  Add("A", Rank::kRateLimit);
  Add("B", Rank::kBulkhead);
  EXPECT_EQ(Asked(), "A judge. B judge. A reserve. B reserve. A settle 7. B settle 7. ");
}

TEST_F(Take, IsntAskedBesideThoseWhoCantOrWhoCountCalls) {
  Add("A", Rank::kBreaker);
  Add("B", Rank::kBulkhead, kTaker & ~Policy::kTakes);
  EXPECT_EQ(Asked(), "A judge. B judge. A reserve. B reserve. A settle 7. B settle 7. ");
  policies_.pop_back();
  Add("B", Rank::kBulkhead, kTaker | Policy::kCountsCalls);
  EXPECT_EQ(Asked(), "A judge. B judge. A reserve. B reserve. A settle 7. B settle 7. ");
}

TEST_F(Take, LeavesARefusalToJudge) {
  Add("A", Rank::kBreaker)->refuses_ = true;
  EXPECT_EQ(Asked(), "A take. A judge. ");
  EXPECT_EQ(refused_, Reason::kRefused);
}

// A policy of a user's may give no reason.
TEST_F(Take, ARefusalWithoutAReasonIsOneToo) {
  Add("A", Rank::kBreaker)->reason_ = Reason::kNone;
  static_cast<Scribe&>(*policies_.back()).refuses_ = true;
  const auto set = PolicySet::Create(policies_);
  ASSERT_TRUE(set.ok()) << set.status();
  const absl::Status status = Call({.operation = "PING"}, *set, [] { return absl::OkStatus(); });
  EXPECT_EQ(status.message(), "PING was not attempted: no reason");
}

View First(Instant now) {
  View view;
  view.began = view.now = now;
  return view;
}

TEST(RateLimitTake, TakesTurnsThatNeedNoWaitAndGivesThemBack) {
  const auto limit = RateLimit({.rate = 1, .burst = 2});
  const View view = First(kNow);
  Token first = 0;
  Token second = 0;
  Token none = 0;
  EXPECT_TRUE(limit->Take(view, first));
  EXPECT_TRUE(limit->Take(view, second));
  EXPECT_FALSE(limit->Take(view, none));
  limit->Void(second, nullptr);
  EXPECT_TRUE(limit->Take(view, second));
  EXPECT_FALSE(limit->Take(view, none));
  EXPECT_EQ(limit->snapshot().waiting, 0);
}

// A turn that others have come after can't be given back: it is lost, and nobody waits in its line.
TEST(RateLimitTake, LeavesNobodyInLine) {
  const auto limit = RateLimit({.rate = 1, .burst = 3});
  const View view = First(kNow);
  Token first = 0;
  Token second = 0;
  EXPECT_TRUE(limit->Take(view, first));
  EXPECT_TRUE(limit->Take(view, second));
  limit->Void(first, nullptr);
  EXPECT_EQ(limit->snapshot().waiting, 0);
}

TEST(CircuitBreakerTake, TakesNothingUnlessItIsClosed) {
  const auto breaker = CircuitBreaker({.consecutive_failures = 1});
  const View view = First(kNow);
  Token token = 0;
  ASSERT_TRUE(breaker->Take(view, token));
  breaker->Force(CircuitBreakerPolicy::Override::kDisabled);
  EXPECT_FALSE(breaker->Take(view, token));
  breaker->Force(CircuitBreakerPolicy::Override::kForcedOpen);
  EXPECT_FALSE(breaker->Take(view, token));
}

}  // namespace
}  // namespace redial
