#include "redial/fallback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "absl/strings/cord.h"
#include "redial/call.h"
#include "redial/failure.h"
#include "redial/policies/report.h"
#include "redial/testing/matchers.h"
#include "redial/testing/virtual_runtime.h"

namespace redial {
namespace {

using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::StatusIs;
using testing::VirtualRuntime;

absl::Status Refused() {
  return WithFailure(absl::UnavailableError("connect: connection refused"),
                     {.phase = Phase::kConnect, .error = ECONNREFUSED, .sent = Sent::kNo});
}
absl::StatusOr<std::string> Fails() { return Refused(); }
absl::StatusOr<std::string> Succeeds() { return "fresh"; }

// A failed call, with its story.
absl::StatusOr<std::string> FailedCall() { return Call({.operation = "GET"}, PolicySet(), Fails); }

TEST(FallbackTest, AValueStandsInForAFailure) {
  EXPECT_THAT(WithFallback(Fails(), "stale"), IsOkAndHolds("stale"));
  EXPECT_THAT(WithFallback(Succeeds(), "stale"), IsOkAndHolds("fresh"));
  EXPECT_THAT(WithFallback(Fails(), std::string("stale")), IsOkAndHolds("stale"));
  const absl::StatusOr<int> failed = Refused();
  EXPECT_THAT(WithFallback(failed, 7), IsOkAndHolds(7));
}

TEST(FallbackTest, AFunctionIsToldWhy) {
  VirtualRuntime runtime;
  std::string story;
  const auto result = WithFallback(FailedCall(), [&](const absl::Status& why) {
    story = Story(why);
    return std::string("stale");
  });
  EXPECT_THAT(result, IsOkAndHolds("stale"));
  EXPECT_THAT(story, HasSubstr("GET failed in 0 ms: connection refused after 0 ms"));
}

TEST(FallbackTest, TakesFunctionsOfEachKind) {
  EXPECT_THAT(WithFallback(Fails(), [] { return "stale"; }), IsOkAndHolds("stale"));
  EXPECT_THAT(WithFallback(Fails(), []() -> absl::StatusOr<std::string> { return "stale"; }),
              IsOkAndHolds("stale"));
  EXPECT_THAT(
      WithFallback(Fails(), [](const absl::Status&) { return absl::NotFoundError("none"); }),
      StatusIs(absl::StatusCode::kNotFound));
  const std::function<std::string(const absl::Status&)> kept = [](const absl::Status&) {
    return "kept";
  };
  EXPECT_THAT(WithFallback(Fails(), kept), IsOkAndHolds("kept"));
}

// A lambda without captures is a function pointer, and that is a bool: it must still be called.
TEST(FallbackTest, WhatCanBeCalledIsCalled) {
  const absl::StatusOr<bool> failed = Refused();
  EXPECT_THAT(WithFallback(failed, [] { return false; }), IsOkAndHolds(false));
}

TEST(FallbackTest, IsNeverCalledForASuccess) {
  int asked = 0;
  const auto otherwise = [&]() -> std::string {
    ++asked;
    return "stale";
  };
  const Predicate always = Predicate([&](const Outcome&) {
    ++asked;
    return true;
  });
  EXPECT_THAT(WithFallback(Succeeds(), otherwise), IsOkAndHolds("fresh"));
  EXPECT_THAT(WithFallback(Succeeds(), always, otherwise), IsOkAndHolds("fresh"));
  const auto fail = [&] {
    ++asked;
    return absl::UnknownError("");
  };
  EXPECT_EQ(WithFallback(absl::OkStatus(), fail), absl::OkStatus());
  EXPECT_EQ(WithFallback(absl::OkStatus(), always, fail), absl::OkStatus());
  EXPECT_EQ(asked, 0);
}

TEST(FallbackTest, IsCalledOnce) {
  int calls = 0;
  const absl::StatusOr<std::string> result =
      WithFallback(Fails(), [&]() -> absl::StatusOr<std::string> {
        ++calls;
        return absl::UnavailableError("down as well");
      });
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(calls, 1);
}

TEST(FallbackTest, MovesWhatCantBeCopied) {
  absl::StatusOr<std::unique_ptr<int>> fresh = std::make_unique<int>(1);
  EXPECT_EQ(**WithFallback(std::move(fresh), nullptr), 1);
  absl::StatusOr<std::unique_ptr<int>> failed = Refused();
  EXPECT_EQ(**WithFallback(std::move(failed), [] { return std::make_unique<int>(2); }), 2);
}

TEST(FallbackTest, OnlyForFailuresThatMatch) {
  EXPECT_THAT(WithFallback(Fails(), OnErrno(ECONNREFUSED), "stale"), IsOkAndHolds("stale"));
  EXPECT_THAT(WithFallback(Fails(), OnPhase(Phase::kConnect), "stale"), IsOkAndHolds("stale"));
  EXPECT_THAT(WithFallback(Fails(), OnCode(absl::StatusCode::kUnavailable), "stale"),
              IsOkAndHolds("stale"));
  EXPECT_THAT(WithFallback(Fails(), OnStatus([](const absl::Status& status) {
                             return FailureOf(status)->sent == Sent::kNo;
                           }),
                           "stale"),
              IsOkAndHolds("stale"));
  EXPECT_THAT(WithFallback(Fails(), OnAnyFailure(), "stale"), IsOkAndHolds("stale"));

  for (const Predicate& other :
       {OnErrno(ECONNRESET), OnPhase(Phase::kRead), OnCode(absl::StatusCode::kNotFound),
        !OnErrno(ECONNREFUSED), OnResult<std::string>([](const std::string&) { return true; }),
        Predicate()}) {
    EXPECT_EQ(WithFallback(Fails(), other, "stale").status(), Refused());
    EXPECT_EQ(WithFallback(Refused(), other, [] { return absl::OkStatus(); }), Refused());
  }
}

TEST(FallbackTest, ACallThatWasStoppedNeedsNone) {
  const absl::StatusOr<std::string> stopped = absl::CancelledError("stop was requested");
  EXPECT_EQ(WithFallback(stopped, "stale").status(), stopped.status());
  EXPECT_THAT(WithFallback(stopped, OnCode(absl::StatusCode::kCancelled), "stale"),
              IsOkAndHolds("stale"));
}

TEST(FallbackTest, CallsWithoutAValue) {
  EXPECT_EQ(WithFallback(Refused(), [] { return absl::OkStatus(); }), absl::OkStatus());
  EXPECT_EQ(WithFallback(Refused(), OnErrno(ECONNREFUSED),
                         [](const absl::Status& why) {
                           EXPECT_EQ(why, Refused());
                           return absl::OkStatus();
                         }),
            absl::OkStatus());
}

TEST(FallbackTest, AFailingFunctionKeepsTheStory) {
  VirtualRuntime runtime;
  const absl::StatusOr<std::string> failed = FailedCall();
  const absl::Status status =
      WithFallback(failed, [] { return absl::NotFoundError("not in the cache"); }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(status.message()),
            "not in the cache (a fallback for: GET: connect: connection refused; it may have been "
            "executed and is not idempotent)");
  EXPECT_EQ(Story(status), Story(failed.status()));
  EXPECT_EQ(FailureOf(status), FailureOf(failed.status()));
}

TEST(FallbackTest, TheStoryIsThatOfTheCallAlsoIfTheFallbackIsOne) {
  VirtualRuntime runtime;
  const absl::StatusOr<std::string> failed = FailedCall();
  const absl::Status status = WithFallback(failed, [] {
                                return Call({.operation = "GET from the replica"}, PolicySet(), [] {
                                  return absl::StatusOr<std::string>(absl::DataLossError("torn"));
                                });
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("GET from the replica: torn"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("connection refused"));
  EXPECT_EQ(Story(status), Story(failed.status()));
}

TEST(FallbackTest, KeepsPayloadsOfOthers) {
  const absl::Status status = WithFallback(Refused(), [] {
    absl::Status own = absl::InternalError("own");
    own.SetPayload("type.googleapis.com/other", absl::Cord("payload"));
    return own;
  });
  EXPECT_TRUE(status.GetPayload("type.googleapis.com/other").has_value());
  EXPECT_EQ(FailureOf(status)->error, ECONNREFUSED);
}

TEST(FallbackTest, AFunctionMayDecline) {
  EXPECT_EQ(WithFallback(Fails(), [](const absl::Status& why) { return why; }).status(), Refused());
}

TEST(FallbackTest, ObserversHaveHeardTheFailure) {
  VirtualRuntime runtime;
  absl::Status heard;
  const auto set = PolicySet::Create({Report(ToFunction([&](const CallEvent& event) {
    if (event.type == CallEvent::Type::kCallEnded) heard = *event.status;
  }))});
  EXPECT_THAT(WithFallback(Call({.operation = "GET"}, *set, Fails), "stale"),
              IsOkAndHolds("stale"));
  EXPECT_EQ(heard.code(), absl::StatusCode::kUnavailable);
}

#if defined(__cpp_exceptions)
TEST(FallbackTest, ExceptionsPassThrough) {
  EXPECT_THROW(
      (void)WithFallback(Fails(), []() -> std::string { throw std::runtime_error("thrown"); }),
      std::runtime_error);
}
#endif

}  // namespace
}  // namespace redial
