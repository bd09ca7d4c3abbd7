#include "redial/policies/bulkhead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <thread>

#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "tests/support/machine_trace.h"
#include "tests/support/other_thread.h"
#include "tests/support/without_membarrier.h"
#include "tests/unit/bulkhead_kit.h"

namespace redial {
namespace {

using testing::At;
using testing::Caller;
using testing::Fails;
using testing::MachineTrace;
using testing::Succeeds;

const Verdict kAdmitted = Verdict::Admit();
const Verdict kQueued = Verdict::Blocked(Reason::kQueued);
const Verdict kFull = Verdict::Reject(Reason::kQueueFull);
const Verdict kTooLate = Verdict::Reject(Reason::kOverload);

// resilience4j, SemaphoreBulkheadTest: as many as there are permits, and one more for each that is
// given back.
TEST(BulkheadTest, AdmitsAsManyAsItHasPermits) {
  const auto bulkhead = Bulkhead({.max_concurrent = 2, .max_queue = 0});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead);
  EXPECT_EQ(a.Ask(At(0)), kAdmitted);
  EXPECT_EQ(b.Ask(At(0)), kAdmitted);
  EXPECT_EQ(bulkhead->snapshot().in_use, 2);
  EXPECT_EQ(c.Judge(At(0)), kFull);
  EXPECT_EQ(c.Ask(At(0)), kFull);
  a.End(At(1));
  EXPECT_EQ(c.Ask(At(1)), kAdmitted);
  b.End(At(2));
  c.End(At(2));
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
  EXPECT_EQ(bulkhead->snapshot().refused, 1);
  EXPECT_EQ(bulkhead->snapshot().waited, 0);
}

TEST(BulkheadTest, BeginsWithTwentyFivePermitsAndAHundredPlaces) {
  const auto bulkhead = Bulkhead();
  std::deque<Caller> callers;
  for (int i = 0; i < 25; ++i) EXPECT_EQ(callers.emplace_back(*bulkhead).Ask(At(0)), kAdmitted);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(callers.emplace_back(*bulkhead).Ask(At(0)), kQueued);
  EXPECT_EQ(callers.emplace_back(*bulkhead).Ask(At(0)), kFull);
  EXPECT_EQ(bulkhead->snapshot().waiting, 100);
  EXPECT_EQ(bulkhead->snapshot().waited, 100);
}

TEST(BulkheadTest, ServesTheLineInOrder) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), late(*bulkhead);
  a.Ask(At(0));
  EXPECT_EQ(b.Ask(At(0)), kQueued);
  EXPECT_EQ(c.Ask(At(0)), kQueued);
  a.End(At(1));
  EXPECT_EQ(b.woken, 1);
  EXPECT_EQ(c.woken, 0);
  EXPECT_EQ(late.Ask(At(1)), kQueued) << "the permit is set aside for another";
  EXPECT_EQ(c.Ask(At(1)), kQueued);
  EXPECT_EQ(bulkhead->snapshot().in_use, 1);
  EXPECT_EQ(b.Ask(At(1)), kAdmitted);
  b.End(At(2));
  EXPECT_EQ(c.Ask(At(2)), kAdmitted);
  c.End(At(3));
  EXPECT_EQ(late.Ask(At(3)), kAdmitted);
}

TEST(BulkheadTest, TheHigherPriorityGoesFirst) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  Caller holder(*bulkhead);
  Caller low(*bulkhead, -9), middle(*bulkhead), first(*bulkhead, 2), second(*bulkhead, 7);
  holder.Ask(At(0));
  for (Caller* caller : {&low, &middle, &first, &second}) EXPECT_EQ(caller->Ask(At(0)), kQueued);
  Caller* running = &holder;
  for (Caller* next : {&first, &second, &middle, &low}) {
    running->End(At(1));
    EXPECT_EQ(next->woken, 1);
    EXPECT_EQ(next->Ask(At(1)), kAdmitted);
    running = next;
  }
}

