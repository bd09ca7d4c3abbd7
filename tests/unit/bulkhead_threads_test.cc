// A bulkhead between threads: never one too many, nobody forgotten in line, all permits back at the
// end. Calls run through the engine; one that waits sleeps until it is woken.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "redial/policies/bulkhead.h"
#include "redial/policy_set.h"
#include "src/core/call_machine.h"
#include "src/core/mix.h"
#include "tests/support/bell.h"
#include "tests/support/processor.h"
#include "tests/unit/bulkhead_kit.h"

namespace redial {
namespace {

using testing::At;
using testing::Bell;
using testing::Caller;
using Type = CallMachine::Action::Type;

constexpr int kThreads = 6;

std::atomic<int64_t> ticks{0};
Instant Now() { return Plus(testing::kEnded, ticks.fetch_add(1000, std::memory_order_relaxed)); }

// How many run, and the most that ever did.
class Running {
 public:
  void Enter() {
    const int now = ++running_;
    int most = most_;
    while (most < now && !most_.compare_exchange_weak(most, now)) {
    }
  }
  void Exit() { --running_; }
  int most() const { return most_; }

 private:
  std::atomic<int> running_ = 0;
  std::atomic<int> most_ = 0;
};

// One call; it may be cancelled while it waits, or vanish while it runs.
class ThreadCall final : public WakeSource {
 public:
  enum class End : uint8_t { kServed, kRefused, kCancelled, kHung };

  std::shared_ptr<WakeTarget> wake_target() override { return bell_; }

  End Run(const PolicySet& set, Running& running, uint64_t draw) {
    CallMachine machine(set, {.deadline = {},
                              .idempotent = true,
                              .wake = this,
                              .priority = static_cast<int>(draw % 5) - 2});
    machine.Begin(Now());
    End end = End::kRefused;
    for (;;) {
      const CallMachine::Action action = machine.Next();
      if (action.type == Type::kDone) return end;
      if (action.type == Type::kStart) {
        running.Enter();
        if (draw % 3 == 0) std::this_thread::yield();
        running.Exit();
        end = End::kServed;
        if (draw % 16 == 5) return end;  // as after an exception
        Outcome outcome;
        machine.AttemptDone(Now(), action.id, outcome);
      } else if (action.type == Type::kWait) {
        if (draw % 8 == 7) {
          end = End::kCancelled;
          machine.Cancel(Now());
          continue;
        }
        if (!bell_->Await()) return End::kHung;
        machine.Wake(Now());
      }
    }
  }

