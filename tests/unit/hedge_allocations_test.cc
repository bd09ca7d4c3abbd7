// A hedged call that finds no memory, wherever it may be: it ends by std::bad_alloc, and leaves nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <new>

#include "redial/redial.h"
#include "redial/runtime.h"
#include "tests/unit/counted_calls.h"

namespace redial {
namespace {

#if defined(__cpp_exceptions)

class Holder final : public Policy {
 public:
  Holder() : Policy({.name = "Holder", .capabilities = kReserves | kSettles}) {}
  Verdict Reserve(const View&, Token&, Ticket*) override {
    ++held_;
    return Verdict::Admit();
  }
  void Void(Token, Ticket*) override { --held_; }
  void Settle(Token, const Outcome&) override { --held_; }
  int held() const { return held_; }

 private:
  int held_ = 0;
};

// The first attempt succeeds, and the hedge beside it fails when it is told to end, but not before.
absl::Status Works(const Attempt& attempt, std::atomic<int>& hedges) {
  Runtime& runtime = Runtime::Current();
  const bool first = attempt.kind() == AttemptKind::kFirst;
  const absl::Duration time = first ? absl::Milliseconds(5) : absl::Seconds(20);
  if (!first) ++hedges;
  const WaitResult result =
      runtime.SleepUntil(Deadline::After(runtime.Now(), time), attempt.stop_token());
  if (!first) {
    EXPECT_EQ(result, WaitResult::kStopped) << "nobody told the hedge to end";
    --hedges;
  }
  return result == WaitResult::kStopped ? absl::CancelledError("told to end") : absl::OkStatus();
}

// Has every allocation of the call's own thread fail once.
void FailEach(PolicyList policies) {
  const auto holder = std::make_shared<Holder>();
  policies.push_back(holder);
  policies.push_back(Hedge({.delay = absl::Milliseconds(1), .max_ratio = 1}));
  const absl::StatusOr<PolicySet> set = PolicySet::Create(policies);
  ASSERT_TRUE(set.ok()) << set.status();
  int failed = 0;
  for (int nth = 1; failed == nth - 1; ++nth) {
    ASSERT_LT(nth, 1000);
    std::atomic<int> hedges = 0;
    try {
      const CallOptions options = {.timeout = absl::Minutes(1), .idempotent = true};
      testing::failing_allocation = nth;
      const absl::Status status =
          Call(options, *set, [&](const Attempt& attempt) { return Works(attempt, hedges); });
      testing::failing_allocation = 0;
      EXPECT_TRUE(status.ok()) << status;
    } catch (const std::bad_alloc&) {
      ++failed;
    }
    EXPECT_EQ(hedges, 0) << nth;
    EXPECT_EQ(holder->held(), 0) << nth;
  }
  EXPECT_GE(failed, 5);
}

TEST(HedgeAllocationsTest, NoneThatFailsLeavesAHedgeBehind) { FailEach({}); }

TEST(HedgeAllocationsTest, NoneThatFailsLeavesAHedgeBehindWhereSomebodyLooksOn) {
  FailEach({Report(ToFunction([](const CallEvent&) {}))});
}

#endif  // __cpp_exceptions

}  // namespace
}  // namespace redial