// In a line that is full, room is made for who goes first: the one who would have been served last
// has to go.
TEST(BulkheadTest, AHigherPriorityTakesThePlaceOfTheNewestOfTheLowest) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 3});
  Caller holder(*bulkhead);
  Caller low_first(*bulkhead, -1), low_last(*bulkhead, -1), middle(*bulkhead);
  for (Caller* caller : {&holder, &low_first, &low_last, &middle}) caller->Ask(At(0));

  Caller low(*bulkhead, -1), lowest(*bulkhead, -2), high(*bulkhead, 1);
  EXPECT_EQ(low.Ask(At(1)), kFull);
  EXPECT_EQ(lowest.Ask(At(1)), kFull);
  EXPECT_EQ(high.Ask(At(1)), kQueued);
  EXPECT_EQ(low_last.woken, 1);
  EXPECT_EQ(low_last.Judge(At(1)), kFull);
  EXPECT_EQ(low_last.Reserve(At(1)), kFull);
  EXPECT_EQ(low_last.Ask(At(1)), kFull);
  EXPECT_EQ(bulkhead->snapshot().waiting, 3);
  EXPECT_EQ(bulkhead->snapshot().refused, 3);

  // Where all are as high as the newcomer, it is refused.
  Caller second(*bulkhead, 1), third(*bulkhead, 1), fourth(*bulkhead, 1);
  EXPECT_EQ(second.Ask(At(1)), kQueued);
  EXPECT_EQ(third.Ask(At(1)), kQueued);
  EXPECT_EQ(fourth.Ask(At(1)), kFull);
  EXPECT_EQ(low_first.woken, 1);
  EXPECT_EQ(middle.woken, 1);
}

// A call on a thread of its own, which stays until it is let go: it may keep the permit for its next.
class IdleThread {
 public:
  explicit IdleThread(BulkheadPolicy& bulkhead)
      : thread_([this, &bulkhead] {
          Caller caller(bulkhead);
          EXPECT_EQ(caller.Ask(At(0)), kAdmitted);
          ran_ = true;
          ran_.notify_all();
          ends_.wait(false);
          caller.End(At(0));
          ended_ = true;
          ended_.notify_all();
          leaves_.wait(false);
        }) {
    ran_.wait(false);
  }
  ~IdleThread() {
    End();
    leaves_ = true;
    leaves_.notify_all();
    thread_.join();
  }
  void End() {
    ends_ = true;
    ends_.notify_all();
    ended_.wait(false);
  }

 private:
  std::atomic<bool> ran_ = false, ends_ = false, ended_ = false, leaves_ = false;
  std::thread thread_;
};

TEST(BulkheadTest, WhatIdleThreadsHaveKeptIsForAll) {
  const auto bulkhead = Bulkhead({.max_concurrent = 3, .max_queue = 1});
  std::deque<IdleThread> idle;
  for (int i = 0; i < 3; ++i) idle.emplace_back(*bulkhead);
  EXPECT_EQ(bulkhead->snapshot().in_use, 3);
  idle[0].End();
  idle[1].End();
  EXPECT_EQ(bulkhead->snapshot().in_use, 1);
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), d(*bulkhead);
  EXPECT_EQ(a.Judge(At(1)), kAdmitted);
  EXPECT_EQ(a.Ask(At(1)), kAdmitted);
  EXPECT_EQ(b.Ask(At(1)), kAdmitted);
  EXPECT_EQ(c.Ask(At(1)), kQueued);
  EXPECT_EQ(d.Ask(At(1)), kFull);
  idle[2].End();
  EXPECT_EQ(c.woken, 1);
  EXPECT_EQ(c.Ask(At(1)), kAdmitted);
  EXPECT_EQ(bulkhead->snapshot().in_use, 3);
}