 private:
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
};

void OnThreads(const std::function<void(uint64_t thread)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (uint64_t t = 0; t < kThreads; ++t) threads.emplace_back([&body, t] { body(t); });
  for (std::thread& thread : threads) thread.join();
}

void Spin(int turns) {
  for (int i = 0; i < turns; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

struct Tally {
  std::atomic<int> served = 0, refused = 0, cancelled = 0, hung = 0;
  void Count(ThreadCall::End end) {
    using End = ThreadCall::End;
    ++(end == End::kServed      ? served
       : end == End::kRefused   ? refused
       : end == End::kCancelled ? cancelled
                                : hung);
  }
};

void RunCalls(const PolicySet& set, uint64_t each, Running& running, Tally& tally) {
  OnThreads([&](uint64_t t) {
    for (uint64_t i = 0; i < each && tally.hung == 0; ++i) {
      tally.Count(ThreadCall().Run(set, running, internal::Mix64(t * each + i)));
    }
  });
}

TEST(BulkheadThreadsTest, NeverOneTooManyAndNobodyForgotten) {
  for (const int limit : {1, 2, 4}) {
    const auto bulkhead =
        Bulkhead({.max_concurrent = limit, .target_delay = absl::InfiniteDuration()});
    Running running;
    Tally tally;
    RunCalls(*PolicySet::Create({bulkhead}), 4000, running, tally);
    EXPECT_EQ(tally.hung, 0);
    EXPECT_EQ(tally.refused, 0) << "there was room for all";
    EXPECT_LE(running.most(), limit);
    EXPECT_EQ(bulkhead->snapshot().in_use, 0);
    EXPECT_EQ(bulkhead->snapshot().waiting, 0);
    EXPECT_EQ(tally.served + tally.cancelled, kThreads * 4000);
  }
}

TEST(BulkheadThreadsTest, WhoeverFindsNoRoomIsRefused) {
  const auto bulkhead = Bulkhead({.max_concurrent = 2,
                                  .max_queue = 2,
                                  .order = BulkheadOptions::Order::kLifoUnderOverload,
                                  .target_delay = absl::Microseconds(10),
                                  .target_interval = absl::Microseconds(50)});
  Running running;
  Tally tally;
  RunCalls(*PolicySet::Create({bulkhead}), 4000, running, tally);
  EXPECT_EQ(tally.hung, 0);
  EXPECT_LE(running.most(), 2);
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
  EXPECT_EQ(bulkhead->snapshot().waiting, 0);
  EXPECT_EQ(bulkhead->snapshot().refused, tally.refused);
}

// What has a permit of one and waits for the other lets go of it.
TEST(BulkheadThreadsTest, TwoThatBothAreNeededDoNotDeadlock) {
  const auto wide = Bulkhead({.max_concurrent = 2, .target_delay = absl::InfiniteDuration()});
  const auto narrow = Bulkhead({.max_concurrent = 1, .target_delay = absl::InfiniteDuration()});
  Running running;
  Tally tally;
  RunCalls(*PolicySet::Create({wide, narrow}), 2000, running, tally);
  EXPECT_EQ(tally.hung, 0);
  EXPECT_EQ(tally.refused, 0);
  EXPECT_EQ(running.most(), 1);
  EXPECT_EQ(wide->snapshot().in_use, 0);
  EXPECT_EQ(narrow->snapshot().in_use, 0);
}

// tower and failsafe-go check, then act, and overdraw.
TEST(BulkheadThreadsTest, ManyTakersNeverOverdrawIt) {
  const auto bulkhead = Bulkhead({.max_concurrent = 3, .max_queue = 0});
  Running running;
  std::atomic<int> strict{0};
  OnThreads([&](uint64_t t) {
    for (uint64_t i = 0; i < 10'000; ++i) {
      Caller caller(*bulkhead);
      const Verdict verdict = caller.Reserve(Now());
      if (verdict != Verdict::Admit()) {
        strict += verdict == Verdict::Reject(Reason::kQueueFull) ? 1 : 1'000'000;
        continue;
      }
      running.Enter();
      if ((i + t) % 32 == 0) std::this_thread::yield();
      running.Exit();
      if (i % 3 == 0) continue;  // voided
      caller.Launch();
      caller.End(Now());
    }
  });
  EXPECT_LE(running.most(), 3);
  EXPECT_LT(strict, 1'000'000);
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

// One gives its permit back while another begins to wait for it, at every distance from each other:
// afterwards the permit is taken, or set aside for who waits.
TEST(BulkheadThreadsTest, APermitThatComesBackMeetsWhoBeginsToWait) {
  constexpr int kRounds = 1500;
  const auto bulkhead = Bulkhead({.max_concurrent = 1});
  std::optional<Caller> newcomer;
  Verdict verdict;
  std::atomic<int> begun = 0, asked = 0;
  std::thread comes([&] {
    testing::MoveTo(0);
    for (int round = 1; round <= kRounds; ++round) {
      while (begun.load() < round) std::this_thread::yield();
      verdict = newcomer->Ask(At(round));
      asked = round;
    }
  });
  std::atomic<int> forgotten = 0;
  std::thread goes([&] {
    testing::MoveTo(1);
    for (int round = 1; round <= kRounds; ++round) {
      Caller holder(*bulkhead);
      EXPECT_EQ(holder.Ask(At(round)), Verdict::Admit());
      newcomer.emplace(*bulkhead);
      begun = round;
      Spin(round * 7 % 4096);
      holder.End(At(round));
      while (asked.load() < round) std::this_thread::yield();
      if (verdict != Verdict::Admit() && newcomer->woken == 0) ++forgotten;
      newcomer.reset();
    }
  });
  comes.join();
  goes.join();
  EXPECT_EQ(forgotten, 0);
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

// As many threads as the bulkhead has permits are in at once, out of more, or as many as there are. So
// nobody is ever refused, though each thread that is out may have kept a permit for its next call.
TEST(BulkheadThreadsTest, WhatAThreadKeepsForItsNextCallHoldsNobodyUp) {
  for (const int permits : {1, 2, kThreads - 1, kThreads, kThreads + 2}) {
    const auto bulkhead = Bulkhead({.max_concurrent = permits, .max_queue = 0});
    Running running;
    std::atomic<int> inside = 0, refused = 0;
    OnThreads([&](uint64_t t) {
      for (uint64_t i = 0; i < 5000; ++i) {
        while (inside.fetch_add(1) >= permits) {
          --inside;
          std::this_thread::yield();
        }
        Caller caller(*bulkhead);
        if (caller.Ask(Now()) == Verdict::Admit()) {
          running.Enter();
          if (internal::Mix64(i * kThreads + t) % 32 == 0) std::this_thread::yield();
          running.Exit();
          caller.End(Now());
        } else {
          ++refused;
        }
        --inside;
      }
    });
    EXPECT_EQ(refused, 0) << permits;
    EXPECT_LE(running.most(), permits);
    EXPECT_EQ(bulkhead->snapshot().in_use, 0);
  }
}

// While the limit goes up and down. What runs when it is lowered goes on, so the highest one bounds
// all; at the end the last one holds.
TEST(BulkheadThreadsTest, AChangingLimitLosesNoPermit) {
  const BulkheadOptions last = {.max_concurrent = 2, .target_delay = absl::InfiniteDuration()};
  const auto bulkhead = Bulkhead(last);
  const auto set = PolicySet::Create({bulkhead});
  Running running;
  Tally tally;
  std::atomic<bool> done = false;
  std::thread changer([&] {
    for (int i = 0; !done && i < 20'000; ++i) {
      BulkheadOptions options = last;
      options.max_concurrent = 1 + i % 4;
      EXPECT_TRUE(bulkhead->Reconfigure(options).ok());
      std::this_thread::yield();
    }
  });
  RunCalls(*set, 2000, running, tally);
  done = true;
  changer.join();
  EXPECT_EQ(tally.hung, 0);
  EXPECT_LE(running.most(), 4);
  ASSERT_TRUE(bulkhead->Reconfigure(last).ok());
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
  Running after;
  RunCalls(*set, 500, after, tally);
  EXPECT_EQ(tally.hung, 0);
  EXPECT_LE(after.most(), 2);
  EXPECT_EQ(bulkhead->snapshot().in_use, 0);
}

}  // namespace
}  // namespace redial
