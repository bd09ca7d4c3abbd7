// Runs the fibers of all simulated hosts on one thread, in virtual time.
//
// Time stands still while a fiber runs. When none can run, it jumps to the next timer, and every
// timer of that instant fires before a fiber runs: what has become ready then wins over a deadline
// that passes then.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SCHEDULER_H_
#define REDIAL_SRC_TESTING_SIMULATION_SCHEDULER_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "redial/time.h"
#include "src/runtime/fiber/overflow.h"
#include "src/runtime/fiber/stack_pool.h"
#include "src/testing/simulation/event_queue.h"
#include "src/testing/simulation/fiber.h"
#include "src/testing/simulation/random.h"

namespace redial::testing::internal {

// Used by one thread, the one that made it.
class Scheduler {
 public:
  enum class Ended : uint8_t {
    kDone,         // no foreground fiber is left
    kTime,         // the limit has come
    kNothingLeft,  // fibers wait, and nothing is due that could end it
  };

  Scheduler(size_t stack_size, uint64_t seed, bool shuffle);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  Instant now() const { return now_; }
  EventQueue& events() { return events_; }
  // Null outside of fibers.
  Fiber* current() const { return current_; }
  bool running() const { return running_; }
  const std::list<std::unique_ptr<Fiber>>& fibers() const { return fibers_; }
  int foreground() const { return foreground_; }

  // kResourceExhausted where there is no memory for a stack.
  absl::StatusOr<std::shared_ptr<Completion>> Start(HostRuntime& host, FiberSpec spec);
  // Calls `fn` at `at`, outside of fibers.
  void At(Instant at, std::function<void()> fn);

  // Until `limit`; where `until_done`, no longer than foreground fibers are left.
  Ended Run(Instant limit, bool until_done);

  // For fibers: lets others run, until somebody wakes the current one.
  void Suspend();
  // Time passes at once. What becomes due by that happens late.
  void Advance(absl::Duration time) { now_ = now_ + time; }
  // For fibers: never returns.
  void Abandon();
  // Every later wait of these fibers stops, and so do those in progress.
  void Doom(const HostRuntime& host);
  // Fibers of a paused host that were woken go on.
  void Release(const HostRuntime& host);

  void Enqueue(Fiber& fiber);
  bool OnOwnThread() const { return ::pthread_equal(thread_, ::pthread_self()) != 0; }
  // How many fibers ran one after the other without the time going on.
  uint64_t runs_at_this_instant() const { return runs_at_this_instant_; }

 private:
  struct Call;

  void RunReady();
  void RunFiber(Fiber& fiber);
  void Finish(Fiber& fiber);

  const pthread_t thread_;
  const bool shuffle_;
  Random chance_;
  Instant now_ = Instant::VirtualOrigin();
  EventQueue events_;
  runtime_internal::StackPool stacks_;
  std::list<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> ready_;
  std::vector<Fiber*> batch_;
  std::list<std::unique_ptr<Call>> calls_;
  Fiber* current_ = nullptr;
  runtime_internal::RunningFiber running_fiber_;  // for the report of an overflow
  bool running_ = false;
  int foreground_ = 0;
  uint64_t numbers_ = 0;
  uint64_t runs_at_this_instant_ = 0;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SCHEDULER_H_
