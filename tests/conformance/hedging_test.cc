// Hedges: attempts beside the one that runs where the call was made.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/call.h"
#include "redial/client.h"
#include "redial/conclusion.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/hedge.h"
#include "redial/policies/predicate.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/policy.h"
#include "redial/policy_set.h"
#include "redial/reason.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "tests/conformance/hedging_body.h"

namespace redial::conformance {
namespace {

// Source: Finagle BackupRequestFilter; gRFC A6: the first success is the call's result.
CONFORM(Hedging, AHedgeOvertakesWhatHangs) {
  std::atomic<bool> told = false;
  const absl::StatusOr<int> which =
      Call(Idempotent(), Set({Soon()}), [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() > 1) return attempt.number();
        const absl::Status ended = Hang(attempt);
        told = ended.code() == kCancelled;
        return ended;
      });
  EXPECT_EQ(which.value_or(0), 2);
  EXPECT_TRUE(told);
}

// Source: include/redial/policies/hedge.h: the loser is told to end.
CONFORM(Hedging, TheFirstMayStillWin) {
  const Instant began = Now();
  std::atomic<bool> told = false;
  const absl::StatusOr<int> which =
      Call(Idempotent(), Set({Soon()}), [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() == 1) {
          Sleep(3 * kDelay);
          return 1;
        }
        told = Hang(attempt).code() == kCancelled;
        return absl::CancelledError("told to end");
      });
  EXPECT_EQ(which.value_or(0), 1);
  EXPECT_TRUE(told);
  ExpectTook(began, 3 * kDelay);
}

// Source: gRFC A6: no hedge where the answer comes first.
CONFORM(Hedging, WhatIsFastEnoughIsAlone) {
  std::atomic<int> attempts = 0;
  EXPECT_EQ(Call(Idempotent(), Set({Hedge({.delay = kHang})}),
                 [&](const Attempt&) {
                   ++attempts;
                   return absl::OkStatus();
                 }),
            absl::OkStatus());
  EXPECT_EQ(attempts, 1);
}

// Source: gRFC A6: only what is safe to send twice.
CONFORM(Hedging, WhatIsNotIdempotentIsAlone) {
  std::atomic<int> attempts = 0;
  EXPECT_EQ(Call({.timeout = kHang}, Set({Soon()}),
                 [&](const Attempt&) {
                   ++attempts;
                   Sleep(3 * kDelay);
                   return absl::OkStatus();
                 }),
            absl::OkStatus());
  EXPECT_EQ(attempts, 1);
}

// Source: resilience4j, tower and failsafe-go end with the first failure.
CONFORM(Hedging, AFailureDoesNotWin) {
  const absl::StatusOr<int> which =
      Call(Idempotent(), Set({Soon()}), [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() > 1) return absl::UnavailableError("no");
        Sleep(4 * kDelay);
        return 1;
      });
  EXPECT_EQ(which.value_or(0), 1);
}

// Source: docs/architecture.md, law 8: the story tells every attempt.
CONFORM(Hedging, WhenAllFailTheStoryTellsAll) {
  const absl::Status status = Call(Idempotent(), Set({Soon()}), [&](const Attempt& attempt) {
    Sleep(attempt.number() == 1 ? 4 * kDelay : kMoment);
    return absl::UnavailableError(absl::StrCat("no ", attempt.number()));
  });
  ASSERT_TRUE(FailureOf(status).has_value());
  const Failure failure = *FailureOf(status);
  ASSERT_EQ(failure.attempts.size(), 2U);
  EXPECT_EQ(failure.attempts[0].number, 2) << Story(status);
  EXPECT_EQ(failure.attempts[0].kind, AttemptKind::kHedge);
  EXPECT_EQ(failure.attempts[1].number, 1);
  EXPECT_EQ(failure.attempts[1].detail, "no 1");
}

// Source: include/redial/policies/retry.h: a retry follows when nothing is in flight.
CONFORM(Hedging, ARetryFollowsWhenAllFailed) {
  std::atomic<int> attempts = 0;
  const absl::StatusOr<int> which =
      Call(Idempotent(), Set({Soon(), Retry({.max_attempts = 3, .backoff = Constant(kMoment)})}),
           [&](const Attempt& attempt) -> absl::StatusOr<int> {
             ++attempts;
             if (attempt.number() == 3) return 3;
             Sleep(attempt.number() == 1 ? 4 * kDelay : kMoment);
             return absl::UnavailableError("no");
           });
  EXPECT_EQ(which.value_or(0), 3);
  EXPECT_EQ(attempts, 3);
}

