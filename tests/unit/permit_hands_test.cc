#include "src/core/permit_hands.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "src/core/mix.h"
#include "tests/support/other_thread.h"
#include "tests/support/processor.h"
#include "tests/support/sanitized.h"
#include "tests/support/without_membarrier.h"

namespace redial::internal {
namespace {

using testing::Other;
using Answer = PermitHands::Answer;

TEST(PermitHandsTest, AHandKeepsOnePermit) {
  PermitHands hands;
  hands.Open();
  EXPECT_FALSE(hands.MayTake());
  EXPECT_EQ(hands.Take(), Answer::kNo);
  EXPECT_EQ(hands.Give(), Answer::kYes);
  EXPECT_EQ(hands.Give(), Answer::kNo) << "there is room for one";
  EXPECT_TRUE(hands.MayTake());
  EXPECT_EQ(hands.Held(), 1);
  EXPECT_EQ(hands.Take(), Answer::kYes);
  EXPECT_EQ(hands.Take(), Answer::kNo);
  EXPECT_EQ(hands.Held(), 0);
}

TEST(PermitHandsTest, ClosedHandsTakeNothing) {
  PermitHands hands;
  EXPECT_EQ(hands.Give(), Answer::kNo);
  hands.Open();
  EXPECT_EQ(hands.Give(), Answer::kYes);
  EXPECT_TRUE(hands.Any());
  EXPECT_EQ(hands.Recall(), 1);
  EXPECT_FALSE(hands.Any());
  EXPECT_FALSE(hands.open());
  EXPECT_EQ(hands.Take(), Answer::kNo);
  EXPECT_EQ(hands.Give(), Answer::kNo);
  EXPECT_EQ(hands.Recall(), 0);
}

TEST(PermitHandsTest, ARecallEmptiesTheHandsOfIdleThreads) {
  PermitHands hands;
  hands.Open();
  Other a, b;
  a.Do([&] { EXPECT_EQ(hands.Give(), Answer::kYes); });
  b.Do([&] { EXPECT_EQ(hands.Give(), Answer::kYes); });
  EXPECT_FALSE(hands.MayTake()) << "they are in others' hands";
  EXPECT_EQ(hands.Take(), Answer::kNo);
  EXPECT_TRUE(hands.Any());
  EXPECT_EQ(hands.Recall(), 2);
  a.Do([&] { EXPECT_EQ(hands.Take(), Answer::kNo); });
  hands.Open();
  b.Do([&] { EXPECT_EQ(hands.Take(), Answer::kNo); });
  b.Do([&] { EXPECT_EQ(hands.Give(), Answer::kYes); });
  EXPECT_EQ(hands.Recall(), 1);
}

TEST(PermitHandsTest, AThreadEmptiesItsOwn) {
  PermitHands hands;
  hands.Open();
  Other other;
  other.Do([&] { EXPECT_EQ(hands.Give(), Answer::kYes); });
  EXPECT_EQ(hands.TakeOwn(), 0);
  other.Do([&] { EXPECT_EQ(hands.TakeOwn(), 1); });
  EXPECT_EQ(hands.Recall(), 0);
}

// Whoever has the slot next finds it in the hand, or a recall does.
TEST(PermitHandsTest, WhatAThreadLeavesIsNotLost) {
  PermitHands hands;
  hands.Open();
  std::thread([&] { EXPECT_EQ(hands.Give(), Answer::kYes); }).join();
  std::thread([&] { EXPECT_EQ(hands.Take(), Answer::kYes); }).join();
  std::thread([&] { EXPECT_EQ(hands.Give(), Answer::kYes); }).join();
  EXPECT_EQ(hands.Recall(), 1);
}

TEST(PermitHandsTest, AThreadWithoutASlotHasNoHand) {
  PermitHands hands;
  hands.Open();
  std::vector<Other> others(kThreadSlots);
  for (Other& other : others) other.Do([] { (void)ThreadSlot(); });
  Other beyond;
  beyond.Do([&] {
    ASSERT_EQ(ThreadSlot(), kNoThreadSlot);
    EXPECT_EQ(hands.Give(), Answer::kNo);
    EXPECT_FALSE(hands.MayTake());
    EXPECT_EQ(hands.Take(), Answer::kNo);
    EXPECT_EQ(hands.TakeOwn(), 0);
  });
}

TEST(PermitHandsTest, StayClosedWhereTheKernelOffersNoBarrier) {
  const auto in_a_sandbox = [] {
    if (!testing::ForbidMembarrier()) std::_Exit(1);
    PermitHands hands;
    hands.Open();
    std::_Exit(!hands.open() && hands.Give() == Answer::kNo ? 0 : 2);
  };
  EXPECT_EXIT(in_a_sandbox(), ::testing::ExitedWithCode(0), "");
}

// Who is in the midst of something can't be told, so what lies in hands comes back with its threads.
TEST(PermitHandsTest, CloseForGoodWhereTheBarrierIsTakenAwayLater) {
  const auto before_a_sandbox = [] {
    PermitHands hands;
    hands.Open();
    int64_t brought = 0;
    Other other;
    other.Do([&] { (void)hands.Give(); });
    if (hands.Give() != Answer::kYes) std::_Exit(1);
    if (!testing::ForbidMembarrier()) std::_Exit(2);
    if (hands.Recall() != 1) std::_Exit(3);  // this thread's own
    if (hands.Any() || hands.Held() != 1) std::_Exit(4);
    other.Do([&] { brought = hands.Take() == Answer::kRecalled ? hands.TakeOwn() : 0; });
    if (brought != 1) std::_Exit(5);
    hands.Open();
    std::_Exit(hands.open() ? 6 : 0);
  };
  EXPECT_EXIT(before_a_sandbox(), ::testing::ExitedWithCode(0), "");
}

// Threads that take and give at random, from their hands or from what all share, while some of
// them recall and open the hands again.
class Exchange {
 public:
  explicit Exchange(int64_t permits) : permits_(permits), shared_(permits) {}

