#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "redial/failure.h"

namespace redial {
namespace {

// Where the C library's own words would mislead somebody who debugs a connection.
const char* BetterText(int error) {
  switch (error) {
    case EAGAIN:  // "Resource temporarily unavailable"
      return "not ready without waiting";
    case EADDRNOTAVAIL:  // "Cannot assign requested address"
      return "no local address or port available";
    default:
      return nullptr;
  }
}

}  // namespace

std::string ErrnoName(int error) {
  const char* name = error == 0 ? nullptr : strerrorname_np(error);
  return name == nullptr ? absl::StrCat("errno ", error) : name;
}

std::string ErrnoText(int error) {
  if (error == 0) return "no error";
  if (const char* better = BetterText(error)) return better;
  const char* description = strerrordesc_np(error);
  if (description == nullptr) return absl::StrCat("unknown error ", error);
  std::string text = description;
  // "Connection refused", but "RFS specific error".
  if (text.size() < 2 || !absl::ascii_isupper(static_cast<unsigned char>(text[1]))) {
    text[0] = absl::ascii_tolower(static_cast<unsigned char>(text[0]));
  }
  return text;
}

}  // namespace redial