// Source: Trio reference, cancellation: a stop ends everything below it.
CONFORM(Hedging, AStopEndsAll) {
  std::stop_source stop;
  std::atomic<int> told = 0;
  CallOptions options = Idempotent();
  options.stop = stop.get_token();
  Task stopper = Go([&] {
    Sleep(4 * kDelay);
    stop.request_stop();
  });
  const absl::Status status = Call(options, Set({Soon(2)}), [&](const Attempt& attempt) {
    absl::Status ended = Hang(attempt);
    told += ended.code() == kCancelled ? 1 : 0;
    return ended;
  });
  EXPECT_EQ(status.code(), kCancelled) << status;
  EXPECT_GE(told, 2);
}

// Source: docs/architecture.md, law 1: one deadline bounds all that a call does.
CONFORM(Hedging, TheDeadlineEndsAll) {
  const Instant began = Now();
  const absl::Status status =
      Call({.timeout = 5 * kDelay, .idempotent = true}, Set({Soon(2)}), Hang);
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
  ExpectTook(began, 5 * kDelay);
}

// Source: docs/architecture.md, law 7: given back also when an exception passes through.
CONFORM(Hedging, AnExceptionInAHedgeComesOutOfTheCall) {
#if defined(__cpp_exceptions)
  struct Thrown {};
  std::atomic<bool> told = false;
  EXPECT_THROW(static_cast<void>(Call(Idempotent(), Set({Soon()}),
                                      [&](const Attempt& attempt) -> absl::Status {
                                        if (attempt.number() > 1) throw Thrown();
                                        absl::Status ended = Hang(attempt);
                                        told = ended.code() == kCancelled;
                                        return ended;
                                      })),
               Thrown);
  EXPECT_TRUE(told);
#endif
}

// Source: docs/architecture.md, law 7: given back also when an exception passes through.
CONFORM(Hedging, AnExceptionInTheFirstEndsItsHedge) {
#if defined(__cpp_exceptions)
  struct Thrown {};
  std::atomic<bool> told = false;
  EXPECT_THROW(static_cast<void>(Call(Idempotent(), Set({Soon()}),
                                      [&](const Attempt& attempt) -> absl::Status {
                                        if (attempt.number() == 1) {
                                          Sleep(3 * kDelay);
                                          throw Thrown();
                                        }
                                        absl::Status ended = Hang(attempt);
                                        told = ended.code() == kCancelled;
                                        return ended;
                                      })),
               Thrown);
  EXPECT_TRUE(told);
#endif
}

// Source: docs/architecture.md, law 7: what an attempt that was given up still does changes nothing.
CONFORM(Hedging, ALoserThatThrowsTakesNothingFromTheWinner) {
#if defined(__cpp_exceptions)
  struct Thrown {};
  for (const int winner : {1, 2}) {
    const absl::StatusOr<int> which =
        Call(Idempotent(), Set({Soon()}), [&](const Attempt& attempt) -> absl::StatusOr<int> {
          if (attempt.number() != winner) {
            EXPECT_EQ(Hang(attempt).code(), kCancelled);
            throw Thrown();
          }
          Sleep(3 * kDelay);
          return winner;
        });
    EXPECT_EQ(which.value_or(0), winner);
  }
#endif
}

// Source: include/redial/policies/retry.h: a value is the result where nothing better comes.
CONFORM(Hedging, TheLatestFailedResultIsKept) {
  const PolicySet set =
      Set({Soon(), Retry({.max_attempts = 2,
                          .also_retry_on = OnResult<std::string>(
                              [](const std::string& body) { return body.starts_with("503"); })})});
  const absl::StatusOr<std::string> page =
      Call(Idempotent(), set, [&](const Attempt& attempt) -> absl::StatusOr<std::string> {
        Sleep(attempt.number() == 1 ? 4 * kDelay : kMoment);
        return absl::StrCat("503 of attempt ", attempt.number());
      });
  EXPECT_EQ(page.value_or("nothing"), "503 of attempt 1");
}

// Source: include/redial/policies/report.h: sinks are called on the call's own thread.
CONFORM(Hedging, ObserversHearOfHedges) {
  std::vector<std::string> heard;  // unguarded: one thread
  const PolicyPtr report = Report(ToFunction([&](const CallEvent& event) {
    using Type = CallEvent::Type;
    if (event.type == Type::kAttemptStarted) heard.push_back(absl::StrCat("start ", event.attempt));
    if (event.type == Type::kAttemptEnded) {
      heard.push_back(absl::StrCat("end ", event.attempt, event.status->ok() ? " ok" : " failed"));
    }
    if (event.type == Type::kWaiting) heard.emplace_back("waiting");
    if (event.type == Type::kCallEnded) {
      heard.emplace_back("over");
      EXPECT_EQ(event.outstanding, 0);
    }
  }));
  EXPECT_EQ(Call(Idempotent(), Set({Soon(), report}),
                 [&](const Attempt& attempt) {
                   return attempt.number() > 1 ? absl::OkStatus() : Hang(attempt);
                 }),
            absl::OkStatus());
  EXPECT_EQ(heard,
            (std::vector<std::string>{"start 1", "start 2", "end 2 ok", "end 1 failed", "over"}));
}

