#include "src/runtime/fiber/timer_heap.h"

#include <algorithm>

namespace redial::runtime_internal {

void TimerHeap::Set(Timer& timer, Instant at) {
  const Node node{at, &timer};
  if (!timer.armed()) {
    heap_.push_back(node);
    Rise(heap_.size() - 1, node);
  } else if (at < heap_[timer.place_].at) {
    Rise(timer.place_, node);
  } else {
    Sink(timer.place_, node);
  }
}

void TimerHeap::Remove(Timer& timer) {
  if (!timer.armed()) return;
  const size_t place = timer.place_;
  timer.place_ = Timer::kNone;
  const Node last = heap_.back();
  heap_.pop_back();
  if (place == heap_.size()) return;
  const bool rises = place > 0 && last.at < heap_[(place - 1) / kChildren].at;
  rises ? Rise(place, last) : Sink(place, last);
}

void TimerHeap::Rise(size_t place, Node node) {
  while (place > 0) {
    const size_t parent = (place - 1) / kChildren;
    if (heap_[parent].at <= node.at) break;
    Put(place, heap_[parent]);
    place = parent;
  }
  Put(place, node);
}

void TimerHeap::Sink(size_t place, Node node) {
  for (;;) {
    const size_t begin = place * kChildren + 1;
    if (begin >= heap_.size()) break;
    const size_t end = std::min(begin + kChildren, heap_.size());
    size_t least = begin;
    for (size_t child = begin + 1; child < end; ++child) {
      if (heap_[child].at < heap_[least].at) least = child;
    }
    if (node.at <= heap_[least].at) break;
    Put(place, heap_[least]);
    place = least;
  }
  Put(place, node);
}

}  // namespace redial::runtime_internal