TEST(BulkheadTest, WithoutALineWhatIdleThreadsHaveKeptIsForAll) {
  const auto bulkhead = Bulkhead({.max_concurrent = 2, .max_queue = 0});
  std::deque<IdleThread> idle;
  for (int i = 0; i < 2; ++i) idle.emplace_back(*bulkhead);
  for (IdleThread& thread : idle) thread.End();
  // Long after the first recall threads may keep their permits again.
  for (const int64_t ms : {0, 5, 100, 105, 200}) {
    Caller a(*bulkhead), b(*bulkhead), c(*bulkhead);
    EXPECT_EQ(a.Judge(At(ms)), kAdmitted);
    EXPECT_EQ(a.Ask(At(ms)), kAdmitted);
    EXPECT_EQ(b.Ask(At(ms)), kAdmitted);
    EXPECT_EQ(c.Ask(At(ms)), kFull);
    a.End(At(ms));
    b.End(At(ms));
    IdleThread another(*bulkhead);
    another.End();
    EXPECT_EQ(bulkhead->snapshot().in_use, 0);
  }
}

// What a recall couldn't get comes with the next call of the thread that has it, also where that one is
// refused: without the barrier, which it was given at first, it gets nothing of other threads.
TEST(BulkheadDeathTest, WhatARecallMissedComesWithTheThreadsNextCall) {
  const auto serves = [] {
    const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 1});
    testing::Other other;
    other.Do([&] {
      Caller caller(*bulkhead);
      caller.Ask(At(0));
      caller.End(At(0));
    });
    if (!testing::ForbidMembarrier()) return false;
    Caller waits(*bulkhead);
    if (waits.Ask(At(1)) != kQueued) return false;
    bool took = true;
    other.Do([&] {
      View view;
      view.now = At(2);
      Token token = 0;
      took = bulkhead->Take(view, token);
    });
    return !took && waits.woken == 1 && waits.Ask(At(2)) == kAdmitted;
  };
  EXPECT_EXIT(std::_Exit(serves() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

// Threads keep the only permit, and this one has it recalled. A sandboxed thread can't: so it finds out
// whether one is kept.
class RestOfHands {
 public:
  void Keep(int64_t ms) {
    // Not at the first go where the permit has been another processor's.
    for (int i = 0; i < 100; ++i) keeper_.Do([&] { Use(ms); });
  }
  void Recall(int64_t ms) { Use(ms); }
  bool IsKept(int64_t ms) {
    bool kept = false;
    sandboxed_.Do([&] {
      EXPECT_TRUE(testing::ForbidMembarrier());
      kept = Caller(*bulkhead_).Ask(At(ms)) == kFull;
    });
    return kept;
  }

 private:
  void Use(int64_t ms) {
    Caller caller(*bulkhead_);
    EXPECT_EQ(caller.Ask(At(ms)), kAdmitted);
    caller.End(At(ms));
  }
  const std::shared_ptr<BulkheadPolicy> bulkhead_ = Bulkhead({.max_concurrent = 1, .max_queue = 0});
  testing::Other keeper_;
  testing::Other sandboxed_;
};

// Where permits are short they would only be taken back again.
TEST(BulkheadTest, ThreadsKeepNothingForAWhileAfterARecall) {
  const auto kept_at = [](int64_t ms) {
    RestOfHands hands;
    hands.Keep(0);
    hands.Recall(0);
    hands.Keep(ms);
    return hands.IsKept(ms);
  };
  EXPECT_FALSE(kept_at(9));
  EXPECT_TRUE(kept_at(10));
}

TEST(BulkheadTest, TheMoreOftenPermitsAreRecalledTheLongerTheRest) {
  const auto kept_at = [](int64_t recalled, int64_t ms) {
    RestOfHands hands;
    hands.Keep(0);
    hands.Recall(0);
    hands.Keep(10);
    hands.Recall(recalled);
    hands.Keep(ms);
    return hands.IsKept(ms);
  };
  EXPECT_FALSE(kept_at(109, 128)) << "they had been kept for less than ten rests";
  EXPECT_TRUE(kept_at(109, 129));
  EXPECT_FALSE(kept_at(110, 119));
  EXPECT_TRUE(kept_at(110, 120)) << "they had been kept for long";
}

// Sandboxes are a thread's own: what is beyond one thread's reach isn't beyond that of all.
TEST(BulkheadTest, WhatOneThreadsSandboxLeavesAnotherThreadRecalls) {
  const auto bulkhead = Bulkhead({.max_concurrent = 2, .max_queue = 0});
  std::deque<IdleThread> idle;
  for (int i = 0; i < 2; ++i) idle.emplace_back(*bulkhead);
  for (IdleThread& thread : idle) thread.End();
  testing::Other sandboxed;
  sandboxed.Do([&] {
    ASSERT_TRUE(testing::ForbidMembarrier());
    for (int i = 0; i < 2; ++i) {
      Caller caller(*bulkhead);
      EXPECT_EQ(caller.Ask(At(1)), kFull);
    }
  });
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead);
  EXPECT_EQ(a.Ask(At(2)), kAdmitted);
  EXPECT_EQ(b.Ask(At(2)), kAdmitted);
  EXPECT_EQ(c.Ask(At(2)), kFull);
}

TEST(BulkheadTest, AFullLineIsServedBeforeAnybodyIsRefused) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 1});
  IdleThread idle(*bulkhead);
  idle.End();
  testing::Other sandboxed;
  Caller waits(*bulkhead);
  sandboxed.Do([&] {
    ASSERT_TRUE(testing::ForbidMembarrier());
    EXPECT_EQ(waits.Ask(At(1)), kQueued) << "the permit is in an idle thread's hand";
  });
  Caller another(*bulkhead);
  EXPECT_EQ(another.Ask(At(2)), kQueued);
  EXPECT_EQ(waits.woken, 1);
  EXPECT_EQ(waits.Ask(At(2)), kAdmitted);
}

