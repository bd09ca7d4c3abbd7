// A thread that does what it is told and stays meanwhile: for what belongs to the thread that did it.
//
//   testing::Other other;
//   other.Do([&] { count.Add(1); });  // over when this returns
#ifndef REDIAL_TESTS_SUPPORT_OTHER_THREAD_H_
#define REDIAL_TESTS_SUPPORT_OTHER_THREAD_H_

#include <atomic>
#include <functional>
#include <thread>
#include <utility>

namespace redial::testing {

class Other {
 public:
  Other() = default;
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  ~Other() {
    Do({});
    thread_.join();
  }
  void Do(std::function<void()> what) {
    what_ = std::move(what);
    turn_ = true;
    while (turn_) std::this_thread::yield();
  }

 private:
  std::function<void()> what_;
  std::atomic<bool> turn_ = false;
  std::thread thread_{[this] {
    for (bool over = false; !over;) {
      while (!turn_) std::this_thread::yield();
      over = !what_;
      if (!over) what_();
      turn_ = false;
    }
  }};
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_OTHER_THREAD_H_
