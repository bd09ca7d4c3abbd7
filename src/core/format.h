// Numbers and foreign text as they stand in a sentence for a person.
//
//   DurationText(absl::Milliseconds(2500))   // "2.5 s"
//   BytesText(6)                             // "6 B"
//   Quote("tcp://a b")                         // "\"tcp://a b\""
#ifndef REDIAL_SRC_CORE_FORMAT_H_
#define REDIAL_SRC_CORE_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace redial::internal {

// Three digits are enough for a story: "250 us", "1 ms", "412 ms", "2.5 s", "12.3 s", "2 min 5 s",
// "3 h 20 min". "0 ms" for zero, "forever" for an infinite one.
std::string DurationText(absl::Duration d);

// "6 B", exact below 10 KiB; "12.5 KiB", "3 MiB" above.
std::string BytesText(uint64_t bytes);

// "1 attempt", "3 attempts".
std::string Count(uint64_t n, std::string_view noun);

// How far something came that ends with a delimiter: "3 bytes and no delimiter".
std::string UndelimitedText(uint64_t bytes);

// `text` in double quotes, with all that isn't printable ASCII escaped, and cut to `limit` bytes.
std::string Quote(std::string_view text, size_t limit = 80);

// Somebody else's text, fit to stand in one line on a terminal: control characters and broken UTF-8
// are escaped, all else is kept, and what is longer than `limit` bytes is cut.
std::string OneLine(std::string_view text, size_t limit = 300);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_FORMAT_H_
