// A worker that runs fibers: what `Runtime` asks of any event loop, in little. Subclasses say what
// it does when no fiber can run.
#ifndef REDIAL_TESTS_CONFORMANCE_FIBER_SCHEDULER_H_
#define REDIAL_TESTS_CONFORMANCE_FIBER_SCHEDULER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/time.h"
#include "src/runtime/fiber/stack_pool.h"

namespace redial::conformance {

// Run is for one thread; Start, Stop and the waking of fibers are for any.
class FiberScheduler : public Runtime {
 public:
  FiberScheduler();
  ~FiberScheduler() override;

  // Runs fibers until Stop was called and none is left.
  void Run();
  void Stop();

  // A new fiber on this worker.
  Task Start(absl::AnyInvocable<void()> fn);
  // A new fiber on the neighbour, so that tasks of one body run on different workers.
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) override;
  uint64_t NextSeed() override;

 protected:
  // Waits until `deadline`, an event of the kernel's, or a Notify.
  virtual void Idle(Deadline deadline) = 0;
  // From any thread: ends Idle.
  virtual void Notify() = 0;
  virtual FiberScheduler& Neighbour() { return *this; }
  // Before and after a wait for a source of a descriptor.
  virtual void Watch(Source&) {}
  virtual void Unwatch(Source&) {}

  int DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
             const std::stop_token& stop) override;

 private:
  class Fiber;
  class FiberTask;
  class Attachment;

  void Enqueue(Fiber* fiber);
  void RunBatch();
  void RunFiber(Fiber* fiber);
  void FireTimers();
  bool HasReady();
  // Lets other fibers run until somebody wakes the current one.
  void Suspend();

  std::mutex mu_;
  std::deque<Fiber*> ready_;                                // guarded by mu_
  runtime_internal::StackPool stacks_{size_t{256} * 1024};  // guarded by mu_
  std::atomic<bool> stopping_{false};
  std::atomic<int> live_{0};
  std::atomic<uint64_t> seed_{0};

  // The worker's thread alone.
  Fiber* current_ = nullptr;
  std::set<std::pair<Deadline, Fiber*>> timers_;
};

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_FIBER_SCHEDULER_H_
