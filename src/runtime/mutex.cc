#include "redial/mutex.h"

#include "redial/runtime.h"

namespace redial {

// Each side writes its own flag and then reads the other's: the waiter `waiters_`, then `locked_`;
// the unlocker `locked_`, then `waiters_`. In the single order of sequentially consistent
// operations one of them sees the other, so no waiter sleeps on a free mutex.

void Mutex::LockSlow() {
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  while (!try_lock()) Runtime::Current().WaitFor(released_);
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

void Mutex::unlock() {
  locked_.store(false, std::memory_order_seq_cst);
  if (waiters_.load(std::memory_order_seq_cst) > 0) released_.Set();
}

}  // namespace redial