  // On its own thread.
  void Step(uint64_t draw) {
    if (draw % 64 == 0) {
      Recall();
    } else if (draw % 64 == 1) {
      const std::lock_guard lock(owner_);
      hands_.Open();
    } else {
      TakeAndGive(/*yields=*/draw % 128 == 2);
    }
  }
  void TakeAndGive(bool yields = false) {
    if (Take()) {
      const int64_t now_out = ++out_;
      int64_t seen = most_;
      while (seen < now_out && !most_.compare_exchange_weak(seen, now_out)) {
      }
      if (yields) std::this_thread::yield();
      --out_;
      Give();
    }
  }
  void Recall() {
    const std::lock_guard lock(owner_);
    shared_ += hands_.Recall();
  }
  void Open() {
    const std::lock_guard lock(owner_);
    hands_.Open();
  }
  // When nobody steps: all of them are there again, and none was taken twice.
  void Check() {
    const std::lock_guard lock(owner_);
    if (hands_.open()) shared_ += hands_.Recall();
    EXPECT_EQ(shared_, permits_);
    EXPECT_EQ(hands_.Held(), 0) << "a permit stays in a hand that is closed";
    EXPECT_LE(most_, permits_);
  }

 private:
  bool Take() {
    if (hands_.Take() == Answer::kYes) return true;
    const std::lock_guard lock(owner_);
    shared_ += hands_.TakeOwn();
    if (shared_ == 0) return false;
    --shared_;
    return true;
  }
  void Give() {
    const Answer answer = hands_.Give();
    if (answer == Answer::kYes) return;
    const std::lock_guard lock(owner_);
    shared_ += answer == Answer::kNo ? 1 : hands_.TakeOwn();
  }

