// A mutex that may be held across a redial wait: it suspends the caller the way its runtime does,
// where a `std::mutex` would freeze every fiber of a worker.
//
//   redial::Mutex mu;
//   std::lock_guard lock(mu);
//   auto reply = socket.ReadUntil("\r\n");
//
// Not recursive, not fair. Safe from any thread, of course; it may be destroyed once every unlock
// has returned.
#ifndef REDIAL_MUTEX_H_
#define REDIAL_MUTEX_H_

#include <atomic>

#include "redial/export.h"
#include "redial/source.h"

namespace redial {

class REDIAL_EXPORT Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Named as the standard's locks want them.
  void lock() {
    if (!try_lock()) LockSlow();
  }
  // Sequentially consistent, as `waiters_` is: an unlock that sees no waiter is seen by the try
  // that each waiter makes before it waits.
  bool try_lock() { return !locked_.exchange(true, std::memory_order_seq_cst); }
  void unlock();

 private:
  void LockSlow();

  std::atomic<bool> locked_{false};
  std::atomic<int> waiters_{0};
  Event released_;
};

}  // namespace redial

#endif  // REDIAL_MUTEX_H_
