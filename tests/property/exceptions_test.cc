// Law 7 when a user's predicate throws: whatever a policy lets through ends the call, and everything is
// given back.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "src/core/call_machine.h"
#include "tests/support/law_kit.h"

namespace redial::testing {
namespace {

#ifdef __cpp_exceptions

struct Thrown {};

// Throws out of the nth thing that it is asked.
class Thrower final : public LawPolicy {
 public:
  explicit Thrower(uint32_t after)
      : LawPolicy({.name = "Thrower",
                   .capabilities = kJudgesFirst | kJudgesAgain | kReserves | kSettles | kProposes |
                                   kHedges | kExamines | kRetries,
                   .rank = Rank::kBudget},
                  ""),
        left_(after) {}
  Verdict Judge(const View&) const override {
    Count();
    return Verdict::Admit();
  }
  Verdict Reserve(const View&, Token&, Ticket*) override {
    Count();
    ++held_;
    return Verdict::Admit();
  }
  void Void(Token, Ticket*) override { --held_; }
  void Settle(Token, const Outcome&) override { --held_; }
  Proposal Propose(const View&) const override {
    Count();
    return {.hedge_after_nanos = kMilli};
  }
  bool IsFailure(const Outcome&) const override {
    Count();
    return true;
  }
  std::string Audit(bool idle) const override {
    return idle && held_ != 0 ? "reservations are held" : "";
  }
  void Arm() { armed_ = true; }

 private:
  void Count() const {
    if (armed_ && left_-- == 0) throw Thrown();
  }

  mutable uint32_t left_;
  bool armed_ = false;
  int held_ = 0;
};

// Two attempts and a hedge, of which one returns a value that counts as a failure.
void Play(const PolicySet& set, WakeSource& wake) {
  CallMachine machine(set, {.deadline = {}, .idempotent = true, .seed = 1, .wake = &wake});
  Instant now = Plus(Instant::VirtualOrigin(), kMilli);
  const auto drain = [&] {
    while (machine.Next().type < CallMachine::Action::Type::kWait) {
    }
  };
  machine.Begin(now);
  drain();
  now = Plus(now, 2 * kMilli);
  machine.Tick(now);
  drain();
  for (int id = 0; id < 3; ++id) {
    Outcome value;
    machine.AttemptDone(now, id, value);
    drain();
  }
}

class NoWake final : public WakeSource {
 public:
  std::shared_ptr<WakeTarget> wake_target() override { return nullptr; }
};

TEST(Exceptions, ThatPoliciesLetThroughLeaveNothingReserved) {
  NoWake wake;
  int thrown = 0;
  bool finished = false;
  for (uint32_t after = 0; !finished; ++after) {
    ASSERT_LT(after, 100u);
    LawKit kit;
    kit.Add<LawBulkhead>(3, size_t{4});
    kit.Add<LawLimiter>(kMilli, 8, 10 * kMilli);
    kit.Add<LawBreaker>(9, kMilli);
    kit.Add<LawBudget>(5);
    kit.Add<LawConcluder>();
    Thrower* const thrower = kit.Add<Thrower>(after);
    const PolicySet set = *PolicySet::Create(kit.list());
    thrower->Arm();
    try {
      Play(set, wake);
      finished = true;
    } catch (const Thrown&) {
      ++thrown;
    }
    EXPECT_EQ(kit.Audit(/*idle=*/true), "") << "thrown at " << after;
  }
  EXPECT_GE(thrown, 12);
}

#endif  // __cpp_exceptions

}  // namespace
}  // namespace redial::testing
