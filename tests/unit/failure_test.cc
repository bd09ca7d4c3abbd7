#include "redial/failure.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "src/core/failure_codec.h"
#include "src/core/status.h"

namespace redial {
namespace {

Failure Everything() {
  Failure f;
  f.phase = Phase::kRead;
  f.error = ECONNRESET;
  f.sent = Sent::kAnswered;
  f.bytes_sent = 6;
  f.bytes_received = std::numeric_limits<uint64_t>::max();
  f.elapsed = absl::Milliseconds(412);
  f.address = "10.0.0.7:6379";
  f.tried = {{.address = "[::1]:6379", .error = ECONNREFUSED, .elapsed = absl::Milliseconds(1)}};
  f.retry_after = absl::Seconds(30);
  f.operation = std::string("G\0T", 3);
  f.target = std::string(300, 'x');
  f.reasons.Add(Reason::kExhausted);
  f.reasons.Add(Reason::kUnsafe);
  f.why = Reason::kUnsafe;
  f.retry_at = absl::InfiniteDuration();
  f.declared = true;
  f.attempts.resize(2);
  f.attempts[0].number = 1;
  f.attempts[1] = {.number = -2,
                   .kind = AttemptKind::kHedge,
                   .code = absl::StatusCode::kUnauthenticated,
                   .phase = Phase::kBackoff,
                   .error = -1,
                   .sent = Sent::kRejected,
                   .attempt_timeout = true,
                   .bytes_sent = 1,
                   .bytes_received = 200,
                   .started = absl::Nanoseconds(1),
                   .elapsed = -absl::InfiniteDuration(),
                   .address = "a",
                   .detail = "d",
                   .tried = f.tried};
  return f;
}

// The longest refusal: every reason, and a delay of 292 years.
Failure LongestRefusal() {
  Failure f;
  f.why = Reason::kBreakerOpen;
  f.reasons = ReasonSet::FromBits(~uint64_t{0});
  f.sent = Sent::kNo;
  f.retry_at = absl::InfiniteDuration();
  return f;
}

std::string Encoded(const Failure& f) { return std::string(internal::EncodeFailure(f)); }

TEST(FailureCodec, KeepsEveryField) {
  for (const Failure& f : {Failure(), Everything(), LongestRefusal()}) {
    EXPECT_EQ(internal::DecodeFailure(Encoded(f)), f);
  }
}

TEST(FailureCodec, KeepsEachValueOfEachEnumeration) {
  Failure f;
  f.attempts.resize(1);
  for (int i = 0; i < kReasonCount; ++i) {
    f.why = static_cast<Reason>(i);
    f.phase = static_cast<Phase>(i % 11);
    f.sent = static_cast<Sent>(i % 4);
    f.attempts[0].kind = static_cast<AttemptKind>(i % 3);
    f.attempts[0].attempt_timeout = i % 2 == 0;
    f.attempts[0].code = static_cast<absl::StatusCode>(i % 17);
    f.attempts[0].phase = static_cast<Phase>((i + 5) % 11);
    f.attempts[0].sent = static_cast<Sent>((i + 1) % 4);
    EXPECT_EQ(internal::DecodeFailure(Encoded(f)), f) << i;
  }
}

TEST(FailureCodec, ARefusalFitsWhereNothingIsAllocated) {
  EXPECT_EQ(Encoded(Failure()).size(), 3u);
  EXPECT_EQ(Encoded(LongestRefusal()).size(), 15u);

  Failure f;
  f.why = Reason::kBreakerOpen;
  f.reasons.Add(f.why);
  f.sent = Sent::kNo;
  f.retry_at = absl::Seconds(3);
  EXPECT_EQ(Encoded(f).size(), 8u);
}

// A typical refusal, operation and target included: they are in the message.
TEST(FailureCodec, ARefusalFindsItsOperationInTheMessage) {
  Failure f;
  f.why = Reason::kBreakerOpen;
  f.reasons.Add(f.why);
  f.sent = Sent::kNo;
  f.retry_at = absl::Seconds(3);
  absl::Status status = internal::RefusalStatus(absl::StatusCode::kUnavailable, "PING",
                                                "tcp://cache.example.com:6379", f);
  EXPECT_EQ(status.message(),
            "PING tcp://cache.example.com:6379 was not attempted: circuit breaker open");
  EXPECT_LE(status.GetPayload("redial/failure")->size(), 15u);
  f.operation = "PING";
  f.target = "tcp://cache.example.com:6379";
  EXPECT_EQ(FailureOf(status), f);
  EXPECT_EQ(
      Story(status),
      "PING tcp://cache.example.com:6379 was not attempted: circuit breaker open, next try in "
      "3 s");

  for (const auto& [operation, target] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"PING", ""}, {"", "unix:///a b"}}) {
    f.operation = operation;
    f.target = target;
    Failure without = f;
    without.operation = without.target = "";
    status = internal::RefusalStatus(absl::StatusCode::kUnavailable, operation, target, without);
    EXPECT_EQ(FailureOf(status), f);
  }
}

