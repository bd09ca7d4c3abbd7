// One thread at a time in each direction of a socket, and counters that only it moves.
//
//   const Turn turn(reading);
//   if (!turn.ours()) return BusyStatus(Phase::kRead);
#ifndef REDIAL_SRC_NET_TURN_H_
#define REDIAL_SRC_NET_TURN_H_

#include <atomic>
#include <cstddef>

namespace redial::internal {

// Marks one direction as taken for as long as it lives. Used by one thread.
//
// A load and a store, not an exchange: `Descriptor::Enter` already pays for one on every try. A
// second thread that comes while the first waits, which is how two threads meet, is always told so;
// two that come within the same few nanoseconds may both pass here, and `Enter` stops them.
class Turn {
 public:
  explicit Turn(std::atomic<bool>& taken)
      : taken_(taken.load(std::memory_order_relaxed) ? nullptr : &taken) {
    if (taken_ != nullptr) taken_->store(true, std::memory_order_relaxed);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (taken_ != nullptr) taken_->store(false, std::memory_order_relaxed);
  }
  bool ours() const { return taken_ != nullptr; }

 private:
  std::atomic<bool>* const taken_;
};

// Only one thread at a time adds, so that it needn't be one indivisible step.
template <typename T>
void Add(std::atomic<T>& counter, size_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_TURN_H_