// Source: include/redial/policies/hedge.h: redial's own waits end at once.
CONFORM(Hedging, ASocketsWaitsServeTheCall) {
  Listener listener = Listen();
  Task server = Go([&] {
    Socket silent = Accept(listener);
    silent.set_deadline(Guard());
    Socket talks = Accept(listener);
    talks.set_deadline(Guard());
    EXPECT_EQ(talks.ReadUntil("\n").value_or("nothing"), "ping\n");
    EXPECT_EQ(talks.Write("pong\n"), absl::OkStatus());
    EXPECT_EQ(silent.ReadUntil("\n").value_or("nothing"), "ping\n");
    char more = 0;
    EXPECT_EQ(silent.Read(absl::MakeSpan(&more, 1)).value_or(1), 0U);
  });
  const absl::StatusOr<Client> client = Client::Create(TargetOf(listener.local()), {Soon()});
  ASSERT_EQ(client.status(), absl::OkStatus());
  EXPECT_EQ(client
                ->Call(Idempotent(),
                       [](Socket& socket) -> absl::StatusOr<std::string> {
                         if (absl::Status sent = socket.Write("ping\n"); !sent.ok()) return sent;
                         return socket.ReadUntil("\n");
                       })
                .value_or("nothing"),
            "pong\n");
}

// Source: include/redial/call.h: calls within calls.
CONFORM(Hedging, CallsNest) {
  const PolicySet set = Set({Soon()});
  const absl::StatusOr<int> outer =
      Call(Idempotent(), set, [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() > 1) {
          Sleep(20 * kDelay);
          return 0;
        }
        return Call(Idempotent(), set, [&](const Attempt& inner) -> absl::StatusOr<int> {
          if (inner.number() > 1) return 7;
          if (absl::Status ended = Hang(inner); !ended.ok()) return ended;
          return 0;
        });
      });
  EXPECT_EQ(outer.value_or(0), 7);
}

// Source: include/redial/runtime.h: guests of the calls around a wait are served together.
CONFORM(Hedging, ACallAroundOneThatHedgesIsServedToo) {
  const PolicySet set = Set({Soon()});
  std::atomic<bool> told = false;
  const absl::StatusOr<int> outer =
      Call(Idempotent(), set, [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() > 1) return 2;
        return Call(Idempotent(), Set({Hedge({.delay = kHang})}),
                    [&](const Attempt& inner) -> absl::StatusOr<int> {
                      const absl::Status ended = Hang(inner);
                      told = ended.code() == kCancelled;
                      return ended;
                    });
      });
  EXPECT_EQ(outer.value_or(0), 2);
  EXPECT_TRUE(told);
}

// Source: include/redial/policies/hedge.h: the losers return before the call does.
CONFORM(Hedging, ACallThatIsGivenUpWaitsForItsOwnLosers) {
  std::atomic<int> told = 0;
  const absl::StatusOr<int> outer = Call(
      Idempotent(), Set({Hedge({.delay = 3 * kDelay, .max_ratio = 1})}),
      [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() > 1) return 2;
        return Call(Idempotent(), Set({Soon()}), [&](const Attempt& inner) -> absl::StatusOr<int> {
          if (inner.number() == 1) {
            Sleep(2 * kDelay);
            return absl::UnavailableError("no");
          }
          const absl::Status ended = Hang(inner);
          told += ended.code() == kCancelled ? 1 : 0;
          return ended;
        });
      });
  EXPECT_EQ(outer.value_or(0), 2);
  EXPECT_EQ(told, 1);
}

// Source: include/redial/runtime.h: joins are cut short by nothing.
CONFORM(Hedging, AnAttemptThatIsGivenUpStillJoins) {
  std::atomic<bool> joined = false;
  const absl::StatusOr<int> which =
      Call(Idempotent(), Set({Soon()}), [&](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() > 1) return 2;
        bool done = false;
        absl::StatusOr<Task> helper = runtime().Spawn([&] {
          Sleep(3 * kDelay);
          done = true;
        });
        if (!helper.ok()) return helper.status();
        const absl::Status ended = Hang(attempt);
        helper->Join();
        joined = done;
        return ended;
      });
  EXPECT_EQ(which.value_or(0), 2);
  EXPECT_TRUE(joined);
}

// Source: docs/architecture.md, law 8: what timed out wasn't told to end.
CONFORM(Hedging, AnAttemptThatTakesUntilTheDeadlineHasTimedOut) {
  const absl::Status status =
      Call({.timeout = 3 * kDelay, .idempotent = true}, Set({Hedge({.delay = kHang})}), Hang);
  ASSERT_TRUE(FailureOf(status).has_value()) << status;
  ASSERT_EQ(FailureOf(status)->attempts.size(), 1U);
  EXPECT_EQ(FailureOf(status)->attempts[0].code, kDeadlineExceeded) << Story(status);
}

