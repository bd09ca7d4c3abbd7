// A test's body on threads, and the same body in a fiber.
//
//   TEST_ON_EACH_RUNTIME(Redis, Answers) {
//     RedisServer redis;
//     EXPECT_TRUE(Ping(redis).ok());   // waits on Runtime::Current()
//   }
//   ON_EACH_RUNTIME(Redis);            // once for each file and name
//
// GoogleTest knows them as On/Redis.Answers/threads and On/Redis.Answers/fibers. Redis is a class
// of the test's own, derived from EachRuntime.
#ifndef REDIAL_TESTS_SUPPORT_EACH_RUNTIME_H_
#define REDIAL_TESTS_SUPPORT_EACH_RUNTIME_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/functional/any_invocable.h"
#include "redial/runtime.h"
#include "redial/time.h"

namespace redial::testing {

enum class Kind { kThreads, kFibers };
inline std::string KindName(const ::testing::TestParamInfo<Kind>& kind) {
  return kind.param == Kind::kThreads ? "threads" : "fibers";
}

class EachRuntime : public ::testing::TestWithParam<Kind> {
 protected:
  // Runs `body` on this thread, or in a fiber on one of two workers, where no fiber may be left when
  // it has returned.
  static void Inside(absl::AnyInvocable<void()> body);
};

// On the runtime of the calling code.
inline Deadline In(absl::Duration d) { return Deadline::After(Runtime::Current().Now(), d); }
inline void Sleep(absl::Duration d) { (void)Runtime::Current().SleepUntil(In(d), {}); }

}  // namespace redial::testing

#define TEST_ON_EACH_RUNTIME(Suite, Name)                   \
  static void Suite##Name();                                \
  TEST_P(Suite, Name) { EachRuntime::Inside(Suite##Name); } \
  static void Suite##Name()

#define ON_EACH_RUNTIME(Suite)                                                                \
  INSTANTIATE_TEST_SUITE_P(                                                                   \
      On, Suite,                                                                              \
      ::testing::Values(::redial::testing::Kind::kThreads, ::redial::testing::Kind::kFibers), \
      ::redial::testing::KindName)

#endif  // REDIAL_TESTS_SUPPORT_EACH_RUNTIME_H_
