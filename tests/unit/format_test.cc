#include "src/core/format.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "absl/time/time.h"

namespace redial::internal {
namespace {

TEST(DurationText, KeepsAboutThreeDigits) {
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0 ms");
  EXPECT_EQ(DurationText(absl::Nanoseconds(400)), "0 ms");
  EXPECT_EQ(DurationText(absl::Microseconds(34)), "34 us");
  EXPECT_EQ(DurationText(absl::Milliseconds(1)), "1 ms");
  EXPECT_EQ(DurationText(absl::Microseconds(412'300)), "412 ms");
  EXPECT_EQ(DurationText(absl::Milliseconds(1000)), "1 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(2500)), "2.5 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(1234)), "1.23 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(1004)), "1 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(1050)), "1.05 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(12'340)), "12.3 s");
  EXPECT_EQ(DurationText(absl::Seconds(59)), "59 s");
  EXPECT_EQ(DurationText(absl::Seconds(60)), "1 min");
  EXPECT_EQ(DurationText(absl::Seconds(125)), "2 min 5 s");
  EXPECT_EQ(DurationText(absl::Minutes(200)), "3 h 20 min");
  EXPECT_EQ(DurationText(absl::Hours(48)), "48 h");
  EXPECT_EQ(DurationText(absl::InfiniteDuration()), "forever");
  EXPECT_EQ(DurationText(-absl::Milliseconds(5)), "-5 ms");
}

TEST(DurationText, RoundsIntoTheNextUnit) {
  EXPECT_EQ(DurationText(absl::Nanoseconds(999'499)), "999 us");
  EXPECT_EQ(DurationText(absl::Nanoseconds(999'500)), "1 ms");
  EXPECT_EQ(DurationText(absl::Microseconds(999'500)), "1 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(9'994)), "9.99 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(9'996)), "10 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(59'949)), "59.9 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(59'950)), "1 min");
  EXPECT_EQ(DurationText(absl::Milliseconds(3'599'500)), "1 h");
}

TEST(BytesText, IsExactWhereItIsShort) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(6), "6 B");
  EXPECT_EQ(BytesText(10'239), "10239 B");
  EXPECT_EQ(BytesText(10 * 1024), "10 KiB");
  EXPECT_EQ(BytesText(12 * 1024 + 512), "12.5 KiB");
  EXPECT_EQ(BytesText(3 * 1024 * 1024), "3 MiB");
  EXPECT_EQ(BytesText(1024 * 1024 - 1), "1 MiB");
  EXPECT_EQ(BytesText(1023 * 1024), "1023 KiB");
  EXPECT_EQ(BytesText(std::numeric_limits<uint64_t>::max()), "16 EiB");
}

TEST(Count, KnowsThePlural) {
  EXPECT_EQ(Count(0, "attempt"), "0 attempts");
  EXPECT_EQ(Count(1, "attempt"), "1 attempt");
  EXPECT_EQ(Count(3, "attempt"), "3 attempts");
}

TEST(Quote, EscapesAndCuts) {
  EXPECT_EQ(Quote("tcp://a b"), "\"tcp://a b\"");
  EXPECT_EQ(Quote("a\"\n\x01\xff"), "\"a\\\"\\n\\x01\\xff\"");
  EXPECT_EQ(Quote("abcdef", 4), "\"abcd…\"");
  EXPECT_EQ(Quote("abcd", 4), "\"abcd\"");
}

TEST(OneLine, KeepsWhatATerminalShows) {
  EXPECT_EQ(OneLine("it doesn't \"work\""), "it doesn't \"work\"");
  EXPECT_EQ(OneLine("größer — 日本 🙂"), "größer — 日本 🙂");
}

TEST(OneLine, EscapesWhatATerminalObeys) {
  EXPECT_EQ(OneLine("a\r\nb\tc"), "a\\r\\nb\\tc");
  EXPECT_EQ(OneLine("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(OneLine("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(OneLine(std::string("a\0b", 3)), "a\\x00b");
}

// CVE-2021-42574: what follows would be shown before what it follows.
TEST(OneLine, EscapesWhatTurnsTheDirectionOfText) {
  EXPECT_EQ(OneLine("a\u202eb"), "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(OneLine("\u2066\u200f\u061c"), "\\xe2\\x81\\xa6\\xe2\\x80\\x8f\\xd8\\x9c");
  EXPECT_EQ(OneLine("a\u2028b"), "a\\xe2\\x80\\xa8b");
}

TEST(OneLine, EscapesBrokenUtf8) {
  EXPECT_EQ(OneLine("\xff"), "\\xff");
  EXPECT_EQ(OneLine("\xc3"), "\\xc3");
  EXPECT_EQ(OneLine("\xe2\x80"), "\\xe2\\x80");
  EXPECT_EQ(OneLine("\xc3(x"), "\\xc3(x");
  EXPECT_EQ(OneLine("\xe0\x80\x80"), "\\xe0\\x80\\x80");
  EXPECT_EQ(OneLine("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(OneLine("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(OneLine, CutsBetweenCharacters) {
  EXPECT_EQ(OneLine("abcdef", 4), "abcd…");
  EXPECT_EQ(OneLine("abcd", 4), "abcd");
  EXPECT_EQ(OneLine("abcé", 4), "abc…");
}

}  // namespace
}  // namespace redial::internal