  const int64_t permits_;
  PermitHands hands_;
  std::mutex owner_;
  int64_t shared_;
  std::atomic<int64_t> out_ = 0;
  std::atomic<int64_t> most_ = 0;
};

TEST(PermitHandsTest, NoPermitIsLostOrTakenTwice) {
  constexpr int kThreads = 4;
  constexpr uint64_t kSteps = 125;
  const uint64_t rounds = testing::kSanitized ? 400 : 2000;
  for (const int64_t permits : {1, 3}) {
    Exchange exchange(permits);
    std::atomic<uint64_t> round = 0;
    std::atomic<int> done = 0;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (uint64_t r = 1; r <= rounds; ++r) {
          while (round < r) std::this_thread::yield();
          for (uint64_t i = 0; i < kSteps; ++i) {
            exchange.Step(Mix64((r * kThreads + t) * kSteps + i));
          }
          ++done;
        }
      });
    }
    for (uint64_t r = 1; r <= rounds; ++r) {
      exchange.Open();
      round = r;
      while (done < kThreads) std::this_thread::yield();
      done = 0;
      exchange.Check();
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// One thread takes and gives as fast as it can, another recalls and opens: so often that a recall
// without its barrier meets stores that haven't arrived yet.
TEST(PermitHandsTest, ARecallMeetsATakerInTheMidst) {
  Exchange exchange(1);
  std::atomic<bool> over = false;
  std::thread takes([&] {
    testing::MoveTo(0);
    while (!over) exchange.TakeAndGive();
  });
  std::thread recalls([&] {
    testing::MoveTo(1);
    for (int i = 0; i < 100'000; ++i) {
      exchange.Open();
      for (int k = 0; k < i % 64; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
      exchange.Recall();
    }
    over = true;
  });
  recalls.join();
  takes.join();
  exchange.Check();
}

// A recall by a signal's handler, wherever it hits the thread: between any two instructions of Take
// and Give. To them it is another thread's.
class Interrupted {
 public:
  Interrupted() {
    instance = this;
    struct sigaction action = {};
    action.sa_handler = [](int) { instance->RecallIfFree(); };
    ::sigaction(SIGUSR1, &action, &before_);
  }
  ~Interrupted() { ::sigaction(SIGUSR1, &before_, nullptr); }

  void TakeAndGive() {
    const Answer taken = hands_.Take();
    Lock();
    if (taken == Answer::kRecalled) shared_ += hands_.TakeOwn();
    if (taken != Answer::kYes) {
      Check(/*out=*/0);
      hands_.Open();
      --shared_;
    }
    Check(/*out=*/1);
    locked_ = false;
    const Answer given = hands_.Give();
    Lock();
    if (given == Answer::kRecalled) shared_ += hands_.TakeOwn();
    if (given == Answer::kNo) ++shared_;
    Check(/*out=*/0);
    locked_ = false;
  }
  int wrong() const { return wrong_; }
  int recalls() const { return recalls_; }

 private:
  static inline Interrupted* instance = nullptr;

  // The handler finds it locked, and leaves.
  void Lock() { locked_ = true; }
  void RecallIfFree() {
    if (locked_ || !hands_.open()) return;
    shared_ = shared_ + hands_.Recall();
    ++recalls_;
  }
  void Check(int64_t out) {
    if (shared_ + hands_.Held() + out != 1) ++wrong_;
    if (!hands_.open() && hands_.Held() > 0) ++wrong_;  // nobody would bring it
  }

  struct sigaction before_ = {};
  PermitHands hands_;
  std::atomic<bool> locked_ = false;
  std::atomic<int64_t> shared_ = 1;
  std::atomic<int> wrong_ = 0;
  std::atomic<int> recalls_ = 0;
};

TEST(PermitHandsTest, ARecallBetweenAnyTwoInstructionsLosesNothing) {
  Interrupted interrupted;
  std::atomic<bool> over = false;
  std::atomic<int> laps = 0;
  std::thread thread([&] {
    while (!over) {
      interrupted.TakeAndGive();
      ++laps;
    }
  });
  for (int i = 0; i < 20'000 && interrupted.wrong() == 0; ++i) {
    const int lap = laps;
    while (laps < lap + 2) std::this_thread::yield();  // it gets on between two
    for (int k = 0; k < i % 64; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
    ::pthread_kill(thread.native_handle(), SIGUSR1);
  }
  over = true;
  thread.join();
  EXPECT_EQ(interrupted.wrong(), 0);
  EXPECT_GT(interrupted.recalls(), 0);
}

}  // namespace
}  // namespace redial::internal
