// Who is told that a candidate was dropped: those that rejected it, once.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"

namespace redial {
namespace {

using testing::Fails;
using testing::MachineTrace;

// Rejects attempts from number `from` on, where it is asked to, and writes down what it is told.
class Refuser final : public Policy {
 public:
  enum class Where : uint8_t { kJudge, kReserve, kNowhere };
  Refuser(Where where, int from)
      : Policy(
            {.name = "Refuser",
             .capabilities = kJudgesFirst | kJudgesAgain | kReserves | kRetries | kCountsRefusals}),
        where_(where),
        from_(from) {}
  uint64_t Fingerprint() const override { return static_cast<uint64_t>(where_) + 1; }
  Verdict Judge(const View& view) const override { return Answer(view, Where::kJudge); }
  Verdict Reserve(const View& view, Token&, Ticket*) override {
    return Answer(view, Where::kReserve);
  }
  void Refused(const View& view) override {
    absl::StrAppend(&told, view.kind == AttemptKind::kHedge ? "h" : "", view.attempts, " ");
  }
  std::string told;

 private:
  Verdict Answer(const View& view, Where at) const {
    return where_ == at && view.attempts >= from_ ? Verdict::Reject(Reason::kRefused)
                                                  : Verdict::Admit();
  }
  const Where where_;
  const int from_;
};
using Where = Refuser::Where;

// Holds each attempt but the first up for a while, so that it is judged more than once.
class Pauses final : public Policy {
 public:
  Pauses() : Policy({.name = "Pauses", .capabilities = kJudgesAgain}) {}
  Verdict Judge(const View& view) const override {
    if (view.last == nullptr) return Verdict::Admit();
    return Verdict::NotBefore(Plus(view.last->ended, 5 * testing::kMillisecond), Reason::kBackoff);
  }
};

class Hedges final : public Policy {
 public:
  Hedges() : Policy({.name = "Hedges", .capabilities = kProposes | kHedges}) {}
  Proposal Propose(const View&) const override {
    return {.hedge_after_nanos = 2 * testing::kMillisecond, .max_hedges = 1};
  }
};

std::string Play(PolicyList policies) {
  const auto set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
  return trace.Play([](int, AttemptKind) { return Fails(10); });
}

TEST(RefusalsTest, WhoeverRejectsIsTold) {
  for (const Where where : {Where::kJudge, Where::kReserve}) {
    const auto refuser = std::make_shared<Refuser>(where, 0);
    EXPECT_EQ(Play({refuser}), "0:end:refused 0:done");
    EXPECT_EQ(refuser->told, "0 ");
  }
}

TEST(RefusalsTest, OthersAreNot) {
  const auto judge = std::make_shared<Refuser>(Where::kJudge, 1);
  const auto reserve = std::make_shared<Refuser>(Where::kReserve, 1);
  const auto nowhere = std::make_shared<Refuser>(Where::kNowhere, 0);
  for (const PolicyList& list :
       {PolicyList{nowhere, reserve, judge}, PolicyList{judge, nowhere, reserve}}) {
    judge->told = "";
    EXPECT_EQ(Play(list), "0:start#1 10:failed#1 10:end:refused 10:done");
    EXPECT_EQ(judge->told, "1 ");
    EXPECT_EQ(reserve->told, "") << "it was never asked to reserve";
    EXPECT_EQ(nowhere->told, "");
  }
}

TEST(RefusalsTest, OnceForACandidateHoweverOftenItWasJudged) {
  const auto refuser = std::make_shared<Refuser>(Where::kReserve, 1);
  EXPECT_EQ(Play({refuser, std::make_shared<Pauses>()}),
            "0:start#1 10:failed#1 10:wait(15,backoff) 15:end:refused 15:done");
  EXPECT_EQ(refuser->told, "1 ");
}

TEST(RefusalsTest, AHedgeThatIsRejectedIsOneToo) {
  const auto refuser = std::make_shared<Refuser>(Where::kJudge, 1);
  EXPECT_EQ(Play({refuser, std::make_shared<Hedges>()}),
            "0:start#1 10:failed#1 10:end:refused 10:done");
  EXPECT_EQ(refuser->told, "h1 1 ");
}

TEST(RefusalsTest, NobodyIsToldOfWhatTheEngineEnds) {
  const auto nowhere = std::make_shared<Refuser>(Where::kNowhere, 0);
  const auto set = PolicySet::Create({nowhere});
  MachineTrace trace(*set, {.deadline = {}, .idempotent = false});
  EXPECT_EQ(trace.Play([](int, AttemptKind) { return Fails(10, Sent::kMaybe); }),
            "0:start#1 10:failed#1 10:end:unsafe 10:done");
  EXPECT_EQ(nowhere->told, "");
}

class HoldsNothing final : public Policy {
 public:
  HoldsNothing()
      : Policy({.name = "HoldsNothing", .capabilities = kJudgesFirst | kCountsRefusals}) {}
  Verdict Judge(const View&) const override { return Verdict::Reject(Reason::kRefused); }
  void Refused(const View&) override { ++told; }
  int told = 0;
};

TEST(RefusalsTest, WhoeverCountsThemNeedsNoReservation) {
  const auto policy = std::make_shared<HoldsNothing>();
  EXPECT_EQ(Play({policy}), "0:end:refused 0:done");
  EXPECT_EQ(policy->told, 1);
}

}  // namespace
}  // namespace redial