// Source: include/redial/policies/fail_fast.h: the failure that ends the call is its status.
CONFORM(Hedging, HowTheLosersEndIsNotWhyTheCallFailed) {
  const PolicySet set = Set({Soon(), FailFast(OnCode(absl::StatusCode::kPermissionDenied))});
  const absl::Status status = Call(Idempotent(), set, [&](const Attempt& attempt) {
    if (attempt.number() > 1) return Hang(attempt);
    Sleep(3 * kDelay);
    return absl::PermissionDeniedError("not yours");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_NE(status.message().find("not yours"), absl::string_view::npos) << status;
  EXPECT_EQ(FailureOf(status)->attempts.size(), 2U);
}

// Source: include/redial/conclusion.h: kUnknown where an exception left the call.
CONFORM(Hedging, AnExceptionInAHedgeIsNoCancellation) {
#if defined(__cpp_exceptions)
  struct Ends final : Policy {
    Ends() : Policy({.name = "Ends", .capabilities = kConcludes}) {}
    void Conclude(const Conclusion& end) override {
      codes.push_back(end.code);
      reasons.push_back(end.reason);
    }
    std::vector<absl::StatusCode> codes;
    std::vector<Reason> reasons;
  };
  struct Thrown {};
  const auto ends = std::make_shared<Ends>();
  EXPECT_THROW(static_cast<void>(Call(Idempotent(), Set({Soon(), ends}),
                                      [&](const Attempt& attempt) -> absl::Status {
                                        if (attempt.number() > 1) throw Thrown();
                                        return Hang(attempt);
                                      })),
               Thrown);
  EXPECT_EQ(ends->codes, std::vector{absl::StatusCode::kUnknown});
  EXPECT_EQ(ends->reasons, std::vector{Reason::kNone});
#endif
}

// Source: include/redial/call_event.h: a connection is told before what became of it.
CONFORM(Hedging, ObserversHearOfAConnectionBeforeItsEnd) {
  std::vector<std::string> heard;
  const PolicyPtr report = Report(ToFunction([&](const CallEvent& event) {
    using Type = CallEvent::Type;
    if (event.type == Type::kConnected) heard.push_back(absl::StrCat("connected ", event.attempt));
    if (event.type != Type::kAttemptEnded) return;
    heard.push_back(absl::StrCat("end ", event.attempt));
    if (event.attempt == 2) Sleep(kDelay);  // the next one connects and ends meanwhile
  }));
  const PolicyPtr hedge = Soon(2);
  for (int i = 0; i < 3; ++i) {  // which leaves hedges for later
    EXPECT_EQ(Call(Idempotent(), Set({hedge}), [] { return absl::OkStatus(); }), absl::OkStatus());
  }
  EXPECT_EQ(Call(Idempotent(), Set({hedge, report}),
                 [&](const Attempt& attempt) {
                   if (attempt.number() == 1) {
                     Sleep(6 * kDelay);
                     return absl::OkStatus();
                   }
                   if (attempt.number() == 2) {
                     Sleep(kDelay + kDelay / 2);
                     return absl::UnavailableError("no");
                   }
                   Sleep(kDelay);
                   attempt.notes()->listener->Connected("there");
                   return absl::UnavailableError("no");
                 }),
            absl::OkStatus());
  EXPECT_EQ(heard, (std::vector<std::string>{"end 2", "connected 3", "end 3", "end 1"}));
}

// Source: include/redial/policy.h: who asks a person may hold hedges up too.
CONFORM(Hedging, APersonIsAskedAboutTheRetryThatFollowsAHeldUpHedge) {
  struct Asks final : Policy {
    Asks() : Policy({.name = "Asks", .capabilities = kJudgesAgain | kRetries | kAsks}) {}
    Verdict Judge(const View& view) const override {
      return view.answer == Answer::kNone ? Verdict::Blocked(Reason::kUndecided) : Verdict::Admit();
    }
    Answer Ask(const CallEvent&) const override { return Answer::kRetry; }
  };
  CallOptions options = Idempotent();
  options.timeout = absl::Seconds(2);  // reached where nobody is asked
  const absl::StatusOr<int> which = Call(options, Set({Soon(), std::make_shared<Asks>()}),
                                         [&](const Attempt& attempt) -> absl::StatusOr<int> {
                                           if (attempt.number() > 1) return 2;
                                           Sleep(3 * kDelay);
                                           return absl::UnavailableError("no");
                                         });
  EXPECT_EQ(which.value_or(0), 2) << which.status();
}

}  // namespace
}  // namespace redial::conformance
