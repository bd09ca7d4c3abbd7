// Calls around plain functions, in virtual time.
#include "redial/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/policies/ask_user.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/hedge.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/testing/matchers.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/unit/one_permit.h"

namespace redial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;
using testing::VirtualRuntime;

PolicySet Set(PolicyList policies) {
  auto set = PolicySet::Create(std::move(policies));
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}
PolicyPtr EverySecond(int attempts) {
  return Retry({.max_attempts = attempts, .backoff = Constant(absl::Seconds(1))});
}
absl::Status Down() { return absl::UnavailableError("down"); }

class CallTest : public ::testing::Test {
 protected:
  VirtualRuntime runtime_;
};

TEST_F(CallTest, TakesFunctionsOfEveryShape) {
  const PolicySet none;
  EXPECT_THAT(Call({}, none, [] { return absl::OkStatus(); }), IsOk());
  EXPECT_THAT(Call({}, none, [](const Attempt&) { return absl::OkStatus(); }), IsOk());
  EXPECT_THAT(Call({}, none, [] { return absl::StatusOr<int>(7); }), IsOkAndHolds(7));
  auto moved = Call({}, none, [](const Attempt& attempt) {
    return absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(attempt.number()));
  });
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(**moved, 1);
}

TEST_F(CallTest, TellsEachAttemptWhatItMayKnow) {
  const PolicySet set = Set({EverySecond(3), AttemptTimeout(absl::Seconds(2))});
  std::vector<std::string> seen;
  EXPECT_THAT(
      Call({.timeout = absl::Seconds(4), .idempotent = true}, set,
           [&](const Attempt& attempt) {
             seen.push_back(absl::StrCat(attempt.number(), " ", static_cast<int>(attempt.kind()),
                                         " ", testing::FormatSeconds(attempt.remaining())));
             return Down();
           }),
      StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(seen, ElementsAre("1 0 2s", "2 1 2s", "3 1 2s"));
}

TEST_F(CallTest, TheEarlierOfTwoDeadlinesHolds) {
  const PolicySet none;
  const auto remaining = [&](const CallOptions& options) {
    absl::Duration left;
    (void)Call(options, none, [&](const Attempt& attempt) {
      left = attempt.remaining();
      return absl::OkStatus();
    });
    return left;
  };
  const Instant now = runtime_.Now();
  EXPECT_EQ(remaining({}), absl::Seconds(10));
  EXPECT_EQ(remaining({.timeout = absl::InfiniteDuration()}), absl::InfiniteDuration());
  EXPECT_EQ(remaining({.timeout = absl::Seconds(5), .deadline = Deadline(now + absl::Seconds(3))}),
            absl::Seconds(3));
  EXPECT_EQ(remaining({.timeout = absl::Seconds(5), .deadline = Deadline(now + absl::Seconds(9))}),
            absl::Seconds(5));
}

TEST_F(CallTest, RefusesANegativeTimeout) {
  EXPECT_THAT(Call({.timeout = -absl::Seconds(1)}, PolicySet(), Down),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "CallOptions.timeout is -1s; it must not be negative"));
}

TEST_F(CallTest, AnExpiredDeadlineRunsNothing) {
  int runs = 0;
  const auto run = [&] {
    ++runs;
    return absl::OkStatus();
  };
  for (const CallOptions& options :
       {CallOptions{.deadline = Deadline::Past()}, CallOptions{.timeout = absl::ZeroDuration()}}) {
    const absl::Status status = Call(options, PolicySet(), run);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
  }
  EXPECT_EQ(runs, 0);
}

// What is there isn't thrown away.
TEST_F(CallTest, ASuccessThatComesLateIsStillDelivered) {
  EXPECT_THAT(Call({.timeout = absl::Seconds(1)}, PolicySet(),
                   [&] {
                     runtime_.Advance(absl::Seconds(5));
                     return absl::StatusOr<int>(7);
                   }),
              IsOkAndHolds(7));
}

