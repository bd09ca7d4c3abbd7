#include "tests/support/each_runtime.h"

#include <utility>

#include "redial/fiber.h"

namespace redial::testing {

void EachRuntime::Inside(absl::AnyInvocable<void()> body) {
  if (GetParam() == Kind::kThreads) {
    body();
    return;
  }
  auto fibers = FiberRuntime::Create({.workers = 2, .spread_spawns = true});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  const absl::Status ran = fibers->Run(std::move(body));
  EXPECT_TRUE(ran.ok()) << ran;
  EXPECT_EQ(fibers->counts().fibers, 0);
  EXPECT_EQ(fibers->counts().descriptors, 0u);
  const absl::Status ended =
      fibers->Shutdown(Deadline::After(Runtime::Threads().Now(), absl::Seconds(10)));
  EXPECT_TRUE(ended.ok()) << ended;
}

}  // namespace redial::testing
