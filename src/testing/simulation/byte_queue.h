// Bytes in a row: appended at the end, taken from the front.
#ifndef REDIAL_SRC_TESTING_SIMULATION_BYTE_QUEUE_H_
#define REDIAL_SRC_TESTING_SIMULATION_BYTE_QUEUE_H_

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace redial::testing::internal {

// A value; used by one thread.
class ByteQueue {
 public:
  size_t size() const { return bytes_.size() - head_; }

  void Append(std::string_view bytes) {
    if (head_ == bytes_.size()) {
      bytes_.clear();
      head_ = 0;
    } else if (head_ > bytes_.size() / 2) {
      bytes_.erase(0, head_);
      head_ = 0;
    }
    bytes_.append(bytes);
  }
  void Take(char* to, size_t size) {
    std::memcpy(to, bytes_.data() + head_, size);
    head_ += size;
  }
  void Clear() {
    bytes_.clear();
    head_ = 0;
  }

 private:
  std::string bytes_;
  size_t head_ = 0;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_BYTE_QUEUE_H_
