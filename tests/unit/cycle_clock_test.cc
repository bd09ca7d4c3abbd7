#include "src/runtime/cycle_clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "redial/runtime.h"

namespace redial::runtime_internal {
namespace {

// A counter of 2 GHz and a kernel clock that agrees with it, but for what a test does to them.
class Machine {
 public:
  // Both go on. Returns what the clock says then, by a look where one is due.
  int64_t After(int64_t nanos) {
    kernel_ += nanos;
    cycles_ += static_cast<uint64_t>(static_cast<double>(nanos) * cycles_per_nano);
    if (const std::optional<int64_t> now = clock.At(cycles_)) return *now;
    ++looks;
    const uint64_t before = cycles_;
    const int64_t seen = kernel_ + look_nanos / 2;
    kernel_ += look_nanos;
    cycles_ += static_cast<uint64_t>(static_cast<double>(look_nanos) * cycles_per_nano);
    return clock.Look(before, seen, cycles_);
  }
  // How far it is off then.
  int64_t Error(int64_t nanos) { return std::abs(After(nanos) - kernel_); }
  void Sleep(int64_t nanos, bool counts) {
    if (counts) cycles_ += static_cast<uint64_t>(nanos) * 2;
  }
  void ResetCounter() { cycles_ = 12345; }

  CycleClock clock;
  double cycles_per_nano = 2;
  int64_t look_nanos = 40;  // how long a look takes
  int looks = 0;

 private:
  int64_t kernel_ = 1'000'000'000'000;
  uint64_t cycles_ = 77'000'000'000;
};

constexpr int64_t kLook = 40;                      // how long one takes
constexpr int64_t kHold = CycleClock::kHolds / 2;  // in nanoseconds, at 2 GHz

TEST(CycleClockTest, LooksUntilItKnowsTheRateAndSeldomThen) {
  Machine machine;
  for (int64_t passed = 0; passed <= 2 * kHold + 2000; passed += 1000) {
    EXPECT_LE(machine.Error(1000), kLook) << "the kernel's own";
  }
  const int looks = machine.looks;
  for (int i = 0; i < 100'000; ++i) EXPECT_LE(machine.Error(1000), 100);
  EXPECT_LE(machine.looks - looks, 100'000 * 1000 / kHold + 1);
}

TEST(CycleClockTest, FollowsAnAdjustmentOfTheKernelsClock) {
  Machine machine;
  for (int i = 0; i < 10'000; ++i) machine.After(1000);
  for (const double off : {1.0005, 1.0, 0.9995, 0.9999}) {
    machine.cycles_per_nano = 2 * off;
    int64_t worst = 0;
    for (int i = 0; i < 10'000; ++i) worst = std::max(worst, machine.Error(1000));
    EXPECT_LE(worst, 1100) << off << ": a thousandth of what a look holds";
  }
  const int looks = machine.looks;
  for (int i = 0; i < 10'000; ++i) machine.After(1000);
  EXPECT_LE(machine.looks - looks, 12) << "it still goes by the counter";
}

TEST(CycleClockTest, NeverRunsBackwards) {
  Machine machine;
  int64_t latest = 0;
  for (int i = 0; i < 50'000; ++i) {
    if (i % 7000 == 0) machine.cycles_per_nano = i % 14'000 == 0 ? 2 : 1.999;  // it runs ahead
    if (i % 9000 == 0) machine.ResetCounter();
    const int64_t now = machine.After(700);
    EXPECT_GE(now, latest);
    latest = now;
  }
}

TEST(CycleClockTest, GoesByTheKernelWhereTheCounterIsNotSteady) {
  Machine machine;
  for (int i = 0; i < 10'000; ++i) machine.After(1000);
  const auto wobble = [&](int i) { machine.cycles_per_nano = i / 700 % 2 == 0 ? 1.5 : 2; };
  for (int i = 0; i < 5000; ++i) {
    wobble(i);
    machine.After(1000);
  }
  for (int i = 0; i < 20'000; ++i) {
    wobble(i);
    EXPECT_LE(machine.Error(1000), kLook);
  }
}

// The kernel's clock stands still while a machine sleeps. Its counter may count on, or begin anew.
TEST(CycleClockTest, OutlivesASleep) {
  Machine machine;
  for (int i = 0; i < 10'000; ++i) machine.After(1000);
  machine.Sleep(3'600'000'000'000, /*counts=*/true);
  EXPECT_LE(machine.Error(1000), kLook) << "it looked";
  machine.ResetCounter();
  EXPECT_LE(machine.Error(1000), kLook) << "it looked";
  const int looks = machine.looks;
  for (int i = 0; i < 10'000; ++i) EXPECT_LE(machine.Error(1000), 100);
  EXPECT_LE(machine.looks - looks, 12) << "it still goes by the counter";
}

// Two looks with a short sleep between them make a rate that no third one confirms.
TEST(CycleClockTest, BelievesNoRateThatIsNotConfirmed) {
  Machine machine;
  machine.After(1000);
  machine.Sleep(1'000'000'000, /*counts=*/true);
  for (int i = 0; i < 2000; ++i) EXPECT_LE(machine.Error(1000), kLook);
  for (int i = 0; i < 10'000; ++i) EXPECT_LE(machine.Error(1000), 100);
  const int looks = machine.looks;
  for (int i = 0; i < 10'000; ++i) machine.After(1000);
  EXPECT_LE(machine.looks - looks, 12) << "it goes by the counter in the end";
}

TEST(CycleClockTest, BuildsNothingOnALookThatWasHeldUp) {
  Machine machine;
  machine.look_nanos = CycleClock::kQuick / 2 + 10;
  for (int i = 0; i < 10'000; ++i) EXPECT_LE(machine.Error(1000), machine.look_nanos);
  EXPECT_EQ(machine.looks, 10'000);
}

int64_t KernelNanos() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// On the real one: what a thread reads lies between two readings of the kernel's clock, to a
// microsecond and what a virtual machine may add to it.
TEST(CycleClockTest, AgreesWithTheKernelInEveryThread) {
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([] {
      constexpr int64_t kError = 20'000;
      Runtime& runtime = Runtime::Threads();
      const int64_t end = KernelNanos() + 30'000'000;
      Instant latest = runtime.Now();
      for (int64_t before = 0; before < end;) {
        before = KernelNanos();
        const Instant now = runtime.Now();
        const int64_t after = KernelNanos();
        ASSERT_GE(now.nanos(), before - kError);
        ASSERT_LE(now.nanos(), after + kError);
        ASSERT_GE(now, latest);
        latest = now;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace redial::runtime_internal
