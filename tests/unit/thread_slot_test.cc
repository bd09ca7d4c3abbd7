#include "src/core/thread_slot.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/sanitized.h"

namespace redial::internal {
namespace {

// Threads that all live at the same time; each runs `body` and stays until the last one has.
void AtOnce(int count, const std::function<void(int)>& body) {
  std::mutex mu;
  std::condition_variable all;
  int done = 0;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int t = 0; t < count; ++t) {
    threads.emplace_back([&, t] {
      body(t);
      std::unique_lock lock(mu);
      if (++done == count) all.notify_all();
      all.wait(lock, [&] { return done == count; });
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::vector<int> SlotsOf(int threads) {
  std::vector<int> slots(static_cast<size_t>(threads));
  AtOnce(threads, [&slots](int t) { slots[static_cast<size_t>(t)] = ThreadSlot(); });
  return slots;
}

TEST(ThreadSlotTest, IsTheThreadsForGood) {
  std::thread([] {
    const int slot = ThreadSlot();
    EXPECT_GE(slot, 0);
    EXPECT_LT(slot, kThreadSlots);
    EXPECT_EQ(ThreadSlot(), slot);
  }).join();
}

TEST(ThreadSlotTest, NoTwoThreadsThatLiveHaveTheSame) {
  const std::vector<int> slots = SlotsOf(8);
  EXPECT_EQ(std::set<int>(slots.begin(), slots.end()).size(), 8u);
  EXPECT_EQ(std::count(slots.begin(), slots.end(), kNoThreadSlot), 0);
}

TEST(ThreadSlotTest, ThreadsBeyondHaveNone) {
  const std::vector<int> slots = SlotsOf(kThreadSlots + 8);
  const auto without = std::count(slots.begin(), slots.end(), kNoThreadSlot);
  EXPECT_GE(without, 8) << "this thread may have one too";
  EXPECT_LE(without, 10);
  const std::set<int> distinct(slots.begin(), slots.end());
  EXPECT_EQ(distinct.size(), slots.size() - static_cast<size_t>(without) + 1);
}

TEST(ThreadSlotTest, ComesBackWithTheThreadsEnd) {
  for (int i = 0; i < 4 * kThreadSlots; ++i) {
    std::thread([] { ASSERT_NE(ThreadSlot(), kNoThreadSlot); }).join();
  }
}

struct AsksAtTheEnd {
  int* answer = nullptr;
  ~AsksAtTheEnd() {
    if (answer != nullptr) *answer = ThreadSlot();
  }
};

// Its slot may be another thread's by then.
TEST(ThreadSlotTest, AThreadThatEndsHasNoneAnyMore) {
  int answer = kThreadSlotUnasked;
  std::thread([&answer] {
    static thread_local AsksAtTheEnd asks;
    asks.answer = &answer;
    ASSERT_GE(ThreadSlot(), 0);
  }).join();
  EXPECT_EQ(answer, kNoThreadSlot);
}

// What the last owner wrote is there for the next one: plain writes, which ThreadSanitizer watches.
TEST(ThreadSlotTest, TheNextOwnerSeesWhatTheLastOneWrote) {
  std::vector<int> written(kThreadSlots);
  std::vector<std::thread> threads;
  for (int round = 0; round < 16; ++round) {
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&written] {
        if (const int slot = ThreadSlot(); slot >= 0) ++written[static_cast<size_t>(slot)];
      });
    }
    if (round % 4 == 3) {
      for (std::thread& thread : threads) thread.join();
      threads.clear();
    }
  }
  int sum = 0;
  for (const int count : written) sum += count;
  EXPECT_EQ(sum, 64);
}

// The threads that the others' slots belonged to are not in the child.
TEST(ThreadSlotTest, AForkedChildHasTheOthersFreeAgain) {
  AtOnce(20, [](int t) {
    const int slot = ThreadSlot();
    if (t != 0) return;
    const pid_t child = ::fork();
    if (child == 0) {
      if (ThreadSlot() != slot) ::_exit(1);
      // ThreadSanitizer knows no threads of a child whose parent has some.
      const std::vector<int> slots = SlotsOf(testing::kSanitized ? 0 : kThreadSlots - 1);
      if (std::count(slots.begin(), slots.end(), kNoThreadSlot) != 0) ::_exit(2);
      if (std::count(slots.begin(), slots.end(), slot) != 0) ::_exit(3);
      ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  });
}

// Somebody else's handler that is called before redial's own, and puts a thread to work in the child.
struct EarlyBird {
  EarlyBird() { ::pthread_atfork(nullptr, nullptr, &Start); }
  static void Start() {
    if (!wanted) return;
    wanted = false;
    if (forks && ::fork() != 0) ::_exit(Wait());  // one within the other: the grandchild goes on
    std::atomic<int> slot = kThreadSlotUnasked;
    std::thread([&slot] {
      slot = ThreadSlot();
      ::pause();
    }).detach();
    while (slot == kThreadSlotUnasked) std::this_thread::yield();
    slot_of_its_thread = slot;
  }
  static int Wait() {
    int status = -1;
    ::wait(&status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
  }
  static inline bool wanted = false;
  static inline bool forks = false;
  static inline int slot_of_its_thread = kThreadSlotUnasked;
};
const EarlyBird early_bird;  // before anybody has a slot

class ForkTest : public ::testing::TestWithParam<bool> {};

TEST_P(ForkTest, AThreadThatAForksHandlerStartsHasItsOwn) {
  const int slot = ThreadSlot();
  EarlyBird::wanted = !testing::kSanitized;  // as above
  EarlyBird::forks = GetParam();
  const int others = testing::kSanitized ? 0 : 4;
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<int> slots = SlotsOf(others);
    slots.push_back(EarlyBird::slot_of_its_thread);
    slots.push_back(slot);
    if (std::count(slots.begin(), slots.end(), kNoThreadSlot) != 0) ::_exit(1);
    const size_t distinct = std::set<int>(slots.begin(), slots.end()).size();
    ::_exit(distinct == static_cast<size_t>(others) + 2 ? 0 : 2);
  }
  EarlyBird::wanted = false;
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(OfAHandlerThatForks, ForkTest, ::testing::Bool());

}  // namespace
}  // namespace redial::internal
