// To spawn where there is no memory: std::bad_alloc, and nothing runs that nobody could join.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <new>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "redial/fiber.h"
#include "redial/runtime.h"
#include "redial/testing/simulation.h"
#include "tests/unit/counted_calls.h"

namespace redial {
namespace {

#if defined(__cpp_exceptions)

// Has every allocation of `spawn` fail once, and the nth for each n that it gets to. What was spawned
// raises the counter that `spawn` is given.
class SpawnAllocationsTest : public ::testing::Test {
 protected:
  using Ran = std::atomic<int>;

  void FailEach(absl::FunctionRef<void(Ran&)> spawn) {
    for (int nth = 1;; ++nth) {
      ASSERT_LT(nth, 1000);
      Ran& ran = ran_.emplace_back();
      bool threw = false;
      testing::failing_allocation = nth;
      try {
        spawn(ran);
      } catch (const std::bad_alloc&) {
        threw = true;
      }
      threw_.push_back(threw);
      if (std::exchange(testing::failing_allocation, 0) > 0) break;  // it had no nth
    }
  }
  // When no fiber can be left that hasn't run.
  void ExpectThatNoneRanInVain() const {
    EXPECT_GE(threw_.size(), 3u);
    EXPECT_FALSE(threw_.back());
    for (size_t i = 0; i < threw_.size(); ++i) EXPECT_EQ(ran_[i], threw_[i] ? 0 : 1) << i;
  }

 private:
  std::deque<Ran> ran_;
  std::vector<bool> threw_;
};

// What comes after the spawn is another matter.
int SpareTheRest() { return std::exchange(testing::failing_allocation, 1 << 20); }
void FailAsBefore(int left) { testing::failing_allocation = left; }

TEST_F(SpawnAllocationsTest, NoneThatFailsLeavesAFiberBehind) {
  auto fibers = FiberRuntime::Create({.workers = 1});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  FailEach([&](Ran& ran) {
    absl::StatusOr<Task> task = fibers->Spawn([&ran] { ++ran; });
    const int left = SpareTheRest();
    EXPECT_TRUE(task.ok()) << task.status();
    task->Join();
    FailAsBefore(left);
  });
  // A fiber that was counted and never made would be waited for.
  const Deadline deadline = Deadline::After(Runtime::Threads().Now(), absl::Seconds(30));
  const absl::Status shutdown = fibers->Shutdown(deadline);
  EXPECT_TRUE(shutdown.ok()) << shutdown;
  ExpectThatNoneRanInVain();
}

TEST_F(SpawnAllocationsTest, ALoopInPlaceCanRunAgain) {
  auto fibers = FiberRuntime::Create({.on_calling_thread = true});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  FailEach([&](Ran& ran) {
    const absl::Status run = fibers->Run([&ran] { ++ran; });
    const int left = SpareTheRest();
    EXPECT_TRUE(run.ok()) << run;
    FailAsBefore(left);
  });
  ExpectThatNoneRanInVain();
}

TEST_F(SpawnAllocationsTest, ASimulationIsOverAllTheSame) {
  testing::Simulation simulation(/*seed=*/1);
  simulation.AddHost("client").Run("main", [&] {
    FailEach([&](Ran& ran) {
      absl::StatusOr<Task> task = Runtime::Current().Spawn([&ran] { ++ran; });
      const int left = SpareTheRest();
      EXPECT_TRUE(task.ok()) << task.status();
      task->Join();
      FailAsBefore(left);
    });
  });
  const absl::Status run = simulation.Run();
  EXPECT_TRUE(run.ok()) << run;
  ExpectThatNoneRanInVain();
}

#endif  // __cpp_exceptions

}  // namespace
}  // namespace redial
