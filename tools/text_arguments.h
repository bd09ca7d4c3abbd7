// What a person types on the command line, turned into values: durations, and text with backslash
// escapes.
#ifndef REDIAL_TOOLS_TEXT_ARGUMENTS_H_
#define REDIAL_TOOLS_TEXT_ARGUMENTS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace redial::tools {

// "300ms", "5s", "1m30s". kInvalidArgument with one sentence for anything else, for a negative
// duration, and for a bare number, which doesn't say its unit.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// "PING\r\n" as typed, with C's escapes (\r \n \t \0 \\ \x0a …). kInvalidArgument names the escape
// that isn't one.
absl::StatusOr<std::string> ParseEscapes(std::string_view text);

}  // namespace redial::tools

#endif  // REDIAL_TOOLS_TEXT_ARGUMENTS_H_
