#include "src/testing/simulation/event_queue.h"

#include <algorithm>

namespace redial::testing::internal {
namespace {

constexpr size_t kChildren = 4;

}  // namespace

EventQueue::Slot* EventQueue::Take(Timer& timer) {
  Slot* slot = nullptr;
  if (free_.empty()) {
    slot = &slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slot->timer = &timer;
  return slot;
}

void EventQueue::Leave(Slot* slot) {
  slot->timer = nullptr;
  slot->due = kNeverDue;
  if (slot->entries == 0) free_.push_back(slot);
}

void EventQueue::Push(Slot* slot, Instant at) {
  slot->entry_at = at;
  slot->entry_number = ++numbers_;
  ++slot->entries;
  const Entry entry{at, numbers_, slot};
  size_t hole = heap_.size();
  heap_.push_back(entry);
  while (hole > 0) {
    const size_t parent = (hole - 1) / kChildren;
    if (!(entry < heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = entry;
}

void EventQueue::Pop() {
  --heap_.front().slot->entries;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) SiftDown(last);
}

void EventQueue::SiftDown(Entry entry) {
  size_t hole = 0;
  for (;;) {
    const size_t first = hole * kChildren + 1;
    if (first >= heap_.size()) break;
    const size_t end = std::min(first + kChildren, heap_.size());
    size_t least = first;
    for (size_t i = first + 1; i < end; ++i) {
      if (heap_[i] < heap_[least]) least = i;
    }
    if (!(heap_[least] < entry)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  heap_[hole] = entry;
}

Instant EventQueue::Next() {
  while (!heap_.empty()) {
    const Entry top = heap_.front();
    Slot* const slot = top.slot;
    const bool counts = slot->entry_number == top.number;
    if (counts && slot->due == top.at) return top.at;
    Pop();
    if (counts) {
      // Moved to a later instant, or stopped.
      slot->entry_at = kNeverDue;
      if (slot->due != kNeverDue) Push(slot, slot->due);
    }
    if (slot->timer == nullptr && slot->entries == 0) {
      slot->entry_at = kNeverDue;
      free_.push_back(slot);
    }
  }
  return kNeverDue;
}

void EventQueue::FireNext() {
  Slot* const slot = heap_.front().slot;
  Pop();
  slot->entry_at = kNeverDue;
  slot->due = kNeverDue;
  slot->timer->Fire();
}

}  // namespace redial::testing::internal
