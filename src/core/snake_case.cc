#include "src/core/snake_case.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"

namespace redial::internal {

std::string SnakeCase(std::string_view name) {
  const auto upper = [&](size_t i) {
    return i < name.size() && absl::ascii_isupper(static_cast<unsigned char>(name[i]));
  };
  const auto lower = [&](size_t i) {
    return i < name.size() && absl::ascii_islower(static_cast<unsigned char>(name[i]));
  };
  std::string snake;
  bool parted = false;  // an underscore is due before the next letter
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    parted |= !absl::ascii_isalnum(c) || (i > 0 && upper(i) && (!upper(i - 1) || lower(i + 1)));
    if (!absl::ascii_isalnum(c)) continue;
    if (parted && !snake.empty()) snake += '_';
    parted = false;
    snake += absl::ascii_tolower(c);
  }
  return snake.empty() ? "unnamed" : snake;
}

}  // namespace redial::internal
