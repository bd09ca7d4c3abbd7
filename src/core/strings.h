// Between the standard's string_view, which redial's interfaces use, and Abseil's, which is a type
// of its own in some builds of Abseil and the same one in others.
//
//   std::string text = absl::CHexEscape(ToAbsl(name));
#ifndef REDIAL_SRC_CORE_STRINGS_H_
#define REDIAL_SRC_CORE_STRINGS_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace redial::internal {

constexpr std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }
constexpr absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_STRINGS_H_
