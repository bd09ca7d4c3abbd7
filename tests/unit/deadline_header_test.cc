#include "redial/deadline_header.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "redial/call.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/testing/virtual_runtime.h"
#include "src/core/mix.h"

namespace redial {
namespace {

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

int64_t UnitNanos(char letter) {
  switch (letter) {
    case 'n':
      return 1;
    case 'u':
      return 1'000;
    case 'm':
      return 1'000'000;
    case 'S':
      return 1'000'000'000;
    case 'M':
      return 60'000'000'000;
    default:
      return 3'600'000'000'000;
  }
}
absl::Duration Left(const absl::StatusOr<Deadline>& deadline) {
  EXPECT_TRUE(deadline.ok()) << deadline.status();
  return deadline.ok() ? deadline->remaining(kNow) : absl::Seconds(-1);
}

// gRPC over HTTP2, "Requests": Timeout. Units as grpc-go chooses them (encodeTimeout); it rounds up,
// so that a server may work on when its client is gone.
TEST(DeadlineHeaderTest, WritesTheFinestUnitThatFits) {
  const struct {
    absl::Duration remaining;
    const char* grpc;
    const char* millis;
  } cases[] = {
      {absl::Nanoseconds(1), "1n", "1"},
      {absl::Nanoseconds(99'999'999), "99999999n", "99"},
      {absl::Nanoseconds(100'000'000), "100000u", "100"},
      {absl::Nanoseconds(100'000'999), "100000u", "100"},
      {absl::Milliseconds(1500), "1500000u", "1500"},
      {absl::Seconds(100) - absl::Nanoseconds(1), "99999999u", "99999"},
      {absl::Seconds(100), "100000m", "100000"},
      {absl::Seconds(100'000), "100000S", "100000000"},
      {absl::Hours(24 * 365 * 4), "2102400M", "126144000000"},
      {absl::Hours(24 * 365 * 200), "1752000H", "6307200000000"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatGrpcTimeout(c.remaining), c.grpc) << c.remaining;
    EXPECT_EQ(FormatTimeoutMillis(c.remaining), c.millis) << c.remaining;
  }
}

TEST(DeadlineHeaderTest, WritesNothingForever) {
  EXPECT_EQ(FormatGrpcTimeout(absl::InfiniteDuration()), std::nullopt);
  EXPECT_EQ(FormatTimeoutMillis(absl::InfiniteDuration()), std::nullopt);
  EXPECT_EQ(FormatGrpcTimeout(absl::Hours(200'000'000)), "99999999H");
}

// OpenTelemetry's collector writes 0 for what is left of a last millisecond.
TEST(DeadlineHeaderTest, WritesZeroOnlyWhenNothingIsLeft) {
  for (const absl::Duration none :
       {absl::ZeroDuration(), absl::Nanoseconds(-1), -absl::InfiniteDuration()}) {
    EXPECT_EQ(FormatGrpcTimeout(none), "0n");
    EXPECT_EQ(FormatTimeoutMillis(none), "0");
  }
  EXPECT_EQ(FormatGrpcTimeout(absl::Nanoseconds(1) / 4), "1n");
  EXPECT_EQ(FormatTimeoutMillis(absl::Nanoseconds(1) / 4), "1");
  EXPECT_EQ(FormatTimeoutMillis(absl::Microseconds(999)), "1");
}

TEST(DeadlineHeaderTest, ReadsEachUnit) {
  EXPECT_EQ(Left(ParseGrpcTimeout("3n", kNow)), absl::Nanoseconds(3));
  EXPECT_EQ(Left(ParseGrpcTimeout("3u", kNow)), absl::Microseconds(3));
  EXPECT_EQ(Left(ParseGrpcTimeout("3m", kNow)), absl::Milliseconds(3));
  EXPECT_EQ(Left(ParseGrpcTimeout("3S", kNow)), absl::Seconds(3));
  EXPECT_EQ(Left(ParseGrpcTimeout("3M", kNow)), absl::Minutes(3));
  EXPECT_EQ(Left(ParseGrpcTimeout("3H", kNow)), absl::Hours(3));
  EXPECT_EQ(Left(ParseGrpcTimeout("00000003H", kNow)), absl::Hours(3));
  EXPECT_EQ(Left(ParseTimeoutMillis("1500", kNow)), absl::Milliseconds(1500));
}

TEST(DeadlineHeaderTest, ZeroHasExpired) {
  EXPECT_TRUE(ParseGrpcTimeout("0n", kNow)->expired(kNow));
  EXPECT_TRUE(ParseTimeoutMillis("0", kNow)->expired(kNow));
}

// grpc-go TestDecodeTimeout: 9999999H is clamped, not wrapped around into the past.
TEST(DeadlineHeaderTest, WhatIsTooLongIsForever) {
  EXPECT_EQ(ParseGrpcTimeout("99999999H", kNow).value(), Deadline::Never());
  EXPECT_EQ(ParseGrpcTimeout("9999999H", kNow).value(), Deadline::Never());
  EXPECT_EQ(ParseTimeoutMillis("9223372036854775807", kNow).value(), Deadline::Never());
  EXPECT_EQ(ParseTimeoutMillis("9223372036854775808", kNow).value(), Deadline::Never());
  EXPECT_EQ(ParseTimeoutMillis(std::string(1000, '9'), kNow).value(), Deadline::Never());
  EXPECT_EQ(ParseTimeoutMillis(std::string(1000, '9'), kNow, absl::Hours(1)).value(),
            Deadline::Never());
}

// grpc-go's decodeTimeout goes through ParseInt, which takes signs.
TEST(DeadlineHeaderTest, RefusesWhatIsMalformed) {
  for (const char* value :
       {"", "n", "1", "1x", "1s", "1h", "-1n", "+1n", " 1n", "1n ", "1 n", "1.5S", "1nn", "S1",
        "123456789n", "000000001n", "0x1S", "1e3S", "١S"}) {
    EXPECT_EQ(ParseGrpcTimeout(value, kNow).status().code(), absl::StatusCode::kInvalidArgument)
        << value;
  }
  for (const char* value : {"", "-1", "+1", " 1", "1 ", "1.5", "1m", "0x1", "1e3", ","}) {
    EXPECT_EQ(ParseTimeoutMillis(value, kNow).status().code(), absl::StatusCode::kInvalidArgument)
        << value;
  }
  EXPECT_EQ(ParseGrpcTimeout("-5m\n", kNow).status().message(),
            "grpc-timeout is \"-5m\\n\"; it must be 1 to 8 digits and one of H, M, S, m, u, n");
  EXPECT_EQ(ParseTimeoutMillis("-5", kNow).status().message(),
            "timeout in milliseconds is \"-5\"; it must be digits alone");
  EXPECT_EQ(ParseGrpcTimeout(std::string_view("1\0n", 3), kNow).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DeadlineHeaderTest, KeepsAReserveForTheWayBack) {
  const absl::Duration reserve = absl::Milliseconds(50);
  EXPECT_EQ(Left(ParseGrpcTimeout("2S", kNow, reserve)), absl::Milliseconds(1950));
  EXPECT_EQ(Left(ParseTimeoutMillis("51", kNow, reserve)), absl::Milliseconds(1));
  EXPECT_TRUE(ParseTimeoutMillis("50", kNow, reserve)->expired(kNow));
  EXPECT_EQ(ParseTimeoutMillis("49", kNow, reserve).value(), Deadline::Past());
  EXPECT_EQ(ParseGrpcTimeout("2S", kNow, absl::Seconds(-1)).status().message(),
            "reserve is -1s; it must be finite and not negative");
  EXPECT_FALSE(ParseTimeoutMillis("2", kNow, absl::InfiniteDuration()).ok());
}

// What is read back is never later, and by less than a unit earlier.
TEST(DeadlineHeaderTest, RoundTripsLoseLessThanAUnit) {
  uint64_t state = 1;
  for (int i = 0; i < 200'000; ++i) {
    const int bits = static_cast<int>(internal::NextMixed(state) % 62) + 1;
    const auto nanos = static_cast<int64_t>(internal::NextMixed(state) >> (64 - bits)) + 1;
    const absl::Duration remaining = absl::Nanoseconds(nanos);
    const std::string grpc = FormatGrpcTimeout(remaining).value();
    ASSERT_LE(grpc.size(), 9u) << grpc;
    const int64_t read = ToNanos(Left(ParseGrpcTimeout(grpc, kNow)));
    ASSERT_LE(read, nanos) << grpc;
    ASSERT_GT(read, nanos - UnitNanos(grpc.back())) << grpc;
    ASSERT_GT(read, 0) << grpc;

    const std::string millis = FormatTimeoutMillis(remaining).value();
    const int64_t read_millis = ToNanos(Left(ParseTimeoutMillis(millis, kNow)));
    ASSERT_LE(read_millis, std::max<int64_t>(nanos, 1'000'000)) << millis;
    ASSERT_GT(read_millis, nanos - 1'000'000) << millis;
  }
}

// A server parses what strangers send.
TEST(DeadlineHeaderTest, RandomBytesAreADeadlineOrRefused) {
  const std::string alphabet("0123456789HMSmun-+. \0\xff", 22);
  uint64_t state = 7;
  int taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string value(internal::NextMixed(state) % 12, '\0');
    for (char& c : value) c = alphabet[internal::NextMixed(state) % alphabet.size()];
    for (const auto& deadline : {ParseGrpcTimeout(value, kNow, absl::Milliseconds(5)),
                                 ParseTimeoutMillis(value, kNow, absl::Milliseconds(5))}) {
      if (!deadline.ok()) {
        ASSERT_EQ(deadline.status().code(), absl::StatusCode::kInvalidArgument);
        continue;
      }
      ++taken;
      ASSERT_TRUE(deadline->is_never() || deadline->is_past() || *deadline >= Deadline(kNow));
    }
  }
  EXPECT_GT(taken, 1000);
}

// The chain: what an attempt has left bounds the calls of the server that it asks.
TEST(DeadlineHeaderTest, AServersCallsEndBeforeItsClientsAttempt) {
  testing::VirtualRuntime runtime;
  const PolicySet bounded = *PolicySet::Create({AttemptTimeout(absl::Seconds(2))});
  absl::Duration inner_left;
  const auto serve = [&](const std::string& header) {
    const Deadline deadline =
        ParseGrpcTimeout(header, runtime.Now(), absl::Milliseconds(100)).value();
    return Call({.operation = "inner", .deadline = deadline}, PolicySet(),
                [&](const Attempt& attempt) {
                  inner_left = attempt.remaining();
                  return absl::OkStatus();
                });
  };
  const absl::Status status = Call({.operation = "outer"}, bounded, [&](const Attempt& attempt) {
    runtime.Advance(absl::Milliseconds(500));
    return serve(FormatGrpcTimeout(attempt.remaining()).value());
  });
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(inner_left, absl::Milliseconds(1400));
}

}  // namespace
}  // namespace redial
