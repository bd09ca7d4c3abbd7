// One fiber of a simulated host, and what it waits for.
#ifndef REDIAL_SRC_TESTING_SIMULATION_FIBER_H_
#define REDIAL_SRC_TESTING_SIMULATION_FIBER_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/time.h"
#include "src/runtime/fiber/context.h"
#include "src/runtime/fiber/stack_pool.h"
#include "src/testing/simulation/event_queue.h"

namespace redial::testing::internal {

class Fiber;
class HostRuntime;
class Scheduler;

// What a fiber's joiner waits for. Shared: whoever sets it may be about to leave.
struct Completion {
  Event done;
  bool over = false;
  std::string fiber;  // its name, for the report of a deadlock
};

struct FiberSpec {
  std::string name;
  // The simulation runs until all such have returned; others may wait for ever.
  bool foreground = true;
  absl::AnyInvocable<void()> fn;
};

// As a timer it ends its own wait. Used by one thread.
class Fiber final : public Waiter, public Timer {
 public:
  enum class State : uint8_t {
    kReady,  // in the run queue
    kRunning,
    kWaiting,
    kHeld,       // woken while its host was paused
    kAbandoned,  // never to be run again
  };

  Fiber(Scheduler& scheduler, HostRuntime& host, uint64_t number, FiberSpec spec,
        runtime_internal::Stack stack);

  // Only makes it look again: puts it into the run queue, unless it is there.
  void Wake() override;

  HostRuntime& host() const { return host_; }
  uint64_t number() const { return number_; }
  const std::string& name() const { return name_; }
  bool foreground() const { return foreground_; }
  State state() const { return state_; }
  const Completion& completion() const { return *completion_; }
  // Of the wait that it is in.
  absl::Span<Source* const> sources() const { return sources_; }
  Deadline deadline() const { return deadline_; }
  // Served in its waits.
  WaitGuest*& guest() { return guest_; }
  Instant since() const { return since_; }

 private:
  friend class HostRuntime;
  friend class Scheduler;
  void Fire() override { Wake(); }

  Scheduler& scheduler_;
  HostRuntime& host_;
  const uint64_t number_;
  const std::string name_;
  const bool foreground_;
  const std::shared_ptr<Completion> completion_;
  WaitGuest* guest_ = nullptr;
  const runtime_internal::Stack stack_;
  runtime_internal::FiberContext context_;
  std::list<std::unique_ptr<Fiber>>::iterator place_;

  State state_ = State::kReady;
  bool begun_ = false;
  bool doomed_ = false;     // its host crashed or the simulation ends: every wait stops
  bool sheltered_ = false;  // in a wait that nothing may stop
  int after_doom_ = 0;      // what it has tried since it was doomed
  int children_ = 0;        // how many it spawned, for their names

  // The wait in progress.
  absl::Span<Source* const> sources_;
  Deadline deadline_;
  Instant since_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_FIBER_H_