// A lowered limit takes them too.
TEST(BulkheadTest, ALoweredLimitTakesWhatIdleThreadsHaveKept) {
  const auto bulkhead = Bulkhead({.max_concurrent = 2, .max_queue = 0});
  std::deque<IdleThread> idle;
  for (int i = 0; i < 2; ++i) idle.emplace_back(*bulkhead);
  for (IdleThread& thread : idle) thread.End();
  ASSERT_TRUE(bulkhead->Reconfigure({.max_concurrent = 1, .max_queue = 0}).ok());
  Caller a(*bulkhead), b(*bulkhead);
  EXPECT_EQ(a.Ask(At(1)), kAdmitted);
  EXPECT_EQ(b.Ask(At(1)), kFull);
  EXPECT_EQ(bulkhead->snapshot().in_use, 1);
}

// A refused ticket is out of the line: to park it doesn't bring it back.
TEST(BulkheadTest, WhoWasRefusedInLineStaysRefused) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 1});
  Caller holder(*bulkhead), low(*bulkhead, -1), high(*bulkhead, 1), other(*bulkhead);
  holder.Ask(At(0));
  low.Ask(At(0));
  high.Ask(At(0));
  low.Park();
  EXPECT_EQ(low.Ask(At(0)), kFull);
  high.Vanish();
  EXPECT_EQ(bulkhead->snapshot().waiting, 0);
  EXPECT_EQ(other.Ask(At(0)), kQueued) << "exactly one place is free";
  Caller another(*bulkhead);
  EXPECT_EQ(another.Ask(At(0)), kFull);
}

TEST(BulkheadTest, WhoVanishesPassesItsTurnOn) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), d(*bulkhead);
  for (Caller* caller : {&a, &b, &c, &d}) caller->Ask(At(0));
  c.Vanish();  // from the middle of the line
  a.End(At(1));
  EXPECT_EQ(b.woken, 1);
  b.Vanish();  // with a permit set aside
  EXPECT_EQ(d.woken, 1);
  EXPECT_EQ(d.Reserve(At(1)), kAdmitted);
  Caller e(*bulkhead);
  EXPECT_EQ(e.Ask(At(1)), kQueued);
  d.Vanish();  // with a permit that it has reserved
  EXPECT_EQ(e.Ask(At(1)), kAdmitted);
  e.End(At(2));
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

