// Exceptions of what a call runs while it is served in an attempt's own wait: none of them travels
// through the user's operation.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/call.h"
#include "redial/call_event.h"
#include "redial/conclusion.h"
#include "redial/fault.h"
#include "redial/policies/report.h"
#include "redial/policy.h"
#include "redial/policy_set.h"
#include "redial/verdict.h"
#include "redial/view.h"
#include "tests/conformance/hedging_body.h"

namespace redial::conformance {
namespace {

#if defined(__cpp_exceptions)
struct Thrown {};

// Throws where it is asked about a hedge, or is told of one, and from then on of all else.
class Thrower final : public Policy {
 public:
  enum From { kJudge, kReserve, kPropose, kIsFailure, kDisrupt, kObserve, kAll };

  explicit Thrower(int from)
      : Policy({.name = "Thrower",
                .capabilities = kJudgesAgain | kReserves | kSettles | kProposes | kExamines |
                                kDisrupts | kObserves | kConcludes}),
        from_(from) {}
  Verdict Judge(const View& view) const override { return At(kJudge, view.kind, Verdict::Admit()); }
  Verdict Reserve(const View& view, Token&, Ticket*) override {
    At(kReserve, view.kind, 0);
    ++held_;
    return Verdict::Admit();
  }
  void Void(Token, Ticket*) override { --held_; }
  void Settle(Token, const Outcome&) override { --held_; }
  Proposal Propose(const View& view) const override { return At(kPropose, view.kind, Proposal()); }
  bool IsFailure(const Outcome& outcome) const override {
    return At(kIsFailure, outcome.kind, false);
  }
  Fault Disrupt(const View& view) const override { return At(kDisrupt, view.kind, Fault()); }
  void Observe(const CallEvent& event) const override {
    if (event.type == CallEvent::Type::kAttemptStarted || thrown_) At(kObserve, event.kind, 0);
  }
  void Conclude(const Conclusion& end) override { codes_.push_back(end.code); }

  int held() const { return held_; }
  const std::vector<absl::StatusCode>& codes() const { return codes_; }

 private:
  template <class T>
  T At(From from, AttemptKind kind, T otherwise) const {
    if (from != from_ || (kind != AttemptKind::kHedge && !thrown_)) return otherwise;
    thrown_ = true;
    throw Thrown();
  }

