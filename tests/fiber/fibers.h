// What tests of fibers begin with.
#ifndef REDIAL_TESTS_FIBER_FIBERS_H_
#define REDIAL_TESTS_FIBER_FIBERS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "redial/fiber.h"
#include "redial/runtime.h"
#include "redial/time.h"

namespace redial {

inline Runtime& Rt() { return Runtime::Current(); }
inline Deadline In(int64_t milliseconds) {
  return Deadline::After(Rt().Now(), absl::Milliseconds(milliseconds));
}

inline FiberRuntime Make(const FiberOptions& options) {
  absl::StatusOr<FiberRuntime> fibers = FiberRuntime::Create(options);
  EXPECT_TRUE(fibers.ok()) << fibers.status();
  return *std::move(fibers);
}

// The task, whose start is expected to succeed.
inline Task Started(absl::StatusOr<Task> task) {
  EXPECT_TRUE(task.ok()) << task.status();
  return task.ok() ? *std::move(task) : Task();
}

}  // namespace redial

#endif  // REDIAL_TESTS_FIBER_FIBERS_H_