// When a server is down there are many of them.
TEST(Refusals, ThatSayTheSameShareAStatus) {
  Failure f;
  f.why = Reason::kBreakerOpen;
  const auto refuse = [&](std::string_view operation, absl::Duration retry_at) {
    f.retry_at = retry_at;
    return internal::RefusalStatus(absl::StatusCode::kUnavailable, operation, "tcp://a:1", f);
  };
  const absl::Status first = refuse("PING", absl::Seconds(3));
  const absl::Status same = refuse("PING", absl::Seconds(3));
  EXPECT_EQ(first.message().data(), same.message().data());
  const absl::Status later = refuse("PING", absl::Seconds(2));
  const absl::Status other = refuse("GET", absl::Seconds(2));
  EXPECT_EQ(FailureOf(first)->retry_at, absl::Seconds(3));  // as it was
  EXPECT_EQ(FailureOf(later)->retry_at, absl::Seconds(2));
  EXPECT_EQ(FailureOf(other)->operation, "GET");
  EXPECT_EQ(other.message(), "GET tcp://a:1 was not attempted: circuit breaker open");
  absl::Status mine = refuse("GET", absl::Seconds(2));
  mine.SetPayload("mine", absl::Cord("x"));
  EXPECT_FALSE(refuse("GET", absl::Seconds(2)).GetPayload("mine").has_value());
}

TEST(Refusals, AreMadeAlsoAtTheVeryEndOfAThread) {
  struct AtTheEnd {
    ~AtTheEnd() {
      message = std::string(
          internal::RefusalStatus(absl::StatusCode::kUnavailable, "PING", "", {}).message());
    }
    std::string& message;
  };
  std::string message;
  std::thread([&] {
    static thread_local AtTheEnd at_the_end{message};  // made first, so it goes last
    EXPECT_EQ(internal::RefusalStatus(absl::StatusCode::kUnavailable, "GET", "", {}).message(),
              "GET was not attempted: no reason");
  }).join();
  EXPECT_EQ(message, "PING was not attempted: no reason");
}

TEST(FailureCodec, ARefusalWhoseMessageWasReplacedLosesNoMore) {
  Failure f;
  f.why = Reason::kBudget;
  f.reasons.Add(f.why);
  f.sent = Sent::kNo;
  const absl::Status status =
      internal::RefusalStatus(absl::StatusCode::kUnavailable, "PING", "tcp://cache:6379", f);
  for (const char* message : {"", "P", "while loading: PING tcp://cache:6379 was not attempted"}) {
    absl::Status other(status.code(), message);
    other.SetPayload("redial/failure", *status.GetPayload("redial/failure"));
    EXPECT_EQ(FailureOf(other), f) << message;
  }
}

