// To spawn where there is no memory: std::bad_alloc, and nothing runs that nobody could join.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <new>

#include "absl/functional/function_ref.h"
#include "redial/fiber.h"
#include "redial/runtime.h"
#include "tests/unit/counted_calls.h"

namespace redial {
namespace {

#if defined(__cpp_exceptions)

// Has every allocation of `spawn` fail once. Returns how many there were.
int FailEach(absl::FunctionRef<void(std::atomic<int>&)> spawn) {
  int failed = 0;
  for (int nth = 1; failed == nth - 1; ++nth) {
    if (nth == 100) return -1;
    const auto ran = std::make_shared<std::atomic<int>>(0);
    bool threw = false;
    try {
      testing::failing_allocation = nth;
      spawn(*ran);
      testing::failing_allocation = 0;
    } catch (const std::bad_alloc&) {
      threw = true;
      ++failed;
    }
    EXPECT_EQ(*ran, threw ? 0 : 1) << nth;
  }
  return failed;
}

TEST(SpawnAllocationsTest, NoneThatFailsLeavesAFiberBehind) {
  auto fibers = FiberRuntime::Create({.workers = 1});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  const int failed = FailEach([&](std::atomic<int>& ran) {
    absl::StatusOr<Task> task = fibers->Spawn([&ran] { ++ran; });
    testing::failing_allocation = 0;  // joining is another matter
    EXPECT_TRUE(task.ok()) << task.status();
  });
  EXPECT_GE(failed, 2);
  // A fiber that was counted and never made would be waited for.
  const Deadline deadline = Deadline::After(Runtime::Threads().Now(), absl::Seconds(30));
  const absl::Status shutdown = fibers->Shutdown(deadline);
  EXPECT_TRUE(shutdown.ok()) << shutdown;
}

TEST(SpawnAllocationsTest, ALoopInPlaceCanRunAgain) {
  auto fibers = FiberRuntime::Create({.on_calling_thread = true});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  const int failed = FailEach([&](std::atomic<int>& ran) {
    const absl::Status run = fibers->Run([&ran] { ++ran; });
    EXPECT_TRUE(run.ok()) << run;
  });
  EXPECT_GE(failed, 2);
}

#endif  // __cpp_exceptions

}  // namespace
}  // namespace redial
