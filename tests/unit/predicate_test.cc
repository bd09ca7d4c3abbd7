#include "redial/policies/predicate.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "tests/support/policy_view.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::Returned;

struct Reply {
  int status = 200;
};
Predicate OnStatusCode(int status) {
  return OnResult<Reply>([status](const Reply& reply) { return reply.status == status; });
}

TEST(PredicateTest, LooksAtCodeErrnoAndPhase) {
  Outcome refused = FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED);
  refused.phase = Phase::kConnect;
  EXPECT_TRUE(OnCode(absl::StatusCode::kUnavailable)(refused));
  EXPECT_FALSE(OnCode(absl::StatusCode::kNotFound)(refused));
  EXPECT_TRUE(OnErrno(ECONNREFUSED)(refused));
  EXPECT_FALSE(OnErrno(EPIPE)(refused));
  EXPECT_TRUE(OnPhase(Phase::kConnect)(refused));
  EXPECT_FALSE(OnPhase(Phase::kRead)(refused));
  EXPECT_TRUE(OnAnyFailure()(refused));
}

TEST(PredicateTest, LooksAtTheStatusOfAFailure) {
  const absl::Status status = absl::UnavailableError("LOADING");
  Outcome outcome = FailedWith(status.code());
  outcome.status = &status;
  const Predicate loading =
      OnStatus([](const absl::Status& s) { return s.message() == "LOADING"; });
  EXPECT_TRUE(loading(outcome));
  outcome.status = nullptr;  // abandoned
  EXPECT_FALSE(loading(outcome));
}

TEST(PredicateTest, LooksAtValuesOfItsOwnTypeAlone) {
  const Reply busy{503};
  const Reply fine{200};
  const std::string text = "503";
  EXPECT_TRUE(OnStatusCode(503)(Returned(busy)));
  EXPECT_FALSE(OnStatusCode(503)(Returned(fine)));
  EXPECT_FALSE(OnStatusCode(503)(Returned(text)));
  EXPECT_FALSE(OnStatusCode(503)(FailedWith(absl::StatusCode::kUnavailable)));
}

TEST(PredicateTest, SaysWhatItLooksFor) {
  const Predicate busy = OnCode(absl::StatusCode::kUnavailable);
  const Predicate broken = OnErrno(EPIPE) || OnPhase(Phase::kConnect);
  EXPECT_EQ(Predicate().ToString(), "nothing");
  for (const Predicate& empty : {!Predicate(), Predicate() && busy, busy && Predicate()}) {
    EXPECT_EQ(empty.ToString(), "nothing");
  }
  EXPECT_EQ((Predicate() || busy).ToString(), "UNAVAILABLE");
  EXPECT_EQ((busy || Predicate()).ToString(), "UNAVAILABLE");
  EXPECT_EQ(busy.ToString(), "UNAVAILABLE");
  EXPECT_EQ((busy || broken).ToString(), "UNAVAILABLE or EPIPE or failures in phase connect");
  EXPECT_EQ((busy && broken).ToString(), "UNAVAILABLE and (EPIPE or failures in phase connect)");
  EXPECT_EQ((!(busy && !OnAnyFailure())).ToString(), "not (UNAVAILABLE and not any failure)");
  EXPECT_EQ((!broken || OnStatusCode(503)).ToString(),
            "not (EPIPE or failures in phase connect) or a value that a function matches");
  EXPECT_EQ(OnStatus([](const absl::Status&) { return true; }).ToString(),
            "a status that a function matches");
  EXPECT_EQ(Predicate([](const Outcome&) { return true; }).ToString(),
            "failures that a function matches");
}

TEST(PredicateTest, SaysWhetherItLooksAtValues) {
  EXPECT_TRUE(OnStatusCode(503).examines());
  EXPECT_TRUE((!OnStatusCode(503)).examines());
  EXPECT_TRUE((OnErrno(EPIPE) || OnStatusCode(503)).examines());
  EXPECT_FALSE((OnErrno(EPIPE) && OnStatusCode(503)).examines());
  EXPECT_FALSE(OnErrno(EPIPE).examines());
  EXPECT_FALSE(Predicate().examines());
}

// Otherwise "not refused" would make a failure of everything that came back well.
TEST(PredicateTest, NegationOfAFailureIsAnotherFailure) {
  const Reply fine{200};
  const Predicate others = !OnErrno(ECONNREFUSED);
  EXPECT_FALSE(others(FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED)));
  EXPECT_TRUE(others(FailedWith(absl::StatusCode::kUnavailable, EPIPE)));
  EXPECT_FALSE(others(Returned(fine)));
  EXPECT_FALSE((others || OnStatusCode(503))(Returned(fine)));
  EXPECT_FALSE((!OnAnyFailure())(Returned(fine)));
}

TEST(PredicateTest, NegationOfAValueIsAnotherValue) {
  const Reply busy{503};
  const Reply fine{200};
  const Predicate bad = !OnStatusCode(200);
  EXPECT_TRUE(bad(Returned(busy)));
  EXPECT_FALSE(bad(Returned(fine)));
  EXPECT_FALSE(bad(FailedWith(absl::StatusCode::kUnavailable)));
}

TEST(PredicateTest, Combines) {
  const Outcome refused = FailedWith(absl::StatusCode::kUnavailable, ECONNREFUSED);
  const Predicate unavailable = OnCode(absl::StatusCode::kUnavailable);
  EXPECT_TRUE((unavailable && OnErrno(ECONNREFUSED))(refused));
  EXPECT_FALSE((unavailable && OnErrno(EPIPE))(refused));
  EXPECT_FALSE((OnErrno(EPIPE) && unavailable)(refused));
  EXPECT_TRUE((OnErrno(EPIPE) || unavailable)(refused));
  EXPECT_TRUE((unavailable || OnErrno(EPIPE))(refused));
  EXPECT_TRUE((!(unavailable && OnErrno(EPIPE)))(refused));
  const Reply busy{503};
  EXPECT_TRUE((unavailable || OnStatusCode(503))(Returned(busy)));
  EXPECT_FALSE((unavailable && OnStatusCode(503))(Returned(busy)));
  EXPECT_FALSE((!(unavailable && OnStatusCode(503)))(Returned(busy)));
}

TEST(PredicateTest, AValueThatCountsAsAFailureIsOneToOnAnyFailure) {
  const Reply busy{503};
  Outcome outcome = Returned(busy);
  EXPECT_FALSE(OnAnyFailure()(outcome));
  outcome.failed_result = true;
  EXPECT_TRUE(OnAnyFailure()(outcome));
  EXPECT_FALSE((!OnAnyFailure())(outcome));
}

TEST(PredicateTest, MadeOfNothingIsEmptyAndMatchesNothing) {
  const Outcome failed = FailedWith(absl::StatusCode::kUnavailable);
  EXPECT_FALSE(Predicate());
  EXPECT_FALSE(Predicate(std::function<bool(const Outcome&)>()));
  EXPECT_FALSE(OnStatus(nullptr));
  EXPECT_FALSE(OnResult<Reply>(nullptr));
  EXPECT_TRUE(OnAnyFailure());
  EXPECT_FALSE(Predicate()(failed));
  EXPECT_FALSE((!Predicate())(failed));
  EXPECT_TRUE((Predicate() || OnAnyFailure())(failed));
  EXPECT_FALSE((Predicate() && OnAnyFailure())(failed));
}

}  // namespace
}  // namespace redial
