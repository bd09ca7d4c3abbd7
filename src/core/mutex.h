// `std::mutex` as clang's thread-safety analysis sees it, for short sections that never wait.
// Abseil's own mutex isn't used: a distribution's build of it hides its locking from
// ThreadSanitizer, which then reports races that don't exist. A caller that may hold a lock across
// a redial wait wants `redial::Mutex`.
//
//   StdMutex mu_;
//   int count_ ABSL_GUARDED_BY(mu_) = 0;
//   ...
//   StdMutexLock lock(mu_);
//   ++count_;
#ifndef REDIAL_SRC_CORE_MUTEX_H_
#define REDIAL_SRC_CORE_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace redial::internal {

// Not recursive. The lower-case names also let the standard's locks take it.
class ABSL_LOCKABLE StdMutex {
 public:
  StdMutex() = default;
  StdMutex(const StdMutex&) = delete;
  StdMutex& operator=(const StdMutex&) = delete;

  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  bool try_lock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return mutex_.try_lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

  // For a condition variable, which only the runtime may wait on.
  std::mutex& native() ABSL_LOCK_RETURNED(this) { return mutex_; }

 private:
  std::mutex mutex_;
};

// Holds a StdMutex for as long as it lives, or until `Release()`.
class ABSL_SCOPED_LOCKABLE StdMutexLock {
 public:
  explicit StdMutexLock(StdMutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(&mutex) {
    mutex.lock();
  }
  StdMutexLock(const StdMutexLock&) = delete;
  StdMutexLock& operator=(const StdMutexLock&) = delete;
  ~StdMutexLock() ABSL_UNLOCK_FUNCTION() {
    if (mutex_ != nullptr) mutex_->unlock();
  }

  // Ends the section early, as before calling somebody else's code. At most once.
  void Release() ABSL_UNLOCK_FUNCTION() {
    mutex_->unlock();
    mutex_ = nullptr;
  }

 private:
  StdMutex* mutex_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_MUTEX_H_
