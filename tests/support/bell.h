// Wakes a thread of a test that waits for its turn in a queue.
//
//   auto bell = std::make_shared<Bell>();  // a ticket's wake target
//   EXPECT_TRUE(bell->Await());
//
// Safe between threads.
#ifndef REDIAL_TESTS_SUPPORT_BELL_H_
#define REDIAL_TESTS_SUPPORT_BELL_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "redial/ticket.h"

namespace redial::testing {

class Bell final : public WakeTarget {
 public:
  void Wake() override {
    {
      const std::lock_guard lock(mu_);
      rung_ = true;
    }
    heard_.notify_one();
  }
  // False if nobody rang for so long that somebody must have forgotten to.
  bool Await() {
    std::unique_lock lock(mu_);
    const bool heard = heard_.wait_for(lock, std::chrono::seconds(60), [&] { return rung_; });
    rung_ = false;
    return heard;
  }

 private:
  std::mutex mu_;
  std::condition_variable heard_;
  bool rung_ = false;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_BELL_H_
