// The timers of one worker: a heap of which each fiber has at most one place.
#ifndef REDIAL_SRC_RUNTIME_FIBER_TIMER_HEAP_H_
#define REDIAL_SRC_RUNTIME_FIBER_TIMER_HEAP_H_

#include <cstddef>
#include <vector>

#include "redial/time.h"

namespace redial::runtime_internal {

// A place in the heap, or none.
class Timer {
 public:
  bool armed() const { return place_ != kNone; }

 protected:
  Timer() = default;
  ~Timer() = default;

 private:
  friend class TimerHeap;
  static constexpr size_t kNone = static_cast<size_t>(-1);
  size_t place_ = kNone;
};

// A heap of four children to a node: it is half as deep as one of two, and a node's children share
// a cache line. Needs outside locking.
class TimerHeap {
 public:
  bool empty() const { return heap_.empty(); }
  Instant earliest() const { return heap_.front().at; }
  Timer& first() const { return *heap_.front().timer; }
  // When an armed timer fires.
  Instant at(const Timer& timer) const { return heap_[timer.place_].at; }

  // Arms it, or moves it.
  void Set(Timer& timer, Instant at);
  void Remove(Timer& timer);

 private:
  struct Node {
    Instant at;
    Timer* timer;
  };
  static constexpr size_t kChildren = 4;

  void Put(size_t place, Node node) {
    heap_[place] = node;
    node.timer->place_ = place;
  }
  // Brings what belongs at `place` or above, or below, to where it belongs.
  void Rise(size_t place, Node node);
  void Sink(size_t place, Node node);

  std::vector<Node> heap_;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_TIMER_HEAP_H_
