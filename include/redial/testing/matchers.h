// GoogleMock matchers for what redial returns, and the switch that turns the test kit's complaints
// into failures of the running test. The one header of the kit that needs GoogleTest.
//
//   using redial::testing::FailedIn;
//   using redial::testing::HasAttempts;
//   using redial::testing::IsOkAndHolds;
//   using redial::testing::StatusIs;
//   EXPECT_THAT(Ping(*client), IsOkAndHolds("+PONG\r\n"));
//   EXPECT_THAT(Ping(*client), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("refused")));
//   EXPECT_THAT(Ping(*client), AllOf(FailedIn(redial::Phase::kRead), HasAttempts(3)));
//
// Each takes an `absl::Status` or an `absl::StatusOr<T>`, and tells the story of the one that
// doesn't match.
#ifndef REDIAL_TESTING_MATCHERS_H_
#define REDIAL_TESTING_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/failure.h"
#include "redial/testing/failure_handler.h"

namespace redial::testing {
namespace internal {

inline void AddTestFailure(const TestFailure& failure) {
  GTEST_MESSAGE_AT_(failure.where.file_name(), static_cast<int>(failure.where.line()),
                    failure.sentence.c_str(), ::testing::TestPartResult::kNonFatalFailure);
}
inline const bool kFailuresGoToGoogleTest = [] {
  SetDefaultFailureHandler(&AddTestFailure);
  return true;
}();

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

inline void Explain(const absl::Status& status, ::testing::MatchResultListener* listener) {
  *listener << "whose status is " << status.ToString(absl::StatusToStringMode::kWithNoExtraData);
  if (FailureOf(status)) *listener << "\nwhose story is " << Story(status);
}

template <class Predicate>
bool MatchFailure(const absl::Status& status, const Predicate& matches,
                  ::testing::MatchResultListener* listener) {
  const std::optional<Failure> failure = FailureOf(status);
  if (failure && matches(*failure)) return true;
  if (!failure) *listener << "which carries no redial::Failure, ";
  Explain(status, listener);
  return false;
}

template <class Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <class Result>
  operator ::testing::Matcher<Result>() const {  // NOLINT(google-explicit-constructor)
    return ::testing::Matcher<Result>(new Impl<const Result&>(inner_));
  }

 private:
  template <class Result>
  class Impl : public ::testing::MatcherInterface<Result> {
   public:
    using Value = typename std::remove_cv_t<std::remove_reference_t<Result>>::value_type;

    explicit Impl(const Inner& inner) : inner_(::testing::SafeMatcherCast<const Value&>(inner)) {}

    bool MatchAndExplain(Result result, ::testing::MatchResultListener* listener) const override {
      if (!result.ok()) {
        Explain(result.status(), listener);
        return false;
      }
      *listener << "which holds " << ::testing::PrintToString(*result);
      ::testing::StringMatchResultListener inner;
      const bool matches = inner_.MatchAndExplain(*result, &inner);
      if (!inner.str().empty()) *listener << ", " << inner.str();
      return matches;
    }
    void DescribeTo(std::ostream* os) const override {
      *os << "is OK and holds a value that ";
      inner_.DescribeTo(os);
    }
    void DescribeNegationTo(std::ostream* os) const override {
      *os << "isn't OK, or holds a value that ";
      inner_.DescribeNegationTo(os);
    }

   private:
    const ::testing::Matcher<const Value&> inner_;
  };

  const Inner inner_;
};

}  // namespace internal

MATCHER(IsOk, negation ? "isn't OK" : "is OK") {
  const absl::Status& status = internal::StatusOf(arg);
  if (!status.ok()) internal::Explain(status, result_listener);
  return status.ok();
}

// A StatusOr whose value matches.
template <class Inner>
internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

MATCHER_P(StatusIs, code,
          std::string(negation ? "hasn't the code " : "has the code ") +
              absl::StatusCodeToString(code)) {
  const absl::Status& status = internal::StatusOf(arg);
  const bool matches = status.code() == code;
  if (!matches) internal::Explain(status, result_listener);
  return matches;
}

// `message` is the whole message, or a matcher.
MATCHER_P2(StatusIs, code, message,
           std::string(negation ? "hasn't the code " : "has the code ") +
               absl::StatusCodeToString(code) +
               (negation ? ", or a message that " : " and a message that ") +
               ::testing::DescribeMatcher<std::string>(message, negation)) {
  const absl::Status& status = internal::StatusOf(arg);
  const bool matches =
      status.code() == code && ::testing::Value(std::string(status.message()),
                                                ::testing::SafeMatcherCast<std::string>(message));
  if (!matches) internal::Explain(status, result_listener);
  return matches;
}

// What was being done when it failed.
MATCHER_P(FailedIn, phase,
          std::string(negation ? "didn't fail in the phase " : "failed in the phase ") +
              std::string(PhaseName(phase))) {
  return internal::MatchFailure(
      internal::StatusOf(arg), [&](const Failure& f) { return f.phase == phase; }, result_listener);
}

// Whether the peer may have acted.
MATCHER_P(WasSent, sent,
          std::string(negation ? "isn't told as \"" : "is told as \"") +
              std::string(SentName(sent)) + "\"") {
  return internal::MatchFailure(
      internal::StatusOf(arg), [&](const Failure& f) { return f.sent == sent; }, result_listener);
}

MATCHER_P(HasErrno, error,
          std::string(negation ? "hasn't the errno " : "has the errno ") + ErrnoName(error)) {
  return internal::MatchFailure(
      internal::StatusOf(arg), [&](const Failure& f) { return f.error == error; }, result_listener);
}

// How many attempts a failed call made: a number, or a matcher.
MATCHER_P(HasAttempts, count,
          std::string(negation ? "hasn't a number of attempts that "
                               : "has a number of attempts that ") +
              ::testing::DescribeMatcher<size_t>(count)) {
  return internal::MatchFailure(
      internal::StatusOf(arg),
      [&](const Failure& f) {
        return ::testing::Value(f.attempts.size(), ::testing::SafeMatcherCast<size_t>(count));
      },
      result_listener);
}

// The sentence that a user would read (`redial::Story`): the whole of it, or a matcher.
MATCHER_P(StoryIs, story,
          std::string(negation ? "hasn't a story that " : "has a story that ") +
              ::testing::DescribeMatcher<std::string>(story)) {
  const std::string told = Story(internal::StatusOf(arg));
  if (::testing::Value(told, ::testing::SafeMatcherCast<std::string>(story))) return true;
  *result_listener << "whose story is " << told;
  return false;
}

}  // namespace redial::testing

#endif  // REDIAL_TESTING_MATCHERS_H_
