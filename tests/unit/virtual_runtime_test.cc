#include "redial/testing/virtual_runtime.h"

#include <gtest/gtest.h>

#include <stop_token>
#include <string>
#include <vector>

#include "redial/runtime.h"

namespace redial::testing {
namespace {

Deadline In(Runtime& runtime, absl::Duration timeout) {
  return Deadline::After(runtime.Now(), timeout);
}

TEST(FormatSeconds, HasNoMoreDigitsThanItTakes) {
  EXPECT_EQ(FormatSeconds(absl::ZeroDuration()), "0s");
  EXPECT_EQ(FormatSeconds(absl::Seconds(1.5)), "1.5s");
  EXPECT_EQ(FormatSeconds(absl::Milliseconds(250)), "0.25s");
  EXPECT_EQ(FormatSeconds(absl::Seconds(100)), "100s");
  EXPECT_EQ(FormatSeconds(absl::Nanoseconds(1)), "0.000000001s");
  EXPECT_EQ(FormatSeconds(-absl::Milliseconds(500)), "-0.5s");
  EXPECT_EQ(FormatSeconds(absl::InfiniteDuration()), "inf");
  EXPECT_EQ(FormatSeconds(-absl::InfiniteDuration()), "-9223372036.854775808s");
}

TEST(VirtualRuntime, StartsAtTheVirtualOriginAndStandsStill) {
  VirtualRuntime runtime;
  EXPECT_EQ(runtime.Now(), Instant::VirtualOrigin());
  EXPECT_EQ(runtime.Now(), Instant::VirtualOrigin());
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
}

TEST(VirtualRuntime, IsCurrentForItsLifeIfAskedTo) {
  Runtime& before = Runtime::Current();
  {
    VirtualRuntime runtime;
    EXPECT_EQ(&Runtime::Current(), &runtime);
    VirtualRuntime aside({.current = false});
    EXPECT_EQ(&Runtime::Current(), &runtime);
  }
  EXPECT_EQ(&Runtime::Current(), &before);
}

TEST(VirtualRuntime, AWaitJumpsToItsDeadline) {
  VirtualRuntime runtime;
  Event never;
  EXPECT_EQ(runtime.Wait(never, In(runtime, absl::Hours(1)), {}), WaitResult::kTimedOut);
  EXPECT_EQ(runtime.elapsed(), absl::Hours(1));
}

TEST(VirtualRuntime, AWaitJumpsToTheEventThatEndsIt) {
  VirtualRuntime runtime;
  Event other, ready;
  runtime.After(absl::Seconds(9), [&] { other.Set(); });
  runtime.After(absl::Seconds(5), [&] { ready.Set(); });
  Source* sources[] = {&other, &ready};
  EXPECT_EQ(runtime.WaitAny(sources, In(runtime, absl::Minutes(1)), {}), 1);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(5));
  EXPECT_EQ(runtime.scheduled(), 1u);
}

TEST(VirtualRuntime, ALatchIsConsumedByTheWaitThatReportsIt) {
  VirtualRuntime runtime;
  Event ready;
  ready.Set();
  EXPECT_EQ(runtime.Wait(ready, In(runtime, absl::Seconds(1)), {}), WaitResult::kReady);
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
  EXPECT_EQ(runtime.Wait(ready, In(runtime, absl::Seconds(1)), {}), WaitResult::kTimedOut);
}

TEST(VirtualRuntime, WhatHappensAtTheDeadlineStillCounts) {
  VirtualRuntime runtime;
  Event ready;
  runtime.After(absl::Seconds(1), [&] { ready.Set(); });
  EXPECT_EQ(runtime.Wait(ready, In(runtime, absl::Seconds(1)), {}), WaitResult::kReady);
}

TEST(VirtualRuntime, AnExpiredDeadlineFailsEvenWhereSomethingIsReady) {
  VirtualRuntime runtime;
  Event ready;
  ready.Set();
  EXPECT_EQ(runtime.Wait(ready, Deadline(runtime.Now()), {}), WaitResult::kTimedOut);
  EXPECT_EQ(runtime.Wait(ready, Deadline::Past(), {}), WaitResult::kTimedOut);
}

TEST(VirtualRuntime, RunsFunctionsOfOneInstantInTheOrderOfTheirScheduling) {
  VirtualRuntime runtime;
  std::string order;
  runtime.After(absl::Seconds(1), [&] { order += 'a'; });
  runtime.After(absl::Seconds(1), [&] {
    order += 'b';
    runtime.After(absl::ZeroDuration(), [&] { order += 'd'; });
  });
  runtime.After(absl::Seconds(1), [&] { order += 'c'; });
  runtime.Advance(absl::Seconds(1));
  EXPECT_EQ(order, "abcd");
}

TEST(VirtualRuntime, WhatIsScheduledInThePastRunsAtTheNextWait) {
  VirtualRuntime runtime;
  runtime.Advance(absl::Seconds(2));
  absl::Duration at;
  runtime.At(Instant::VirtualOrigin(), [&] { at = runtime.elapsed(); });
  runtime.Advance(absl::Seconds(1));
  EXPECT_EQ(at, absl::Seconds(2));
}

TEST(VirtualRuntime, AScheduledFunctionMayWaitItself) {
  VirtualRuntime runtime;
  runtime.After(absl::Seconds(1), [&] { runtime.Advance(absl::Seconds(5)); });
  runtime.Advance(absl::Seconds(2));
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(6));
}

