// One fiber: its stack and what it waits for.
#ifndef REDIAL_SRC_RUNTIME_FIBER_FIBER_H_
#define REDIAL_SRC_RUNTIME_FIBER_FIBER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/time.h"
#include "src/runtime/fiber/context.h"
#include "src/runtime/fiber/stack_pool.h"
#include "src/runtime/fiber/timer_heap.h"

namespace redial::runtime_internal {

class Attachment;
class Worker;

// How a wait can't be lost. A fiber is waiting from before it attaches to its sources until it has
// let go of all of them. Whoever wakes it raises a bit; who finds it waiting with the bit down also
// puts it in the queue of its worker. The fiber takes the bit back with an exchange and looks at
// its latches after that, so that it sees what was latched by everybody who found the bit up.
//
// It stands in one queue at most, and belongs to its worker's thread but for `Wake`.
class Fiber final : public Waiter, public Timer {
 public:
  // Its own place takes `above` bytes at the upper end of its stack.
  Fiber(Worker& worker, std::string the_name, uint64_t the_id, absl::AnyInvocable<void()> fn,
        Stack its_stack, size_t above, std::shared_ptr<Event> when_done)
      : home(worker),
        context(std::move(fn), {its_stack.bottom, its_stack.size - above}),
        stack(its_stack),
        id(the_id),
        name(std::move(the_name)),
        done(std::move(when_done)) {}

  void Wake() override;

  // Whoever is to wake it finds it by way of its sources' locks, which publish this; but a stop may
  // have kept its callback from an earlier wait. That one either sees this, or is seen by a look at
  // the token that comes after it.
  void BeginWaiting(bool stoppable) {
    if (stoppable) {
      WaitAgain();
    } else {
      state_.store(kWaiting, std::memory_order_relaxed);
    }
  }
  // After it was woken: from here on, whoever wakes it queues it.
  void WaitAgain() { state_.exchange(kWaiting, std::memory_order_acq_rel); }
  // It let go of its sources, and ran because it was woken: it stands in no queue.
  void EndWaiting() { state_.store(kRunning, std::memory_order_relaxed); }
  // It let go of its sources without having been woken, as far as it knows. False when it stands in
  // the queue, and must be run once more from there.
  bool EndWaitingUnwoken() {
    int expected = kWaiting;
    return state_.compare_exchange_strong(expected, kRunning, std::memory_order_acq_rel);
  }
  bool waiting() const { return (state_.load(std::memory_order_relaxed) & kWaiting) != 0; }

  static constexpr int kWaitsToTrust = 4;

  std::string ReportedName() const;

  // Fetches what it needs first into the cache, and where the one behind it stands.
  void Prefetch() const;

 private:
  // What a wake-up and the loop touch stands first, and together in one cache line.
  enum State : int { kRunning = 0, kWaiting = 1, kWoken = 2 };
  std::atomic<int> state_{kRunning};

 public:
  bool timed_out = false;
  Worker& home;
  Fiber* next_in_queue = nullptr;
  // Where its stack stood when it suspended.
  const void* suspended_at = nullptr;
  // The first source that it waits for.
  const Source* awaited = nullptr;
  Attachment* attachment = nullptr;

  WaitGuest* guest = nullptr;

  // How many waits in a row began and ended on a busy loop, and how many of them it takes to trust in
  // the next one.
  int busy_waits = 0;
  int waits_to_trust = kWaitsToTrust;

  // Until when it waits. Its timer may still stand where an earlier wait put it.
  Deadline deadline = Deadline::Never();
  FiberContext context;
  const Stack stack;
  const uint64_t id;
  std::string name;  // empty for a number; guarded by its worker's lock
  std::shared_ptr<Event> done;
  // The worker's list of all its fibers, guarded by its lock.
  Fiber* older = nullptr;
  Fiber* newer = nullptr;

  // A stop wakes it. Kept from one wait to the next, since most of a fiber's waits have the same
  // token: registering means taking a lock that all who share the token share, and touching their
  // stacks. A stop that isn't meant any more only makes a wait look again.
  void WakeOn(const std::stop_token& token) {
    if (token == stop_token_) return;
    on_stop_.reset();
    stop_token_ = token;
    on_stop_.emplace(token, WakeFiber{this});
  }
  void ForgetStop() { on_stop_.reset(); }

 private:
  struct WakeFiber {
    Fiber* fiber;
    void operator()() const noexcept { fiber->Wake(); }
  };

  std::stop_token stop_token_;
  std::optional<std::stop_callback<WakeFiber>> on_stop_;
};

// Fibers in line, first in, first out, linked through themselves. Needs outside locking.
class FiberQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  Fiber& first() { return *first_; }
  void Push(Fiber& fiber) {
    fiber.next_in_queue = nullptr;
    (first_ == nullptr ? first_ : last_->next_in_queue) = &fiber;
    last_ = &fiber;
    ++size_;
  }
  // Leaves `others` empty.
  void PushAll(FiberQueue& others) {
    if (others.empty()) return;
    (first_ == nullptr ? first_ : last_->next_in_queue) = others.first_;
    last_ = others.last_;
    size_ += others.size_;
    others = FiberQueue();
  }
  Fiber& Pop() {
    Fiber& fiber = *first_;
    --size_;
    first_ = fiber.next_in_queue;
    return fiber;
  }

 private:
  Fiber* first_ = nullptr;
  Fiber* last_ = nullptr;
  size_t size_ = 0;
};

// Fibers that other threads hand to a worker. Any thread pushes, one takes.
class FiberInbox {
 public:
  bool empty() const { return last_.load(std::memory_order_seq_cst) == nullptr; }
  // Sequentially consistent, as the worker's flag that it sleeps is: either the worker sees the
  // fiber before it sleeps, or the pusher sees that it sleeps.
  void Push(Fiber& fiber) {
    Fiber* before = last_.load(std::memory_order_relaxed);
    do fiber.next_in_queue = before;
    while (!last_.compare_exchange_weak(before, &fiber, std::memory_order_seq_cst));
  }
  // Moves them to `queue`, in the order in which they came.
  void TakeAll(FiberQueue& queue) {
    if (last_.load(std::memory_order_relaxed) == nullptr) return;
    Fiber* last = last_.exchange(nullptr, std::memory_order_acquire);
    Fiber* first = nullptr;
    while (last != nullptr) {
      Fiber* const before = last->next_in_queue;
      last->next_in_queue = first;
      first = last;
      last = before;
    }
    while (first != nullptr) {
      Fiber* const after = first->next_in_queue;
      queue.Push(*first);
      first = after;
    }
  }

 private:
  std::atomic<Fiber*> last_{nullptr};
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_FIBER_H_
