#include "src/core/format.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

constexpr std::string_view kEllipsis = "…";

// `thousandths` / 1000 with at most `decimals` (1 or 2) digits after the point, rounded, and no
// trailing zeros.
std::string Decimal(uint64_t thousandths, int decimals) {
  const uint64_t step = decimals == 2 ? 10 : 100;
  const uint64_t rounded = (thousandths + step / 2) / step * step;
  std::string text = absl::StrCat(rounded / 1000);
  if (const uint64_t rest = rounded % 1000; rest != 0) {
    text += absl::StrCat(".", absl::Dec(rest, absl::kZeroPad3));
    while (text.back() == '0') text.pop_back();
  }
  return text;
}

std::string TwoUnits(int64_t large, std::string_view large_unit, int64_t small,
                     std::string_view small_unit) {
  std::string text = absl::StrCat(large, " ", ToAbsl(large_unit));
  if (small != 0) absl::StrAppend(&text, " ", small, " ", ToAbsl(small_unit));
  return text;
}

// The length of the printable UTF-8 character at the start of `text`, or 0: overlong forms,
// surrogates, the C1 control characters, which terminals obey, and what turns the direction of the
// text, which makes a line read as something else (CVE-2021-42574), don't count.
size_t PrintableCharacter(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  uint32_t code = first & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0xa0, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10ffff) return 0;
  if (code >= 0xd800 && code <= 0xdfff) return 0;
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) return 0;
  // Marks of direction, and the separators of lines and paragraphs.
  if (code == 0x200e || code == 0x200f || code == 0x061c || code == 0x2028 || code == 0x2029) {
    return 0;
  }
  return length;
}

}  // namespace

std::string DurationText(absl::Duration d) {
  if (d < absl::ZeroDuration()) return absl::StrCat("-", DurationText(-d));
  if (d == absl::InfiniteDuration()) return "forever";
  const int64_t micros = absl::ToInt64Microseconds(d + absl::Nanoseconds(500));
  if (micros == 0) return "0 ms";
  if (micros < 1000) return absl::StrCat(micros, " us");
  const int64_t millis = absl::ToInt64Milliseconds(d + absl::Microseconds(500));
  if (millis < 1000) return absl::StrCat(millis, " ms");
  if (millis < 59'950) {
    return absl::StrCat(Decimal(static_cast<uint64_t>(millis), millis < 9'995 ? 2 : 1), " s");
  }
  const int64_t seconds = absl::ToInt64Seconds(d + absl::Milliseconds(500));
  if (seconds < 3600) return TwoUnits(seconds / 60, "min", seconds % 60, "s");
  const int64_t minutes = absl::ToInt64Minutes(d + absl::Seconds(30));
  return TwoUnits(minutes / 60, "h", minutes % 60, "min");
}

std::string BytesText(uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10 * 1024) return absl::StrCat(bytes, " B");
  size_t unit = 0;
  // Stops a little before 1024 of a unit, since rounding would write "1024 KiB".
  while (bytes >= uint64_t{1023} * 1024 + 973) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(Decimal(bytes * 1000 / 1024, 1), " ", ToAbsl(kUnits[unit]));
}

std::string Count(uint64_t n, std::string_view noun) {
  return absl::StrCat(n, " ", ToAbsl(noun), n == 1 ? "" : "s");
}

std::string UndelimitedText(uint64_t bytes) {
  return absl::StrCat(Count(bytes, "byte"), " and no delimiter");
}

std::string Quote(std::string_view text, size_t limit) {
  const bool cut = text.size() > limit;
  return absl::StrCat("\"", absl::CHexEscape(ToAbsl(text.substr(0, limit))),
                      ToAbsl(cut ? kEllipsis : std::string_view()), "\"");
}

std::string OneLine(std::string_view text, size_t limit) {
  std::string line;
  while (!text.empty()) {
    const size_t length = PrintableCharacter(text);
    const size_t taken = length == 0 ? 1 : length;
    if (line.size() + (length == 0 ? 4 : length) > limit) {
      line += kEllipsis;
      break;
    }
    if (length == 0) {
      line += absl::CHexEscape(ToAbsl(text.substr(0, 1)));
    } else {
      line += text.substr(0, length);
    }
    text.remove_prefix(taken);
  }
  return line;
}

}  // namespace redial::internal
