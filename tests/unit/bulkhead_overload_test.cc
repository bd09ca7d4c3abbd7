// What a bulkhead does with a line that stands.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "redial/policies/bulkhead.h"
#include "tests/unit/bulkhead_kit.h"

namespace redial {
namespace {

using testing::At;
using testing::Caller;
using Order = BulkheadOptions::Order;

const Verdict kAdmitted = Verdict::Admit();
const Verdict kQueued = Verdict::Blocked(Reason::kQueued);
const Verdict kTooLate = Verdict::Reject(Reason::kOverload);

std::string Told(Notices& notices) {
  std::string text;
  for (const Notice& n : notices.all()) {
    if (!text.empty()) text += ' ';
    text.append(n.policy).append("/").append(n.label).append(":");
    text.append(n.from).append(">").append(n.to);
  }
  notices.Clear();
  return text;
}

// One permit, and a line before it.
class OverloadTest : public ::testing::Test {
 protected:
  void Begin(const BulkheadOptions& options) {
    bulkhead_ = Bulkhead(options);
    holder_.emplace(*bulkhead_);
    holder_->view.notices = &notices_;
    holder_->Ask(At(0));
  }
  Caller& Enter(int64_t ms, int priority = 0) {
    Caller& caller = line_.emplace_back(*bulkhead_, priority);
    EXPECT_EQ(caller.Ask(At(ms)), kQueued);
    return caller;
  }
  // The permit goes from who has it to who waits for it.
  void PassTo(Caller& next, int64_t ms) {
    (running_ != nullptr ? running_ : &*holder_)->End(At(ms));
    EXPECT_EQ(next.woken, 1);
    EXPECT_EQ(next.Ask(At(ms)), kAdmitted);
    next.view.notices = &notices_;
    running_ = &next;
  }

