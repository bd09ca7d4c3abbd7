#include "tools/text_arguments.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "src/core/strings.h"

namespace redial::tools {

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(internal::ToAbsl(text), &duration)) {
    return absl::InvalidArgumentError(absl::StrCat("'", absl::CHexEscape(internal::ToAbsl(text)),
                                                   "' is not a duration; say 300ms, 5s or 1m30s"));
  }
  if (duration < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", internal::ToAbsl(text), "' is negative; a duration can't be"));
  }
  return duration;
}

absl::StatusOr<std::string> ParseEscapes(std::string_view text) {
  std::string plain;
  std::string error;
  if (!absl::CUnescape(internal::ToAbsl(text), &plain, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::CHexEscape(internal::ToAbsl(text)), "': ", error));
  }
  return plain;
}

}  // namespace redial::tools
