// What happens later, in virtual time.
//
// Whoever acts later is a `Timer` with one entry in the heap at most that counts. Moving a timer to
// a later instant, or stopping it, touches nothing but the timer: its entry is looked at anew when
// it comes up. So a deadline that is set for each read and never reached costs no heap operation.
//
// Entries of one instant come in the order in which they were made, so that nothing depends on
// addresses.
#ifndef REDIAL_SRC_TESTING_SIMULATION_EVENT_QUEUE_H_
#define REDIAL_SRC_TESTING_SIMULATION_EVENT_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "redial/time.h"

namespace redial::testing::internal {

inline constexpr Instant kNeverDue = Instant::FromNanos(std::numeric_limits<int64_t>::max());

class EventQueue;

// The queue must outlive it.
class Timer {
 public:
  explicit Timer(EventQueue& queue) : queue_(queue) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Set(Instant due);
  void Stop();
  Instant due() const;

 protected:
  virtual ~Timer();
  // The time has come; due() is kNeverDue again. May destroy the timer.
  virtual void Fire() = 0;

 private:
  friend class EventQueue;
  // What the heap's entries point to, so that they may outlive the timer.
  struct Slot {
    Timer* timer = nullptr;
    Instant due = kNeverDue;
    Instant entry_at = kNeverDue;  // of the entry that counts
    uint64_t entry_number = 0;
    int entries = 0;
  };

  EventQueue& queue_;
  Slot* slot_ = nullptr;
};

// Used by one thread.
class EventQueue {
 public:
  // When the next timer is due; kNeverDue when none is.
  Instant Next();
  // Fires the timer that `Next` told of.
  void FireNext();

 private:
  friend class Timer;
  using Slot = Timer::Slot;
  struct Entry {
    Instant at;
    uint64_t number;
    Slot* slot;
    bool operator<(const Entry& other) const {
      return at != other.at ? at < other.at : number < other.number;
    }
  };

  Slot* Take(Timer& timer);
  void Leave(Slot* slot);
  void Push(Slot* slot, Instant at);
  void Pop();
  void SiftDown(Entry entry);

  std::vector<Entry> heap_;  // four children each: half as deep, and siblings stand in a line
  uint64_t numbers_ = 0;
  std::deque<Slot> slots_;
  std::vector<Slot*> free_;
};

inline void Timer::Set(Instant due) {
  if (slot_ == nullptr) slot_ = queue_.Take(*this);
  slot_->due = due;
  if (due < slot_->entry_at) queue_.Push(slot_, due);
}

inline void Timer::Stop() {
  if (slot_ != nullptr) slot_->due = kNeverDue;
}

inline Instant Timer::due() const { return slot_ != nullptr ? slot_->due : kNeverDue; }

inline Timer::~Timer() {
  if (slot_ != nullptr) queue_.Leave(slot_);
}

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_EVENT_QUEUE_H_