TEST(FailureCodec, RefusesEveryTruncation) {
  for (const Failure& f : {Everything(), LongestRefusal()}) {
    const std::string bytes = Encoded(f);
    for (size_t n = 0; n < bytes.size(); ++n) {
      EXPECT_EQ(internal::DecodeFailure(bytes.substr(0, n)), std::nullopt) << n;
    }
    EXPECT_EQ(internal::DecodeFailure(bytes + '\0'), std::nullopt);
  }
}

TEST(FailureCodec, RefusesAnotherVersionAndUnknownFields) {
  EXPECT_NE(internal::DecodeFailure(std::string("\x01\x40\x00", 3)), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure(std::string("\x02\x40\x00", 3)), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure(std::string("\x01\x7f\x00", 3)), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure("\x01\x40\x80\x80\x01"), std::nullopt);
}

TEST(FailureCodec, RefusesNumbersOutOfRange) {
  const std::string phase("\x01\x40\x08", 3);
  EXPECT_NE(internal::DecodeFailure(phase + '\x0a'), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure(phase + '\x0b'), std::nullopt);
  const std::string error("\x01\x40\x10", 3);
  EXPECT_NE(internal::DecodeFailure(error + "\xff\xff\xff\xff\x0f"), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure(error + "\xff\xff\xff\xff\x10"), std::nullopt);
  const std::string elapsed("\x01\x40\x20", 3);
  EXPECT_NE(internal::DecodeFailure(elapsed + std::string(9, '\xff') + '\x01'), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure(elapsed + std::string(9, '\xff') + '\x02'), std::nullopt);
  EXPECT_EQ(internal::DecodeFailure(elapsed + std::string(12, '\xff')), std::nullopt);
}

TEST(FailureCodec, RefusesACountWithoutItsElements) {
  // 2^62 attempts, none of which follows.
  const std::string bytes = std::string("\x01\x40\x80\x10", 4) + std::string(8, '\xff') + '\x3f';
  EXPECT_EQ(internal::DecodeFailure(bytes), std::nullopt);
}

TEST(FailureCodec, SurvivesCorruption) {
  std::mt19937 random(4711);
  const std::string original = Encoded(Everything());
  int decoded = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = original;
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const std::optional<Failure> f = internal::DecodeFailure(bytes);
    if (!f.has_value()) continue;
    ++decoded;
    // What can be read can be written, and means the same.
    EXPECT_EQ(internal::DecodeFailure(Encoded(*f)), f);
  }
  EXPECT_GT(decoded, 0);
}

TEST(FailureOf, ReadsWhatWasAttached) {
  const absl::Status status = WithFailure(absl::UnavailableError("down"), Everything());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "down");
  EXPECT_EQ(FailureOf(status), Everything());
}

TEST(FailureOf, FindsNothingInAStatusOfSomebodyElse) {
  EXPECT_EQ(FailureOf(absl::OkStatus()), std::nullopt);
  absl::Status status = absl::UnavailableError("down");
  EXPECT_EQ(FailureOf(status), std::nullopt);
  status.SetPayload("redial/failure", absl::Cord("nonsense"));
  EXPECT_EQ(FailureOf(status), std::nullopt);
}

TEST(FailureOf, ReadsAFragmentedPayload) {
  const std::string bytes = Encoded(Everything());
  const absl::string_view view = bytes;
  absl::Cord cord = absl::MakeCordFromExternal(view.substr(0, 200), [] {});
  cord.Append(absl::MakeCordFromExternal(view.substr(200), [] {}));
  ASSERT_FALSE(cord.TryFlat().has_value());
  absl::Status status = absl::UnavailableError("down");
  status.SetPayload("redial/failure", cord);
  EXPECT_EQ(FailureOf(status), Everything());
}

