// Text that is put together on the stack as long as it is short: what is made of it often has a place
// of its own, and shouldn't be paid for twice.
//
//   ShortText text;
//   text.Append("PING");
//   absl::Status status(code, ToAbsl(text.view()));
//
// Not shared between threads.
#ifndef REDIAL_SRC_CORE_SHORT_TEXT_H_
#define REDIAL_SRC_CORE_SHORT_TEXT_H_

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace redial::internal {

class ShortText {
 public:
  ShortText() {}  // NOLINT: what isn't used of `small_` isn't written either
  ShortText(const ShortText&) = delete;
  ShortText& operator=(const ShortText&) = delete;

  void Append(std::string_view more) {
    if (more.empty()) return;  // whose data may be null
    if (large_.empty() && more.size() <= kSmall - size_) {
      std::memcpy(small_ + size_, more.data(), more.size());
    } else {
      if (large_.empty()) large_.assign(small_, size_);
      large_.append(more);
    }
    size_ += more.size();
  }
  std::string_view view() const { return {large_.empty() ? small_ : large_.data(), size_}; }

 private:
  static constexpr size_t kSmall = 240;
  size_t size_ = 0;
  char small_[kSmall];
  std::string large_;  // empty while all fits
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_SHORT_TEXT_H_