TEST(VirtualRuntime, AStopRequestEndsAWait) {
  VirtualRuntime runtime;
  std::stop_source stop;
  Event never;
  runtime.After(absl::Seconds(3), [&] { stop.request_stop(); });
  EXPECT_EQ(runtime.Wait(never, Deadline::Never(), stop.get_token()), WaitResult::kStopped);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(3));
}

TEST(VirtualRuntime, AWaitThatCannotEndIsAFailureAndReturns) {
  std::vector<std::string> failures;
  VirtualRuntime runtime(
      {.on_failure = [&](const TestFailure& failure) { failures.push_back(failure.sentence); }});
  runtime.Advance(absl::Seconds(1.5));
  Event never;
  EXPECT_EQ(runtime.Wait(never, Deadline::Never(), {}), WaitResult::kStopped);
  EXPECT_EQ(failures,
            std::vector<std::string>{"deadlock at 1.5s: a wait without a deadline, and nothing is "
                                     "scheduled that could end it"});
}

TEST(VirtualRuntime, ADeadlockNamesADescriptorThatItDoesNotWatch) {
  std::vector<std::string> failures;
  VirtualRuntime runtime(
      {.on_failure = [&](const TestFailure& failure) { failures.push_back(failure.sentence); }});
  Source input(0, Source::Kind::kReadable);
  EXPECT_EQ(runtime.Wait(input, Deadline::Never(), {}), WaitResult::kStopped);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0],
            "deadlock at 0s: a wait without a deadline, and nothing is scheduled that could end it "
            "(virtual time doesn't watch descriptor 0)");
}

TEST(VirtualRuntime, AFailureStandsAtTheLineThatMadeTheRuntime) {
  TestFailure told;
  const auto line = std::source_location::current().line() + 1;
  VirtualRuntime runtime({.on_failure = [&](const TestFailure& failure) { told = failure; }});
  Event never;
  runtime.Wait(never, Deadline::Never(), {});
  EXPECT_EQ(told.where.line(), line);
}

TEST(VirtualRuntimeDeathTest, AFailureEndsTheProgramWhereNobodyHandlesIt) {
  VirtualRuntime runtime;
  Event never;
  const DefaultFailureHandler before = SetDefaultFailureHandler(nullptr);
  EXPECT_DEATH(runtime.Wait(never, Deadline::Never(), {}),
               "virtual_runtime_test.cc:[0-9]+: deadlock at 0s");
  SetDefaultFailureHandler(before);
}

TEST(VirtualRuntime, DoesNotSpawn) {
  VirtualRuntime runtime;
  const absl::StatusOr<Task> task = runtime.Spawn([] {});
  EXPECT_EQ(task.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(task.status().message(),
            "a VirtualRuntime has one thread and can't spawn; schedule a function with After()");
}

TEST(VirtualRuntime, SeedsFollowFromItsOwn) {
  VirtualRuntime a({.seed = 7}), b({.seed = 7}), c({.seed = 8});
  const uint64_t first = a.NextSeed();
  EXPECT_EQ(b.NextSeed(), first);
  EXPECT_EQ(b.NextSeed(), a.NextSeed());
  EXPECT_NE(b.NextSeed(), first);
  EXPECT_NE(c.NextSeed(), first);
}

}  // namespace
}  // namespace redial::testing
