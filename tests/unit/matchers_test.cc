#include "redial/testing/matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <source_location>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/failure.h"
#include "redial/testing/failure_handler.h"

namespace redial::testing {
namespace {

using ::testing::AllOf;
using ::testing::DescribeMatcher;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;
using ::testing::StartsWith;
using ::testing::StringMatchResultListener;

absl::Status Refused() {
  return WithFailure(absl::UnavailableError("connect: connection refused (ECONNREFUSED)"),
                     {.phase = Phase::kConnect,
                      .error = ECONNREFUSED,
                      .sent = Sent::kNo,
                      .attempts = {{.number = 1}, {.number = 2}}});
}

template <class T, class M>
std::string Explanation(const T& value, const M& matcher) {
  StringMatchResultListener listener;
  EXPECT_FALSE(::testing::ExplainMatchResult(matcher, value, &listener));
  return listener.str();
}

TEST(Matchers, IsOkTakesBothTypes) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::StatusOr<int>(3), IsOk());
  EXPECT_THAT(Refused(), Not(IsOk()));
  EXPECT_EQ(Explanation(absl::NotFoundError("gone"), IsOk()), "whose status is NOT_FOUND: gone");
}

TEST(Matchers, IsOkAndHoldsTakesAValueOrAMatcher) {
  EXPECT_THAT(absl::StatusOr<std::string>("+PONG\r\n"), IsOkAndHolds("+PONG\r\n"));
  EXPECT_THAT(absl::StatusOr<std::string>("+PONG\r\n"), IsOkAndHolds(StartsWith("+")));
  EXPECT_THAT(absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(3)),
              IsOkAndHolds(Pointee(3)));
  EXPECT_THAT(absl::StatusOr<int>(3), Not(IsOkAndHolds(4)));
  EXPECT_THAT(absl::StatusOr<int>(Refused()), Not(IsOkAndHolds(4)));
}

TEST(Matchers, IsOkAndHoldsSaysWhatItFound) {
  EXPECT_EQ(Explanation(absl::StatusOr<int>(3), IsOkAndHolds(4)), "which holds 3");
  EXPECT_EQ(Explanation(absl::StatusOr<int>(absl::NotFoundError("gone")), IsOkAndHolds(4)),
            "whose status is NOT_FOUND: gone");
  EXPECT_EQ(DescribeMatcher<absl::StatusOr<int>>(IsOkAndHolds(4)),
            "is OK and holds a value that is equal to 4");
}

TEST(Matchers, StatusIsTakesACodeAndAMessage) {
  EXPECT_THAT(Refused(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Refused(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("refused")));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("gone")),
              StatusIs(absl::StatusCode::kNotFound, "gone"));
  EXPECT_THAT(Refused(), Not(StatusIs(absl::StatusCode::kNotFound)));
  EXPECT_THAT(Refused(), Not(StatusIs(absl::StatusCode::kUnavailable, "gone")));
  EXPECT_EQ(DescribeMatcher<absl::Status>(StatusIs(absl::StatusCode::kNotFound, "gone")),
            "has the code NOT_FOUND and a message that is equal to \"gone\"");
}

TEST(Matchers, LookIntoTheFailure) {
  EXPECT_THAT(Refused(), AllOf(FailedIn(Phase::kConnect), WasSent(Sent::kNo), HasAttempts(2),
                               HasErrno(ECONNREFUSED)));
  EXPECT_THAT(Refused(), HasAttempts(Ge(1u)));
  EXPECT_THAT(absl::StatusOr<int>(Refused()), FailedIn(Phase::kConnect));
  EXPECT_THAT(Refused(), Not(FailedIn(Phase::kRead)));
  EXPECT_THAT(Refused(), Not(WasSent(Sent::kMaybe)));
  EXPECT_THAT(Refused(), Not(HasAttempts(1)));
  EXPECT_THAT(Refused(), Not(HasErrno(0)));
}

TEST(Matchers, SayWhereThereIsNoFailure) {
  EXPECT_EQ(Explanation(absl::InternalError("oops"), HasErrno(EPIPE)),
            "which carries no redial::Failure, whose status is INTERNAL: oops");
}

TEST(Matchers, TellTheStoryOfWhatDoesNotMatch) {
  EXPECT_EQ(Explanation(Refused(), IsOk()),
            "whose status is UNAVAILABLE: connect: connection refused (ECONNREFUSED)\n"
            "whose story is " +
                Story(Refused()));
  EXPECT_THAT(Refused(), StoryIs(Story(Refused())));
  EXPECT_EQ(Explanation(Refused(), StoryIs("OK")), "whose story is " + Story(Refused()));
}

TEST(Matchers, RouteTheKitsFailuresToTheRunningTest) {
  ::testing::TestPartResultArray results;
  const auto where = std::source_location::current();
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(&results);
    Fail({}, {"something is wrong", where});
  }
  ASSERT_EQ(results.size(), 1);
  EXPECT_TRUE(results.GetTestPartResult(0).nonfatally_failed());
  EXPECT_STREQ(results.GetTestPartResult(0).message(), "something is wrong");
  EXPECT_STREQ(results.GetTestPartResult(0).file_name(), where.file_name());
  EXPECT_EQ(results.GetTestPartResult(0).line_number(), static_cast<int>(where.line()));
}

}  // namespace
}  // namespace redial::testing