TEST_F(CallTest, AFailureThatComesLateIsTheDeadlines) {
  const absl::Status status = Call({.timeout = absl::Seconds(1)}, Set({EverySecond(3)}), [&] {
    runtime_.Advance(absl::Seconds(5));
    return Down();
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("down")));
  EXPECT_EQ(FailureOf(status)->attempts.size(), 1u);
}

TEST_F(CallTest, ItsErrorTellsTheWholeStory) {
  const absl::Status status =
      Call({.operation = "fetch", .timeout = absl::Seconds(30), .idempotent = true},
           Set({EverySecond(2)}), [&] {
             runtime_.Advance(absl::Milliseconds(250));
             return Down();
           });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "fetch: down; attempts exhausted"));
  const auto failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->why, Reason::kExhausted);
  EXPECT_EQ(failure->elapsed, absl::Milliseconds(1500));
  EXPECT_EQ(failure->sent, Sent::kMaybe);
  ASSERT_EQ(failure->attempts.size(), 2u);
  EXPECT_EQ(failure->attempts[1].number, 2);
  EXPECT_EQ(failure->attempts[1].kind, AttemptKind::kRetry);
  EXPECT_EQ(failure->attempts[1].started, absl::Milliseconds(1250));
  EXPECT_EQ(failure->attempts[1].elapsed, absl::Milliseconds(250));
  EXPECT_EQ(failure->attempts[1].detail, "down");
}

// A function may have done anything before it failed, whatever the failure that it passes on says of itself.
TEST_F(CallTest, SomebodyElsesFailureProvesNothing) {
  const PolicySet set = Set({EverySecond(3)});
  const absl::Status not_sent = WithFailure(Down(), Failure{.sent = Sent::kNo});
  int runs = 0;
  const auto status = Call({}, set, [&] {
    ++runs;
    return not_sent;
  });
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(FailureOf(status)->why, Reason::kUnsafe);
  runs = 0;
  (void)Call({}, set, [&] {
    ++runs;
    return NotSent(Down());
  });
  EXPECT_EQ(runs, 3);
  // A call's own declaration doesn't outlive it.
  runs = 0;
  (void)Call({}, set, [&] {
    ++runs;
    return Call({}, PolicySet(), [] { return NotSent(Down()); });
  });
  EXPECT_EQ(runs, 1);
}

TEST_F(CallTest, AStopEndsThePauseAtOnce) {
  std::stop_source stop;
  runtime_.After(absl::Milliseconds(1500), [&] { stop.request_stop(); });
  const absl::Status status =
      Call({.idempotent = true, .stop = stop.get_token()}, Set({EverySecond(5)}), Down);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(runtime_.elapsed(), absl::Milliseconds(1500));
  EXPECT_EQ(FailureOf(status)->attempts.size(), 2u);
}

TEST_F(CallTest, AStopBeforeTheCallRunsNothing) {
  std::stop_source stop;
  stop.request_stop();
  int runs = 0;
  EXPECT_THAT(Call({.stop = stop.get_token()}, PolicySet(),
                   [&] {
                     ++runs;
                     return absl::OkStatus();
                   }),
              StatusIs(absl::StatusCode::kCancelled, "call was not attempted: stop was requested"));
  EXPECT_EQ(runs, 0);
}

TEST_F(CallTest, APersonIsAskedAndMayGiveUp) {
  std::vector<int> asked;
  const PolicySet set = Set({EverySecond(5), AskUser([&](const CallEvent& question) {
                               asked.push_back(question.attempt);
                               EXPECT_EQ(question.status->message(), "down");
                               return asked.size() < 2 ? Answer::kRetry : Answer::kGiveUp;
                             })});
  const absl::Status status = Call({.idempotent = true}, set, Down);
  EXPECT_THAT(asked, ElementsAre(1, 2));
  EXPECT_EQ(FailureOf(status)->why, Reason::kGaveUp);
  EXPECT_EQ(FailureOf(status)->attempts.size(), 2u);
}

