// A count that many threads raise and lower, and that is never raised above a limit which may change
// meanwhile. Count, limit and the limit's epoch stand in one word, so that each change of one of them
// sees the others as they are.
//
//   BoundedCount count(20);
//   uint64_t entry = 0;
//   if (!count.Enter(entry)) return Refuse();
//   ...
//   if (count.Leave().epoch == BoundedCount::Read(entry).epoch) Learn();
//
// While little of the limit is in use, a thread may keep its place for its next entry (see PermitHands),
// and writes nothing that others write: `OpenHands` begins that. Such a place stays in the count. So
// hands are open only while twice the count is below the limit, as one more bit of the word tells. Before
// an entry or a lower limit would end that, the hands are closed and what lies in them leaves the count.
// Hence nobody is refused for a place that isn't in use, and a count of half of the limit or more is exact.
//
// Safe between threads, but not to be inlined on both sides of a fiber's switch: see ThreadSlot.
// Relaxed throughout: it publishes nothing but itself.
#ifndef REDIAL_POLICIES_BOUNDED_COUNT_H_
#define REDIAL_POLICIES_BOUNDED_COUNT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "src/core/mutex.h"
#include "src/core/permit_hands.h"
#include "src/core/striped.h"

namespace redial::internal {

class BoundedCount {
 public:
  static constexpr int64_t kMost = (1 << 20) - 1;

  struct Reading {
    int64_t count;  // places that are kept included
    int64_t limit;
    uint32_t epoch;  // 23 bits, then begins again
  };
  static constexpr Reading Read(uint64_t word) {
    return {static_cast<int64_t>(word & kMask), static_cast<int64_t>(word >> kBits & kMask),
            static_cast<uint32_t>(word >> kEpochShift)};
  }

  // Limits are from 0 to `kMost`.
  explicit BoundedCount(int64_t limit) : word_(static_cast<uint64_t>(limit) << kBits) {}

  Reading reading() const { return Read(word_.load(std::memory_order_relaxed)); }
  // Without places that are kept; those that come and go meanwhile may be missed.
  int64_t in_use() const {
    const StdMutexLock lock(mu_);
    return std::max<int64_t>(0, reading().count - hands_.Held());
  }

  // Raises the count by one, unless the limit forbids it. `entry` then tells what it has become.
  bool Enter(uint64_t& entry) {
    const PermitHands::Answer kept = hands_.Take();
    if (kept == PermitHands::Answer::kYes) [[likely]] {
      entry = word_.load(std::memory_order_relaxed);
      return true;
    }
    if (kept == PermitHands::Answer::kRecalled) LeaveFromOwnHand();
    uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      while (MustCloseBefore(word + 1)) {
        CloseHands();
        word = word_.load(std::memory_order_relaxed);
      }
      while (Read(word).count >= Read(word).limit) {
        if (!hands_.MayHaveMore() || !LeaveFromHands()) return false;
        word = word_.load(std::memory_order_relaxed);
      }
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_relaxed));
    entry = word + 1;
    return true;
  }
  // Whether `Enter` is worth a try.
  bool MayEnter() const {
    const Reading now = reading();
    return now.count < now.limit || hands_.MayHaveMore();
  }
  // Lowers it by one, or keeps the place; once for each `Enter`.
  Reading Leave() {
    const PermitHands::Answer kept = hands_.Give();
    if (kept == PermitHands::Answer::kNo) {
      return Read(word_.fetch_sub(1, std::memory_order_relaxed) - 1);
    }
    if (kept == PermitHands::Answer::kRecalled) LeaveFromOwnHand();
    return reading();
  }

  // The count stays, also above the new limit.
  void SetLimit(int64_t limit, bool begins_epoch) {
    uint64_t word = word_.load(std::memory_order_relaxed);
    uint64_t next = 0;
    do {
      while (MustCloseBefore(WithLimit(word, limit))) {
        CloseHands();
        word = word_.load(std::memory_order_relaxed);
      }
      next = WithLimit(word, limit) + (begins_epoch ? uint64_t{1} << kEpochShift : 0);
    } while (!word_.compare_exchange_weak(word, next, std::memory_order_relaxed));
  }

  // If at most a quarter of the limit is taken, and that isn't next to nothing.
  void OpenHands() {
    const StdMutexLock lock(mu_);
    if (hands_.open() || !hands_.usable()) return;
    uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      const Reading now = Read(word);
      if (now.limit < kLeastForHands || 4 * now.count > now.limit) return;
    } while (!word_.compare_exchange_weak(word, word | kHandsOpen, std::memory_order_relaxed));
    hands_.Open();
  }

 private:
  static constexpr int kBits = 20;
  static constexpr uint64_t kMask = kMost;
  static constexpr uint64_t kHandsOpen = uint64_t{1} << 2 * kBits;
  static constexpr int kEpochShift = 2 * kBits + 1;
  static constexpr int64_t kLeastForHands = 8;

  static uint64_t WithLimit(uint64_t word, int64_t limit) {
    return (word & ~(kMask << kBits)) | static_cast<uint64_t>(limit) << kBits;
  }
  // Whether the hands are open and must not be when the word becomes this.
  static bool MustCloseBefore(uint64_t word) {
    const Reading then = Read(word);
    return (word & kHandsOpen) != 0 &&
           (2 * then.count >= then.limit || then.limit < kLeastForHands);
  }

  [[gnu::cold, gnu::noinline]] void CloseHands() {
    const StdMutexLock lock(mu_);
    if (!hands_.open()) return;  // another thread was faster
    const auto kept = static_cast<uint64_t>(hands_.Recall());
    word_.fetch_sub(kHandsOpen + kept, std::memory_order_relaxed);
  }
  // Of hands that are closed: what a recall has missed or left stranded. Returns whether there is room
  // now.
  [[gnu::cold, gnu::noinline]] bool LeaveFromHands() {
    const StdMutexLock lock(mu_);
    if (hands_.open()) return true;  // there is more to be had
    const int64_t kept = hands_.TakeOwn() + hands_.Recall();
    word_.fetch_sub(static_cast<uint64_t>(kept), std::memory_order_relaxed);
    return reading().count < reading().limit;  // another thread may have found what there was
  }
  [[gnu::cold, gnu::noinline]] void LeaveFromOwnHand() {
    const StdMutexLock lock(mu_);
    word_.fetch_sub(static_cast<uint64_t>(hands_.TakeOwn()), std::memory_order_relaxed);
  }

  // By itself: every attempt reads it, and writes it unless it has kept its place.
  alignas(kStripeSize) std::atomic<uint64_t> word_;
  PermitHands hands_;
  mutable StdMutex mu_;  // for opening and closing the hands; whoever has it asks for no other lock
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_BOUNDED_COUNT_H_
