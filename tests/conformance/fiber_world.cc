#include "tests/conformance/fiber_world.h"

#include <gtest/gtest.h>

#include <utility>

#include "redial/fiber.h"

namespace redial::conformance {

void RunOnFibers(absl::AnyInvocable<void()> body) {
  absl::StatusOr<FiberRuntime> fibers =
      FiberRuntime::Create({.workers = 2, .stack_size = 256 * 1024, .spread_spawns = true});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  ASSERT_TRUE(fibers->Run(std::move(body)).ok());
  EXPECT_EQ(fibers->counts().fibers, 0);
  EXPECT_EQ(fibers->counts().descriptors, 0u)
      << "a descriptor was closed, but its registration is still there";
}

}  // namespace redial::conformance
