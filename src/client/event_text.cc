#include "src/client/event_text.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "src/core/format.h"
#include "src/core/story.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

// The columns that the character with this first byte may take. Wide ones (CJK, emoji) begin at
// U+1100, in three bytes; taking all of those for wide errs on the safe side.
size_t ColumnsOf(unsigned char first) {
  if ((first & 0xc0) == 0x80) return 0;
  return first >= 0xe0 ? 2 : 1;
}

}  // namespace

std::string SubjectText(const CallEvent& event) {
  if (event.target.empty()) return OneLine(event.operation);
  return absl::StrCat(OneLine(event.operation), " ", OneLine(event.target));
}

std::string AttemptFailedText(const CallEvent& event) {
  const AttemptRecord* record = event.record;
  // A question about a result may come with the record of an earlier attempt.
  if (record == nullptr || record->number != event.attempt ||
      record->code == absl::StatusCode::kOk) {
    return absl::StrCat("attempt ", event.attempt, " returned a result that counts as a failure");
  }
  return absl::StrCat("attempt ", event.attempt, " failed: ", AttemptText(*record));
}

std::string ChangeText(const CallEvent& event) {
  std::string who(event.policy);
  if (!event.label.empty()) absl::StrAppend(&who, " ", OneLine(event.label));
  std::string until;
  if (!event.until.is_never()) {
    until = absl::StrCat(", for ", DurationText(event.until.remaining(event.now)));
  }
  return absl::StrCat(who, " is ", ToAbsl(event.to), " now", until, "; it was ",
                      ToAbsl(event.from));
}

std::string CountdownText(absl::Duration left) {
  const int64_t tenths = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(100))) / 100;
  if (tenths < 600) return absl::StrCat(tenths / 10, ".", tenths % 10, " s");
  return DurationText(absl::Ceil(left, absl::Seconds(1)));
}

std::string FitColumns(std::string_view text, size_t columns) {
  constexpr std::string_view kEllipsis = "...";
  size_t used = 0;
  size_t room_for_ellipsis = 0;  // bytes that leave room for it
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t width = ColumnsOf(static_cast<unsigned char>(text[i]));
    if (used + width > columns) {
      std::string cut(text.substr(0, room_for_ellipsis));
      if (columns >= kEllipsis.size()) cut += kEllipsis;
      return cut;
    }
    if (width > 0 && used + kEllipsis.size() <= columns) room_for_ellipsis = i;
    used += width;
  }
  return std::string(text);
}

}  // namespace redial::internal
