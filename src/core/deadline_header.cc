#include "redial/deadline_header.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/core/format.h"
#include "src/core/strings.h"

namespace redial {
namespace {

// "Requests" in gRPC over HTTP2: at most eight digits, then one of these.
constexpr size_t kMostDigits = 8;
constexpr int64_t kMostUnits = 99'999'999;
struct Unit {
  char letter;
  int64_t nanos;
};
constexpr Unit kUnits[] = {{'n', 1},
                           {'u', 1'000},
                           {'m', 1'000'000},
                           {'S', 1'000'000'000},
                           {'M', 60'000'000'000},
                           {'H', 3'600'000'000'000}};
constexpr int64_t kNanosPerMilli = 1'000'000;

int64_t Whole(absl::Duration d, int64_t unit_nanos) {
  absl::Duration rest;
  return absl::IDivDuration(d, absl::Nanoseconds(unit_nanos), &rest);
}

// Digits alone; nullopt for anything else. What is too much for an int64_t is the largest one.
std::optional<int64_t> ParseDigits(std::string_view digits) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  if (digits.empty()) return std::nullopt;
  int64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const int64_t digit = c - '0';
    value = value > (kMost - digit) / 10 ? kMost : value * 10 + digit;
  }
  return value;
}

absl::StatusOr<Deadline> Until(Instant now, int64_t count, int64_t unit_nanos,
                               absl::Duration reserve) {
  if (reserve < absl::ZeroDuration() || reserve == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("reserve is ", absl::FormatDuration(reserve),
                                                   "; it must be finite and not negative"));
  }
  return Deadline::After(now, count * absl::Nanoseconds(unit_nanos) - reserve);
}

absl::Status Malformed(std::string_view what, std::string_view value, std::string_view must) {
  return absl::InvalidArgumentError(absl::StrCat(internal::ToAbsl(what), " is ",
                                                 internal::Quote(value, 40), "; it must be ",
                                                 internal::ToAbsl(must)));
}

}  // namespace

std::optional<std::string> FormatGrpcTimeout(absl::Duration remaining) {
  if (remaining == absl::InfiniteDuration()) return std::nullopt;
  if (remaining <= absl::ZeroDuration()) return "0n";
  for (const Unit& unit : kUnits) {
    const int64_t count = Whole(remaining, unit.nanos);
    // Abseil's durations have quarters of a nanosecond.
    if (count <= kMostUnits)
      return absl::StrCat(std::max<int64_t>(1, count), std::string(1, unit.letter));
  }
  return absl::StrCat(kMostUnits, "H");
}

std::optional<std::string> FormatTimeoutMillis(absl::Duration remaining) {
  if (remaining == absl::InfiniteDuration()) return std::nullopt;
  if (remaining <= absl::ZeroDuration()) return "0";
  return absl::StrCat(std::max<int64_t>(1, Whole(remaining, kNanosPerMilli)));
}

absl::StatusOr<Deadline> ParseGrpcTimeout(std::string_view value, Instant now,
                                          absl::Duration reserve) {
  const std::string_view digits = value.substr(0, value.empty() ? 0 : value.size() - 1);
  const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& u) {
    return !value.empty() && u.letter == value.back();
  });
  const std::optional<int64_t> count = ParseDigits(digits);
  if (unit == std::end(kUnits) || digits.size() > kMostDigits || !count) {
    return Malformed("grpc-timeout", value, "1 to 8 digits and one of H, M, S, m, u, n");
  }
  return Until(now, *count, unit->nanos, reserve);
}

absl::StatusOr<Deadline> ParseTimeoutMillis(std::string_view value, Instant now,
                                            absl::Duration reserve) {
  const std::optional<int64_t> count = ParseDigits(value);
  if (!count) return Malformed("timeout in milliseconds", value, "digits alone");
  return Until(now, *count, kNanosPerMilli, reserve);
}

}  // namespace redial