// failsafe-go loses the permit of user code that throws.
TEST(BulkheadTest, AnAttemptThatIsLostGivesItsPermitBack) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  const auto set = PolicySet::Create({bulkhead});
  {
    MachineTrace trace(*set, {});
    trace.machine().Begin(At(0));
    ASSERT_EQ(trace.machine().Next().type, CallMachine::Action::Type::kStart);
    EXPECT_EQ(bulkhead->snapshot().in_use, 1);
  }
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

TEST(BulkheadTest, WhoIsHeldUpElsewhereKeepsItsPlaceAndIsPassedOver) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), d(*bulkhead), e(*bulkhead);
  for (Caller* caller : {&a, &b, &c, &d}) caller->Ask(At(0));
  b.Park();
  a.End(At(1));
  EXPECT_EQ(b.woken, 0);
  EXPECT_EQ(c.woken, 1);
  EXPECT_EQ(c.Reserve(At(1)), kAdmitted);
  c.Void();  // another policy objected
  EXPECT_EQ(d.woken, 1);
  d.Park();  // with a permit set aside, which is now free
  EXPECT_EQ(e.Ask(At(1)), kAdmitted);
  for (Caller* caller : {&d, &c, &b}) EXPECT_EQ(caller->Ask(At(2)), kQueued);
  Caller* running = &e;
  for (Caller* next : {&b, &c, &d}) {  // as they came
    running->End(At(3));
    EXPECT_EQ(next->Ask(At(3)), kAdmitted);
    running = next;
  }
}

TEST(BulkheadTest, WhoWasAdmittedAtOnceAndVoidedGetsAPlaceToo) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 2});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead), d(*bulkhead);
  EXPECT_EQ(a.Reserve(At(0)), kAdmitted);
  a.Void();
  EXPECT_EQ(b.Ask(At(0)), kAdmitted);
  EXPECT_EQ(c.Ask(At(0)), kQueued);
  EXPECT_EQ(d.Ask(At(0)), kFull) << "a place is kept for who was here first";
  EXPECT_EQ(a.Ask(At(1)), kQueued);
  b.End(At(2));
  EXPECT_EQ(a.woken, 1);
  EXPECT_EQ(c.woken, 0);
}

TEST(BulkheadTest, WithoutRoomThereIsNoPlaceToKeep) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_queue = 0});
  Caller a(*bulkhead), b(*bulkhead);
  EXPECT_EQ(a.Reserve(At(0)), kAdmitted);
  a.Void();
  EXPECT_EQ(b.Ask(At(0)), kAdmitted);
  EXPECT_EQ(a.Ask(At(0)), kFull);
  b.End(At(1));
  EXPECT_EQ(a.Ask(At(1)), kAdmitted);
}

TEST(BulkheadTest, AWaitHasAnEndWhereOneIsSet) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_wait = absl::Milliseconds(20)});
  Caller a(*bulkhead), b(*bulkhead), c(*bulkhead);
  a.Ask(At(0));
  const Verdict queued = b.Ask(At(0));
  EXPECT_EQ(queued, Verdict::BlockedUntil(At(20), Reason::kQueued));
  EXPECT_EQ(c.Ask(At(15)), Verdict::BlockedUntil(At(35), Reason::kQueued));
  EXPECT_EQ(b.Ask(At(19)), queued) << "asking again doesn't prolong it";
  EXPECT_EQ(b.Judge(At(20)), kTooLate);
  EXPECT_EQ(b.Reserve(At(20)), kTooLate);
  EXPECT_EQ(b.Ask(At(20)), kTooLate);
  a.End(At(34));
  EXPECT_EQ(c.Ask(At(40)), kAdmitted) << "its turn came in time";
}