TEST(WithFailure, ReplacesAnEarlierOneAndLeavesOkAlone) {
  absl::Status status = WithFailure(absl::UnavailableError("down"), Everything());
  status = WithFailure(status, Failure{.phase = Phase::kWrite});
  EXPECT_EQ(FailureOf(status), Failure{.phase = Phase::kWrite});
  EXPECT_EQ(WithFailure(absl::OkStatus(), Everything()), absl::OkStatus());
}

TEST(NotSent, KeepsTheRestOfTheFailure) {
  Failure expected = Everything();
  expected.sent = Sent::kNo;
  expected.declared = true;
  EXPECT_EQ(FailureOf(NotSent(WithFailure(absl::InternalError("x"), Everything()))), expected);
  EXPECT_EQ(FailureOf(NotSent(absl::InternalError("x"))),
            (Failure{.sent = Sent::kNo, .declared = true}));
  EXPECT_EQ(NotSent(absl::OkStatus()), absl::OkStatus());
}

TEST(Rejected, MarksThatThePeerDidNotAct) {
  EXPECT_EQ(FailureOf(Rejected(absl::InternalError("x"))),
            (Failure{.sent = Sent::kRejected, .declared = true}));
  EXPECT_EQ(Rejected(absl::OkStatus()), absl::OkStatus());
}

TEST(RetryAfter, RejectsAndKeepsTheDelay) {
  const absl::Status busy = absl::UnavailableError("busy");
  EXPECT_EQ(FailureOf(RetryAfter(busy, absl::Seconds(2))),
            (Failure{.sent = Sent::kRejected, .declared = true, .retry_after = absl::Seconds(2)}));
  EXPECT_EQ(FailureOf(RetryAfter(busy, absl::ZeroDuration()))->retry_after, absl::ZeroDuration());
  EXPECT_EQ(FailureOf(RetryAfter(busy, -absl::Seconds(2))),
            (Failure{.sent = Sent::kRejected, .declared = true}));
  EXPECT_EQ(RetryAfter(absl::OkStatus(), absl::Seconds(2)), absl::OkStatus());
}

TEST(PhaseName, NamesEach) {
  const std::vector<std::string> names = {"none",  "resolve", "connect", "handshake",
                                          "write", "read",    "listen",  "accept",
                                          "close", "queue",   "backoff", "none"};
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(PhaseName(static_cast<Phase>(i)), names[i]);
}

TEST(SentName, NamesEach) {
  EXPECT_EQ(SentName(Sent::kNo), "not sent");
  EXPECT_EQ(SentName(Sent::kMaybe), "maybe sent");
  EXPECT_EQ(SentName(Sent::kRejected), "rejected");
  EXPECT_EQ(SentName(Sent::kAnswered), "answered");
  EXPECT_EQ(SentName(static_cast<Sent>(9)), "maybe sent");
}

TEST(ErrnoName, IsTheSymbol) {
  EXPECT_EQ(ErrnoName(ECONNREFUSED), "ECONNREFUSED");
  EXPECT_EQ(ErrnoName(EAGAIN), "EAGAIN");
  EXPECT_EQ(ErrnoName(0), "errno 0");
  EXPECT_EQ(ErrnoName(4711), "errno 4711");
  EXPECT_EQ(ErrnoName(-1), "errno -1");
}

TEST(ErrnoText, IsInPlainWords) {
  EXPECT_EQ(ErrnoText(ECONNREFUSED), "connection refused");
  EXPECT_EQ(ErrnoText(EHOSTUNREACH), "no route to host");
  EXPECT_EQ(ErrnoText(ETIMEDOUT), "connection timed out");
  EXPECT_EQ(ErrnoText(EAGAIN), "not ready without waiting");
  EXPECT_EQ(ErrnoText(EADDRNOTAVAIL), "no local address or port available");
  EXPECT_EQ(ErrnoText(EDOTDOT), "RFS specific error");
  EXPECT_EQ(ErrnoText(0), "no error");
  EXPECT_EQ(ErrnoText(4711), "unknown error 4711");
}

}  // namespace
}  // namespace redial
