// A thread that runs fibers, and the `Runtime` that they see.
#ifndef REDIAL_SRC_RUNTIME_FIBER_WORKER_H_
#define REDIAL_SRC_RUNTIME_FIBER_WORKER_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redial/fiber.h"
#include "redial/runtime.h"
#include "src/core/mutex.h"
#include "src/runtime/fiber/fiber.h"
#include "src/runtime/fiber/poller.h"
#include "src/runtime/fiber/stack_pool.h"
#include "src/runtime/fiber/timer_heap.h"

namespace redial::runtime_internal {

class Worker;

absl::Status ForkedStatus();

// What the workers of one runtime share. Outlives them all.
struct Fleet {
  explicit Fleet(const FiberOptions& the_options) : options(the_options) {}
  // The next worker in turn, but for `other` if there is a choice.
  Worker& Next(const Worker* other = nullptr) {
    Worker* const worker = Turn();
    return worker != other ? *worker : *Turn();
  }
  Worker* Turn() { return workers[next.fetch_add(1, std::memory_order_relaxed) % workers.size()]; }

  const FiberOptions options;
  std::vector<Worker*> workers;
  std::atomic<uint32_t> next{0};
  std::atomic<uint64_t> last_id{0};
};

// Its loop, until it is told to stop: run what can run, fire the timers that are due, ask the
// kernel what is ready, and sleep in there when nothing is.
//
// Launch, Stop, Abandon and what `Runtime` says come from any thread. A wait on a thread that isn't
// this worker's is left to the runtime of that thread.
class Worker final : public Runtime {
 public:
  Worker(std::shared_ptr<Fleet> fleet, int index);
  ~Worker() override;  // its thread has ended, or was never started

  // The worker whose thread this is, or null.
  static Worker* OfThisThread();
  // The fiber that runs on this thread, or null.
  static Fiber* CurrentFiber();

  absl::Status Open() { return poller_.Open(); }
  absl::Status Start();
  // Without Start: who has the loop is the worker while it runs it. False while another thread has.
  // Acquire and release: the next thread sees what this one left.
  bool TakeLoop() { return !loop_taken_.exchange(true, std::memory_order_acquire); }
  void GiveLoop() { loop_taken_.store(false, std::memory_order_release); }
  // Runs it until `finished`, which a fiber sets.
  void RunHere(const bool& finished);

  absl::StatusOr<Task> Launch(std::string name, absl::AnyInvocable<void()> fn);
  void Enqueue(Fiber& fiber);
  void Yield();

  // Every wait ends, and the loop once no fiber is left.
  void Stop();
  // Whether the loop has ended by `deadline`, and its thread with it.
  bool AwaitEnd(Runtime& runtime, Deadline deadline);
  // The loop ends though there are fibers, as soon as the running one comes back to it.
  void Abandon();
  // After Abandon, when the loop doesn't end. The object is nobody's then, and stays.
  void LeaveThread();
  bool left_alone() const { return left_alone_; }

  // For reports.
  std::vector<FiberLeft> Fibers();
  std::string NameOf(Fiber& fiber);
  void Rename(Fiber& fiber, std::string name);
  // How often it switched to a fiber, odd while one runs.
  uint64_t switches() const { return switches_.load(std::memory_order_acquire); }
  std::string RunningName();
  bool forked() const { return poller_.forked(); }
  void AddCounts(FiberCounts& counts);
  int index() const { return index_; }
  const Fleet& fleet() const { return *fleet_; }

  Instant Now() override;
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) override;
  void WaitFor(Source& source) override;
  uint64_t NextSeed() override;
  WaitGuest*& guest() override;

 protected:
  int DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
             const std::stop_token& stop) override;

 private:
  friend class Attachment;

  // So many others to run make a loop busy: what a fiber asked its peer for is there by its turn.
  static constexpr size_t kBusy = 16;

  // The wait of the current fiber, with a node for each source.
  int Wait(Fiber& fiber, Instant now, absl::Span<Source* const> sources, WaitNode* nodes,
           Deadline deadline, const std::stop_token& stop, bool stoppable);
  [[gnu::noinline]] int WaitForSeveral(Fiber& fiber, Instant now, absl::Span<Source* const> sources,
                                       Deadline deadline, const std::stop_token& stop);
  // A wait for a source that is hot. False when it must be a proper one: the last turn found
  // nothing, or few are there to let run. See docs/decisions/busy-workers-take-turns.md.
  bool TakeTurn(Fiber& fiber, Source& source);
  // After a proper wait: what was waited for so often while the loop was busy becomes hot.
  void LearnFrom(Fiber& fiber, Source& source, bool was_busy);
  int SuspendUntilReady(Fiber& fiber, Attachment& attachment, Deadline deadline,
                        const std::stop_token& stop, bool stoppable);
  // What ends a wait although no source is ready, or Attachment::kNone.
  int WhyElse(const Fiber& fiber, const std::stop_token& stop, bool stoppable) const;
  // The current fiber, if it is this worker's and may suspend.
  Fiber* Suspendable();
  // Whose waits those on this thread are, if not this worker's.
  Runtime& Elsewhere();
  void Suspend(Fiber& fiber);
  void ArmTimer(Fiber& fiber, Deadline deadline);

  static void* ThreadMain(void* self);
  void LoopHere();
  bool EndHere(Deadline deadline);
  // The loop is to return, though there may be work.
  bool Enough();
  void Loop();
  void RunBatch();
  void Run(Fiber& fiber);
  void Finish(Fiber& fiber);
  void FireTimers(Instant now);
  void Poll();
  std::optional<int64_t> TimeToSleep();
  void WakeAll();
  void Withdraw();
  bool MayEnd();
  void LeaveFibers();
  // No other fiber runs any more.
  bool over() const { return over_ || abandoned_.load(std::memory_order_acquire); }
  Fiber* Make(std::string name, absl::AnyInvocable<void()> fn, std::shared_ptr<Event> done);

  const std::shared_ptr<Fleet> fleet_;
  const int index_;
  pthread_t thread_{};
  bool has_thread_ = false;
  std::atomic<bool> loop_taken_{false};
  Poller poller_;

  // Changed by the worker's thread alone.
  FiberQueue queue_;
  // Those that took a turn: they come after whoever the kernel's next events are for, which may be
  // the one they wait for.
  FiberQueue turns_;
  TimerHeap timers_;
  std::atomic<Fiber*> current_{nullptr};
  std::atomic<uint64_t> switches_{0};
  uint64_t polls_ = 0;      // how often it asked the kernel,
  uint64_t last_idle_ = 0;  // and when it last had little to do
  bool woke_all_ = false;
  bool over_ = false;  // the process was forked by a fiber
  // Until when the loop goes on, if not for good.
  const bool* finished_ = nullptr;
  Deadline loop_deadline_ = Deadline::Never();

  FiberInbox inbox_;
  // In the kernel, or about to be: whoever brings a fiber must notify. See FiberInbox::Push.
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> abandoned_{false};
  std::atomic<int> live_{0};
  std::atomic<bool> has_ended_{false};
  bool quiet_ = false;
  bool left_alone_ = false;
  Event ended_;

  internal::StdMutex mu_;
  StackPool stacks_ ABSL_GUARDED_BY(mu_);
  Fiber* newest_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_WORKER_H_
