// Bytes that were taken from the kernel and not yet by the user.
//
//   absl::Span<char> room = buffer.Room();
//   buffer.Fill(Read(room));
//   std::string line = buffer.Take(buffer.view().find('\n') + 1);
//
// It grows with what arrives, never with what somebody says will arrive. Needs outside locking.
#ifndef REDIAL_SRC_NET_READ_BUFFER_H_
#define REDIAL_SRC_NET_READ_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace redial::internal {

class ReadBuffer {
 public:
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  std::string_view view() const { return {data_.get() + begin_, size()}; }

  // Where to read to: at least a kilobyte.
  absl::Span<char> Room() {
    if (capacity_ - end_ < kLeastRoom) MakeRoom();
    return {data_.get() + end_, capacity_ - end_};
  }
  // The first `n` bytes of the room have been written.
  void Fill(size_t n) { end_ += n; }

  // The first `n` bytes, n <= size().
  std::string Take(size_t n) {
    std::string bytes(view().substr(0, n));
    Drop(n);
    return bytes;
  }
  // As much as there is and fits.
  size_t TakeInto(absl::Span<char> to) {
    const size_t n = std::min(to.size(), size());
    if (n > 0) std::memcpy(to.data(), data_.get() + begin_, n);
    Drop(n);
    return n;
  }

 private:
  static constexpr size_t kLeastRoom = 1024;
  static constexpr size_t kFirst = 4096;
  // An idle connection keeps no more than this after a long reply.
  static constexpr size_t kKept = 64 * 1024;

  void Drop(size_t n) {
    begin_ += n;
    if (!empty()) return;
    begin_ = end_ = 0;
    if (capacity_ > kKept) {
      data_.reset();
      capacity_ = 0;
    }
  }

  // Moves down where that frees half of it, else doubles, so that bytes are moved a bounded number
  // of times.
  void MakeRoom() {
    if (capacity_ - size() >= std::max(capacity_ / 2, kLeastRoom)) {
      std::memmove(data_.get(), data_.get() + begin_, size());
    } else {
      const size_t capacity = std::max(kFirst, capacity_ * 2);
      std::unique_ptr<char[]> data(new char[capacity]);
      if (!empty()) std::memcpy(data.get(), data_.get() + begin_, size());
      data_ = std::move(data);
      capacity_ = capacity;
    }
    end_ = size();
    begin_ = 0;
  }

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_READ_BUFFER_H_