  std::shared_ptr<BulkheadPolicy> bulkhead_;
  Notices notices_;
  std::optional<Caller> holder_;
  std::deque<Caller> line_;
  Caller* running_ = nullptr;
};

TEST_F(OverloadTest, RefusesWhoHasWaitedTwiceTheTarget) {
  Begin({.label = "cache", .max_concurrent = 1});
  Caller& first = Enter(0);
  Caller& old = Enter(80);
  Caller& older = Enter(90);
  Caller& fresh = Enter(95);
  Caller& newest = Enter(101);
  PassTo(first, 101);  // the first wait of an interval is served, however long it was
  EXPECT_TRUE(bulkhead_->snapshot().overloaded);
  EXPECT_EQ(Told(notices_), "Bulkhead/cache:flowing>overloaded");

  PassTo(fresh, 105);
  EXPECT_EQ(old.woken, 1);
  EXPECT_EQ(older.woken, 1);
  EXPECT_EQ(old.Judge(At(105)), kTooLate);
  EXPECT_EQ(old.Ask(At(105)), kTooLate);
  EXPECT_EQ(older.Ask(At(105)), kTooLate);
  EXPECT_EQ(newest.woken, 0);
  EXPECT_EQ(bulkhead_->snapshot().refused, 2);
  EXPECT_EQ(Told(notices_), "");

  PassTo(newest, 106);  // nobody waits any more
  EXPECT_FALSE(bulkhead_->snapshot().overloaded);
  EXPECT_EQ(Told(notices_), "Bulkhead/cache:overloaded>flowing");
}

TEST_F(OverloadTest, WithoutATargetEverybodyIsServed) {
  Begin({.max_concurrent = 1, .target_delay = absl::InfiniteDuration()});
  Caller& first = Enter(0);
  Caller& second = Enter(0);
  Caller& third = Enter(0);
  PassTo(first, 10'000);
  PassTo(second, 20'000);
  PassTo(third, 30'000);
}

// Two clients that take turns at one permit always wait for each other; nothing stands there.
TEST_F(OverloadTest, AnEmptyLineIsNeverOverloaded) {
  Begin({.max_concurrent = 1});
  for (int64_t ms = 0; ms < 2000; ms += 50) PassTo(Enter(ms), ms + 50);
  EXPECT_EQ(bulkhead_->snapshot().refused, 0);
  EXPECT_EQ(Told(notices_), "");
}

TEST_F(OverloadTest, ServesTheNewestFirstWhereAskedTo) {
  Begin({.max_concurrent = 1, .order = Order::kLifoUnderOverload});
  Caller& first = Enter(0);
  Caller& second = Enter(1);
  Enter(93);
  Caller& third = Enter(98);
  PassTo(first, 99);  // the line flows: the oldest first
  EXPECT_FALSE(bulkhead_->snapshot().overloaded);
  Caller& fourth = Enter(100);
  PassTo(fourth, 101);  // an interval is over in which nobody was served within 5 ms
  EXPECT_TRUE(bulkhead_->snapshot().overloaded);
  Caller& fifth = Enter(102);
  PassTo(fifth, 102);
  EXPECT_EQ(second.woken, 1);
  EXPECT_EQ(second.Ask(At(102)), kTooLate) << "the longest wait is judged, not that of the newest";
  PassTo(third, 104);
}

TEST_F(OverloadTest, TheNewestOfAHigherPriorityComesFirst) {
  Begin({.max_concurrent = 1, .order = Order::kLifoUnderOverload});
  Caller& first = Enter(0);
  Caller& low = Enter(97, -1);
  Caller& high = Enter(98, 1);
  Caller& higher = Enter(99, 1);
  Enter(100);
  PassTo(higher, 101);  // overloaded
  PassTo(high, 102);
  EXPECT_EQ(first.Ask(At(102)), kTooLate);
  EXPECT_EQ(low.woken, 0);
}

// Many who are refused at once leave the permit to who comes next.
TEST_F(OverloadTest, WhereAllAreRefusedThePermitIsFree) {
  Begin({.max_concurrent = 1});
  Caller& first = Enter(0);
  Caller& second = Enter(0);
  Caller& third = Enter(0);
  PassTo(first, 200);
  running_->End(At(201));
  EXPECT_EQ(second.Ask(At(201)), kTooLate);
  EXPECT_EQ(third.Ask(At(201)), kTooLate);
  EXPECT_EQ(bulkhead_->snapshot().in_use, 0);
  Caller next(*bulkhead_);
  EXPECT_EQ(next.Ask(At(201)), kAdmitted);
}

// One that another policy holds up isn't waiting for this one, and counts its wait anew.
TEST_F(OverloadTest, AWaitForAnotherPolicyIsNotHeldAgainstIt) {
  Begin({.max_concurrent = 1});
  Caller& first = Enter(0);
  Caller& parked = Enter(0);
  Caller& third = Enter(99);
  parked.Park();
  PassTo(first, 101);
  EXPECT_EQ(parked.Ask(At(102)), kQueued);
  PassTo(parked, 103);
  EXPECT_EQ(third.woken, 0);
}

// Who leaves has nobody to tell; the next attempt that ends does it.
TEST_F(OverloadTest, AnEndThatNobodyCouldTellOfIsToldNext) {
  Begin({.max_concurrent = 1});
  Caller& first = Enter(0);
  Caller& second = Enter(99);
  PassTo(first, 101);
  EXPECT_EQ(Told(notices_), "Bulkhead/:flowing>overloaded");
  second.Vanish();
  EXPECT_FALSE(bulkhead_->snapshot().overloaded);
  running_->End(At(102));
  EXPECT_EQ(Told(notices_), "Bulkhead/:overloaded>flowing");
  Caller next(*bulkhead_);
  next.view.notices = &notices_;
  EXPECT_EQ(next.Ask(At(103)), kAdmitted);
  next.End(At(104));
  EXPECT_EQ(Told(notices_), "");
}

TEST_F(OverloadTest, AnotherTargetHoldsAtOnce) {
  Begin({.max_concurrent = 1});
  Caller& first = Enter(0);
  Caller& second = Enter(50);
  PassTo(first, 101);
  ASSERT_TRUE(
      bulkhead_->Reconfigure({.max_concurrent = 1, .target_delay = absl::InfiniteDuration()}).ok());
  EXPECT_FALSE(bulkhead_->snapshot().overloaded);
  PassTo(second, 1000);
}

}  // namespace
}  // namespace redial