TEST_F(CallTest, AnAnswerAfterTheDeadlineComesTooLate) {
  int runs = 0;
  const PolicySet set = Set({AskUser([&](const CallEvent&) {
    runtime_.Advance(absl::Minutes(1));
    return Answer::kRetry;
  })});
  EXPECT_THAT(Call({.timeout = absl::Seconds(5), .idempotent = true}, set,
                   [&] {
                     ++runs;
                     return Down();
                   }),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(runs, 1);
}

TEST_F(CallTest, ObserversSeeEverythingInOrder) {
  std::vector<CallEvent::Type> types;
  int outstanding = -1;
  const PolicySet set = Set({EverySecond(2), Report(ToFunction([&](const CallEvent& event) {
                               types.push_back(event.type);
                               if (event.type == CallEvent::Type::kCallEnded) {
                                 outstanding = event.outstanding;
                               }
                             }))});
  (void)Call({.idempotent = true}, set, Down);
  using Type = CallEvent::Type;
  EXPECT_THAT(types, ElementsAre(Type::kCallStarted, Type::kAttemptStarted, Type::kAttemptEnded,
                                 Type::kWaiting, Type::kAttemptStarted, Type::kAttemptEnded,
                                 Type::kCallEnded));
  EXPECT_EQ(outstanding, 0);
}

TEST_F(CallTest, ACallThatQueuesIsWokenInItsTurn) {
  auto permit = std::make_shared<testing::OnePermit>();
  const PolicySet set = Set({permit});
  permit->TakeAway();
  runtime_.After(absl::Seconds(2), [&] { permit->GiveBack(); });
  EXPECT_THAT(Call({}, set, [] { return absl::OkStatus(); }), IsOk());
  EXPECT_EQ(runtime_.elapsed(), absl::Seconds(2));
  EXPECT_EQ(permit->free(), 1);

  permit->TakeAway();
  const absl::Status status =
      Call({.timeout = absl::Seconds(3)}, set, [] { return absl::OkStatus(); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(FailureOf(status)->reasons.Has(Reason::kQueued));
  EXPECT_EQ(permit->queued(), 0u);
}

#if defined(__cpp_exceptions)
TEST_F(CallTest, AnExceptionPassesThroughAndLeavesNothingBehind) {
  auto permit = std::make_shared<testing::OnePermit>();
  int ended = 0;
  const PolicySet set = Set({permit, Report(ToFunction([&](const CallEvent& event) {
                               if (event.type == CallEvent::Type::kCallEnded) ++ended;
                             }))});
  EXPECT_THROW((void)Call({}, set, []() -> absl::Status { throw 7; }), int);
  EXPECT_EQ(permit->free(), 1);
  EXPECT_EQ(ended, 1);
  EXPECT_THAT(Call({}, set, [] { return absl::OkStatus(); }), IsOk());
}
#endif

// The runtime of these tests has no tasks to give.
TEST_F(CallTest, AHedgeThatFindsNoThreadIsDoneWithout) {
  std::vector<std::string> heard;
  const PolicySet set =
      Set({Hedge({.delay = absl::Milliseconds(10)}), Report(ToFunction([&](const CallEvent& event) {
             if (event.type == CallEvent::Type::kAttemptEnded) {
               heard.push_back(absl::StrCat(event.attempt, " ", event.status->ToString()));
             }
           }))});
  EXPECT_THAT(Call({.idempotent = true}, set,
                   [&] {
                     runtime_.SleepUntil(Deadline::After(runtime_.Now(), absl::Seconds(1)), {});
                     return absl::StatusOr<int>(7);
                   }),
              IsOkAndHolds(7));
  EXPECT_THAT(heard,
              ElementsAre(HasSubstr("2 UNIMPLEMENTED: a VirtualRuntime has one thread"), "1 OK"));
}

}  // namespace
}  // namespace redial