  const int from_;
  mutable bool thrown_ = false;
  int held_ = 0;
  std::vector<absl::StatusCode> codes_;
};
#endif

class HedgingExceptions : public Hedging {
 protected:
#if defined(__cpp_exceptions)
  // Counts the calls that it is told are over.
  static PolicyPtr CountEnds(int& ends) {
    return Report(ToFunction([&ends](const CallEvent& event) {
      if (event.type != CallEvent::Type::kCallEnded) return;
      ++ends;
      EXPECT_EQ(event.outstanding, 0);
    }));
  }
  // As `Hang`; nothing may come through.
  static absl::Status HangUnharmed(const Attempt& attempt) {
    try {
      return Hang(attempt);
    } catch (...) {
      ADD_FAILURE() << "an exception came through the operation";
      throw;
    }
  }
#endif
};

// Source: include/redial/policy.h: an exception of a policy's ends the call and gives everything back.
CONFORM(HedgingExceptions, WhatAPolicyThrowsGoesPastTheOperation) {
#if defined(__cpp_exceptions)
  for (int from = 0; from < Thrower::kAll; ++from) {
    const auto thrower = std::make_shared<Thrower>(from);
    int ends = 0;
    bool told = false;
    EXPECT_THROW(static_cast<void>(Call(Idempotent(), Set({Soon(), thrower, CountEnds(ends)}),
                                        [&](const Attempt& attempt) -> absl::StatusOr<int> {
                                          if (attempt.number() > 1) return 2;
                                          absl::Status ended = HangUnharmed(attempt);
                                          told = ended.code() == kCancelled;
                                          return ended;
                                        })),
                 Thrown);
    EXPECT_TRUE(told) << from;
    EXPECT_EQ(thrower->held(), 0) << from;
    EXPECT_EQ(thrower->codes(), std::vector{absl::StatusCode::kUnknown}) << from;
    EXPECT_EQ(ends, 1) << from;
  }
#endif
}

// Source: include/redial/call.h: calls within calls.
CONFORM(HedgingExceptions, WhatTheOuterCallsPolicyThrowsGoesPastTheInnerCall) {
#if defined(__cpp_exceptions)
  for (int from = 0; from < Thrower::kAll; ++from) {
    const auto thrower = std::make_shared<Thrower>(from);
    int inner_ends = 0;
    int outer_ends = 0;
    absl::Status inner;
    std::atomic<int> told = 0;
    const PolicySet inner_set = Set({Soon(), CountEnds(inner_ends)});
    EXPECT_THROW(
        static_cast<void>(Call(
            Idempotent(),
            Set({Hedge({.delay = 3 * kDelay, .max_ratio = 1}), thrower, CountEnds(outer_ends)}),
            [&](const Attempt& attempt) -> absl::StatusOr<int> {
              if (attempt.number() > 1) return 2;
              inner = Call(Idempotent(), inner_set, [&](const Attempt& each) {
                absl::Status ended = HangUnharmed(each);
                told += ended.code() == kCancelled ? 1 : 0;
                return ended;
              });
              return inner;
            })),
        Thrown);
    EXPECT_EQ(inner.code(), kCancelled) << from << inner;
    EXPECT_EQ(told, 2) << from;
    EXPECT_EQ(thrower->held(), 0) << from;
    EXPECT_EQ(inner_ends, 1) << from;
    EXPECT_EQ(outer_ends, 1) << from;
  }
#endif
}

// Source: include/redial/call.h: an exception leaves the call that it belongs to.
CONFORM(HedgingExceptions, WhatTheInnerCallsPolicyThrowsIsTheOperationsToCatch) {
#if defined(__cpp_exceptions)
  const auto thrower = std::make_shared<Thrower>(Thrower::kJudge);
  int ends = 0;
  const PolicySet inner_set = Set({Soon(), thrower});
  const absl::StatusOr<int> outer =
      Call(Idempotent(), Set({Hedge({.delay = kHang}), CountEnds(ends)}),
           [&](const Attempt&) -> absl::StatusOr<int> {
             try {
               return Call(Idempotent(), inner_set, HangUnharmed).ok() ? 0 : 1;
             } catch (const Thrown&) {
               return 7;
             }
           });
  EXPECT_EQ(outer.value_or(0), 7);
  EXPECT_EQ(thrower->held(), 0);
  EXPECT_EQ(ends, 1);
#endif
}

// Source: docs/architecture.md, law 7: given back also when an exception passes through.
CONFORM(HedgingExceptions, TheFirstOfTwoIsTheOneThatLeavesTheCall) {
#if defined(__cpp_exceptions)
  struct Second {};
  const auto thrower = std::make_shared<Thrower>(Thrower::kReserve);
  EXPECT_THROW(static_cast<void>(Call(Idempotent(), Set({Soon(), thrower}),
                                      [&](const Attempt& attempt) -> absl::Status {
                                        EXPECT_EQ(HangUnharmed(attempt).code(), kCancelled);
                                        throw Second();
                                      })),
               Thrown);
  EXPECT_EQ(thrower->held(), 0);
#endif
}

// Source: docs/architecture.md, law 7: given back also when an exception passes through.
CONFORM(HedgingExceptions, HedgesInFlightAreJoinedBeforeTheExceptionLeaves) {
#if defined(__cpp_exceptions)
  struct Throws final : Policy {
    Throws() : Policy({.name = "Throws", .capabilities = kExamines}) {}
    bool IsFailure(const Outcome&) const override { throw Thrown(); }
  };
  std::atomic<int> told = 0;
  const PolicyPtr hedge = Soon(2);
  for (int i = 0; i < 3; ++i) {  // which leaves hedges for later
    EXPECT_EQ(Call(Idempotent(), Set({hedge}), [] { return absl::OkStatus(); }), absl::OkStatus());
  }
  EXPECT_THROW(static_cast<void>(Call(Idempotent(), Set({hedge, std::make_shared<Throws>()}),
                                      [&](const Attempt& attempt) -> absl::Status {
                                        if (attempt.number() == 3) {
                                          Sleep(kDelay);
                                          return absl::OkStatus();
                                        }
                                        absl::Status ended = HangUnharmed(attempt);
                                        told += ended.code() == kCancelled ? 1 : 0;
                                        return ended;
                                      })),
               Thrown);
  EXPECT_EQ(told, 2);
#endif
}

// Source: include/redial/call_event.h: every observer hears once that a call is over.
CONFORM(HedgingExceptions, AnObserverThatThrowsTakesNothingFromTheOthers) {
#if defined(__cpp_exceptions)
  for (const CallEvent::Type from :
       {CallEvent::Type::kCallStarted, CallEvent::Type::kAttemptStarted,
        CallEvent::Type::kCallEnded}) {
    const auto throws = [from](const CallEvent& event) {
      if (event.type >= from) throw Thrown();
    };
    int ends[] = {0, 0};
    const PolicySet set = Set({CountEnds(ends[0]), Report(ToFunction(throws)), CountEnds(ends[1])});
    EXPECT_THROW(static_cast<void>(Call(Idempotent(), set, [] { return absl::OkStatus(); })),
                 Thrown);
    EXPECT_EQ(ends[0], 1);
    EXPECT_EQ(ends[1], 1);
  }
#endif
}

}  // namespace
}  // namespace redial::conformance
