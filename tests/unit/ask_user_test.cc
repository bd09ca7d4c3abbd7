#include "redial/policies/ask_user.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/call.h"
#include "redial/policies/retry.h"
#include "redial/policy_set.h"
#include "redial/runtime.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/support/policy_view.h"
#include "tests/support/recorded_call.h"

namespace redial {
namespace {

using testing::FailedWith;
using testing::HedgeView;
using testing::RefusedRecord;
using testing::RetryView;
using testing::VirtualRuntime;

Answer GiveUp(const CallEvent&) { return Answer::kGiveUp; }

TEST(AskUserTest, HoldsTheAttemptUpUntilAnswered) {
  const PolicyPtr policy = AskUser(GiveUp);
  const Outcome failed = FailedWith(absl::StatusCode::kUnavailable);
  View view = RetryView(failed, 1);
  EXPECT_EQ(policy->Judge(view), Verdict::Blocked(Reason::kUndecided));
  view.answer = Answer::kRetry;
  EXPECT_EQ(policy->Judge(view), Verdict::Admit());
  view.answer = Answer::kGiveUp;
  EXPECT_EQ(policy->Judge(view), Verdict::Reject(Reason::kGaveUp));
  EXPECT_EQ(policy->Judge(HedgeView(1)), Verdict::Admit());
}

TEST(AskUserTest, NeedsAFunction) {
  const auto complaint = [](AskFunction ask) {
    const absl::Status status = PolicySet::Create({AskUser(std::move(ask))}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(complaint(nullptr), "AskUser.ask is empty; it must be a function");
  EXPECT_EQ(complaint(AskOnTerminal(nullptr, stderr)),
            "AskUser.ask is empty; it must be a function");
}

// Calls, and gives the answers in turn; the questions' attempts are kept.
struct Person {
  std::vector<Answer> answers;
  std::vector<int> asked_after = {};

  AskFunction function() {
    return [this](const CallEvent& question) {
      EXPECT_EQ(question.type, CallEvent::Type::kAsking);
      asked_after.push_back(question.attempt);
      return answers[asked_after.size() - 1];
    };
  }
};

absl::Status CallThatFails(const PolicyList& policies, bool idempotent, int failures,
                           int& attempts) {
  const auto set = PolicySet::Create(policies);
  EXPECT_TRUE(set.ok()) << set.status();
  return Call({.operation = "PING", .timeout = absl::Seconds(10), .idempotent = idempotent}, *set,
              [&]() -> absl::Status {
                return ++attempts <= failures ? absl::InternalError("broken") : absl::OkStatus();
              });
}

TEST(AskUserTest, AloneRetriesWhateverIsSafe) {
  VirtualRuntime runtime;
  Person person{{Answer::kRetry, Answer::kRetry}};
  int attempts = 0;
  EXPECT_EQ(CallThatFails({AskUser(person.function())}, true, 2, attempts), absl::OkStatus());
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(person.asked_after, (std::vector<int>{1, 2}));
  EXPECT_EQ(runtime.elapsed(), absl::ZeroDuration());
}

TEST(AskUserTest, GivingUpEndsTheCall) {
  VirtualRuntime runtime;
  Person person{{Answer::kRetry, Answer::kGiveUp}};
  int attempts = 0;
  const absl::Status status = CallThatFails({AskUser(person.function())}, true, 9, attempts);
  EXPECT_EQ(attempts, 2);
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_EQ(FailureOf(status)->why, Reason::kGaveUp);
}

TEST(AskUserTest, NobodyIsAskedAboutWhatMayNotBeRepeated) {
  VirtualRuntime runtime;
  Person person;
  int attempts = 0;
  const absl::Status status = CallThatFails({AskUser(person.function())}, false, 9, attempts);
  EXPECT_EQ(attempts, 1);
  EXPECT_TRUE(person.asked_after.empty());
  EXPECT_EQ(FailureOf(status)->why, Reason::kUnsafe);
}

TEST(AskUserTest, JoinsWithRetry) {
  VirtualRuntime runtime;
  Person person{{Answer::kRetry, Answer::kRetry}};
  int attempts = 0;
  const PolicyPtr retry = Retry({.max_attempts = 2,
                                 .backoff = Constant(absl::Seconds(1)),
                                 .retry_on = OnCode(absl::StatusCode::kInternal)});
  const absl::Status status = CallThatFails({AskUser(person.function()), retry}, true, 9, attempts);
  EXPECT_EQ(attempts, 2);  // the third is forbidden, so nobody is asked about it
  EXPECT_EQ(person.asked_after, std::vector<int>{1});
  EXPECT_EQ(FailureOf(status)->why, Reason::kExhausted);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(1));
}

TEST(AskUserTest, AnAnswerAfterTheDeadlineComesTooLate) {
  VirtualRuntime runtime;
  int attempts = 0;
  const AskFunction slow = [&](const CallEvent&) {
    runtime.Advance(absl::Seconds(11));
    return Answer::kRetry;
  };
  const absl::Status status = CallThatFails({AskUser(slow)}, true, 9, attempts);
  EXPECT_EQ(attempts, 1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

// A question on two pipes: what a person types, and what they read.
class AskOnTerminalTest : public ::testing::Test {
 protected:
  AskOnTerminalTest() {
    int typed[2];
    int read[2];
    EXPECT_EQ(::pipe(typed), 0);
    EXPECT_EQ(::pipe(read), 0);
    in_ = ::fdopen(typed[0], "r");
    keyboard_ = typed[1];
    out_ = ::fdopen(read[1], "w");
    screen_ = read[0];
  }
  ~AskOnTerminalTest() override {
    std::fclose(in_);
    std::fclose(out_);
    if (keyboard_ >= 0) ::close(keyboard_);
    ::close(screen_);
  }

  void Type(std::string_view text) {
    EXPECT_EQ(::write(keyboard_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void EndInput() {
    ::close(keyboard_);
    keyboard_ = -1;
  }
  Answer Ask() {
    const AttemptRecord record = [] {
      AttemptRecord refused = RefusedRecord();
      refused.number = 1;
      return refused;
    }();
    CallEvent question;
    question.type = CallEvent::Type::kAsking;
    question.operation = "PING";
    question.target = "cache:6379";
    question.attempt = 1;
    question.record = &record;
    question.deadline = Deadline::After(Runtime::Current().Now(), absl::Seconds(20));
    question.stop = stop.get_token();
    return AskOnTerminal(in_, out_)(question);
  }
  std::stop_source stop;
  std::string Screen() {
    char text[4096];
    const ssize_t n = ::read(screen_, text, sizeof text);
    return std::string(text, n < 0 ? 0 : static_cast<size_t>(n));
  }

  static constexpr char kQuestion[] =
      "PING cache:6379: attempt 1 failed: 10.0.0.7:6379 connection refused (ECONNREFUSED) after 1 "
      "ms; [r]etry or [g]ive up? ";

 private:
  std::FILE* in_ = nullptr;
  std::FILE* out_ = nullptr;
  int keyboard_ = -1;
  int screen_ = -1;
};

TEST_F(AskOnTerminalTest, UnderstandsBothAnswers) {
  Type("r\n");
  EXPECT_EQ(Ask(), Answer::kRetry);
  EXPECT_EQ(Screen(), kQuestion);
  Type(" Retry\n");
  EXPECT_EQ(Ask(), Answer::kRetry);
  Type("give up\n");
  EXPECT_EQ(Ask(), Answer::kGiveUp);
  Type("G\n");
  EXPECT_EQ(Ask(), Answer::kGiveUp);
}

TEST_F(AskOnTerminalTest, AsksAgainUntilItUnderstands) {
  Type("what?\n\nr\n");
  EXPECT_EQ(Ask(), Answer::kRetry);
  EXPECT_EQ(Screen(), absl::StrCat(kQuestion, "[r]etry or [g]ive up? [r]etry or [g]ive up? "));
}

TEST_F(AskOnTerminalTest, LeavesWhatFollowsToOthers) {
  Type("r\ng\n");
  EXPECT_EQ(Ask(), Answer::kRetry);
  EXPECT_EQ(Ask(), Answer::kGiveUp);
}

TEST_F(AskOnTerminalTest, TheEndOfInputGivesUp) {
  Type("ret");
  EndInput();
  EXPECT_EQ(Ask(), Answer::kGiveUp);
  EXPECT_EQ(Screen(), absl::StrCat(kQuestion, "\n"));
}

TEST_F(AskOnTerminalTest, TheDeadlineGivesUp) {
  VirtualRuntime runtime;
  EXPECT_EQ(Ask(), Answer::kGiveUp);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(20));
  EXPECT_EQ(Screen(), absl::StrCat(kQuestion, "\n"));
}

TEST_F(AskOnTerminalTest, AStopGivesUp) {
  VirtualRuntime runtime;
  runtime.After(absl::Seconds(3), [&] { stop.request_stop(); });
  EXPECT_EQ(Ask(), Answer::kGiveUp);
  EXPECT_EQ(runtime.elapsed(), absl::Seconds(3));
}

TEST_F(AskOnTerminalTest, InputWithoutEndGivesUp) {
  Type(std::string(10'000, 'x'));
  EXPECT_EQ(Ask(), Answer::kGiveUp);
}

}  // namespace
}  // namespace redial
