// What a policy says of a configuration that makes no sense: the field, its value, what is allowed.
//
//   return Invalid("Retry", "max_attempts", absl::StrCat(n), "be at least 1");
//   // "Retry.max_attempts is 0; it must be at least 1"
#ifndef REDIAL_POLICIES_INVALID_H_
#define REDIAL_POLICIES_INVALID_H_

#include <cmath>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "src/core/strings.h"

namespace redial::internal {

inline absl::Status Invalid(std::string_view policy, std::string_view field, std::string_view value,
                            std::string_view must) {
  return absl::InvalidArgumentError(absl::StrCat(ToAbsl(policy), ".", ToAbsl(field), " is ",
                                                 ToAbsl(value), "; it must ", ToAbsl(must)));
}
inline absl::Status Invalid(std::string_view policy, std::string_view field, double value,
                            std::string_view must) {
  return Invalid(policy, field, ToStd(std::isnan(value) ? "NaN" : absl::StrCat(value)), must);
}
inline absl::Status Invalid(std::string_view policy, std::string_view field, absl::Duration value,
                            std::string_view must) {
  return Invalid(policy, field, ToStd(absl::FormatDuration(value)), must);
}

// OK, or what is wrong with a number that isn't from `least` to `most`. NaN never is.
template <class Number>
absl::Status CheckFromTo(std::string_view policy, std::string_view field, Number value,
                         Number least, Number most) {
  if (value >= least && value <= most) return absl::OkStatus();
  const std::string must = absl::StrCat("be from ", least, " to ", most);
  if (std::isnan(static_cast<double>(value)))
    return Invalid(policy, field, std::string_view("NaN"), must);
  const std::string text = absl::StrCat(value);
  return Invalid(policy, field, std::string_view(text), must);
}

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_INVALID_H_