// What another policy holds it up for isn't waiting; what comes after that goes on counting.
TEST(BulkheadTest, AWaitThatIsInterruptedDoesNotBeginAnew) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_wait = absl::Milliseconds(20)});
  Caller a(*bulkhead), b(*bulkhead);
  a.Ask(At(0));
  b.Ask(At(0));
  EXPECT_EQ(b.Ask(At(15)), Verdict::BlockedUntil(At(20), Reason::kQueued));
  b.Park();
  EXPECT_EQ(b.Ask(At(100)), Verdict::BlockedUntil(At(105), Reason::kQueued));
  a.End(At(103));  // b's turn
  EXPECT_EQ(b.Reserve(At(103)), kAdmitted);
  b.Void();
  Caller c(*bulkhead);
  EXPECT_EQ(c.Ask(At(103)), kAdmitted) << "b is held up";
  EXPECT_EQ(b.Reserve(At(200)), Verdict::BlockedUntil(At(202), Reason::kQueued));
  EXPECT_EQ(b.Judge(At(202)), kTooLate);
}

TEST(BulkheadTest, ACallWaitsInLineAndIsWoken) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  const auto set =
      PolicySet::Create({bulkhead, Retry({.backoff = Constant(absl::Milliseconds(3))})});
  Caller holder(*bulkhead);
  holder.Ask(At(0));
  MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
  trace.Play([](int id, AttemptKind) { return id == 0 ? Fails(2) : Succeeds(2); });
  EXPECT_EQ(trace.trace(), "0:wait(ever,queued)");
  holder.End(At(7));
  trace.AdvanceTo(7);
  trace.machine().Wake(trace.At(7));
  trace.Drain();
  trace.Continue();
  EXPECT_EQ(trace.trace(),
            "0:wait(ever,queued) 7:start#1 9:failed#1 9:wait(12,backoff) 12:start#2 14:ok#2 "
            "14:deliver#2 14:done");
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

TEST(BulkheadTest, ACallThatWaitsTooLongSaysSo) {
  const auto bulkhead = Bulkhead({.max_concurrent = 1, .max_wait = absl::Milliseconds(20)});
  const auto set = PolicySet::Create({bulkhead});
  Caller holder(*bulkhead);
  holder.Ask(At(0));
  MachineTrace trace(*set, {});
  EXPECT_EQ(trace.Play([](int, AttemptKind) { return Succeeds(1); }),
            "0:wait(20,queued) 20:end:overload 20:done");
  EXPECT_EQ(bulkhead->snapshot().refused, 1);
  EXPECT_EQ(bulkhead->snapshot().waiting, 0);
}

TEST(BulkheadTest, CountsAttemptsOrCalls) {
  for (const auto counts : {BulkheadOptions::Counts::kAttempts, BulkheadOptions::Counts::kCalls}) {
    const bool calls = counts == BulkheadOptions::Counts::kCalls;
    const auto bulkhead = Bulkhead({.counts = counts, .max_concurrent = 1});
    const auto set =
        PolicySet::Create({bulkhead, Retry({.backoff = Constant(absl::Milliseconds(3))})});
    MachineTrace trace(*set, {.deadline = {}, .idempotent = true});
    trace.machine().Begin(trace.At(0));
    const int id = trace.machine().Next().id;
    EXPECT_EQ(trace.machine().Next().type, CallMachine::Action::Type::kWait);
    EXPECT_EQ(bulkhead->snapshot().in_use, 1);
    Outcome failed = Fails(1).outcome;
    trace.machine().AttemptDone(trace.At(1), id, failed);
    EXPECT_EQ(trace.machine().Next().reason, Reason::kBackoff);
    EXPECT_EQ(bulkhead->snapshot().in_use, calls ? 1 : 0) << "in the pause";
    trace.machine().Cancel(trace.At(2));
    EXPECT_EQ(bulkhead->snapshot().in_use, 0);
  }
}

}  // namespace
}  // namespace redial
