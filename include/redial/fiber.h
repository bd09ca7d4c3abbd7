// Fibers: the same blocking code, tens of thousands of times in a few threads. Inside a fiber every
// redial wait suspends the fiber alone, and its worker thread runs others meanwhile.
//
//   auto fibers = redial::FiberRuntime::Create({.workers = 2});
//   if (!fibers.ok()) return fibers.status();
//   absl::Status ran = fibers->Run([&] {
//     auto task = redial::Runtime::Current().Spawn([&] { Work(); });   // another fiber
//     Work();
//   });
//
// A fiber stays on the worker that it began on. What blocks that worker blocks every fiber on it: a
// `std::mutex` held across a wait (take `redial::Mutex`), and calls that redial can't see, such as
// `sleep` or a library's own reads. docs/fibers.md says more, and what to do about it.
#ifndef REDIAL_FIBER_H_
#define REDIAL_FIBER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/runtime.h"
#include "redial/time.h"

namespace redial {

// A fiber that hasn't come back to its worker's loop for longer than the watchdog's limit.
struct StuckFiber {
  std::string name;
  int worker = 0;
  absl::Duration running;  // without a wait, at least
};

// A fiber that a shutdown had to leave behind.
struct FiberLeft {
  std::string name;
  bool running = false;  // it never came back to its loop; else it waits
};

// For monitoring.
struct FiberCounts {
  int fibers = 0;          // that haven't ended
  size_t descriptors = 0;  // registered with the kernel
  uint64_t switches = 0;   // to a fiber
};

struct FiberOptions {
  // Threads that run fibers, at most 1024; 0 for as many as the process may use processors.
  int workers = 0;
  // Starts no thread: the single worker (`workers` is 0 or 1) is whichever thread calls `Run`, or
  // `Shutdown`, for as long as that takes. Between two calls no fiber runs. A process that stays
  // single-threaded spares the kernel and the C library the locks that threads would need.
  bool on_calling_thread = false;
  // Bytes of address space for each fiber's stack, from 16 KiB to 1 GiB. Only the pages that were
  // touched cost memory.
  size_t stack_size = size_t{128} * 1024;
  // Whether `Runtime::Spawn` inside a fiber goes to the other workers in turn, instead of staying
  // on the caller's.
  bool spread_spawns = false;
  // How many stacks of fibers that have ended each worker keeps for the next ones, with the pages
  // that they touched. The others go back to the kernel, at the price of a few microseconds each.
  size_t kept_stacks = 16 * 1024;
  // How long the destructor waits for fibers to end.
  absl::Duration shutdown_timeout = absl::Seconds(5);
  // For debugging: a fiber that runs for so long without a wait is reported to `on_stuck`, once
  // each time, from a thread of the watchdog's own. At least 1 ms; infinite for none.
  absl::Duration watchdog = absl::InfiniteDuration();
  std::function<void(const StuckFiber&)> on_stuck = {};
  // Whether a fiber that runs over the end of its stack says so on stderr before it dies: takes the
  // process's handler of SIGSEGV, and passes on all that isn't a fiber's overflow.
  bool report_stack_overflow = true;

  // kInvalidArgument that names the field, its value and what is allowed.
  REDIAL_EXPORT absl::Status Validate() const;
};

// Worker threads and the fibers on them. Safe between threads, but for moving and destroying.
//
// A process that was forked has none of the threads: there, everything here fails with
// kFailedPrecondition, the destructor leaves all as it is, and a fiber that forked goes on alone,
// with waits that block its thread.
class REDIAL_EXPORT FiberRuntime {
 public:
  // kResourceExhausted without the descriptors or threads that it needs.
  static absl::StatusOr<FiberRuntime> Create(const FiberOptions& options = {});

  FiberRuntime(FiberRuntime&&) noexcept;
  FiberRuntime& operator=(FiberRuntime&&) noexcept;
  // Shuts down, within `FiberOptions::shutdown_timeout`. Not in one of its own fibers, which would
  // be left behind.
  ~FiberRuntime();

  // Runs `fn` in a fiber, and returns when it has. With `on_calling_thread`: kFailedPrecondition
  // while another thread is in here.
  absl::Status Run(absl::AnyInvocable<void()> fn);

  // Starts a fiber on the next worker in turn. The task may be joined on any thread and in any
  // fiber. kResourceExhausted without memory for a stack; kFailedPrecondition after a shutdown. An
  // exception that leaves `fn` terminates. Without a name it is called "fiber 17".
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn);
  absl::StatusOr<Task> Spawn(std::string name, absl::AnyInvocable<void()> fn);

  // Stops: every wait ends with kStopped but those for locks and joins, and nothing is spawned any
  // more. Waits until all fibers have ended, or until `deadline`: kDeadlineExceeded that names the
  // fibers left. They never run again and are never unwound: their stacks, and what these own, are
  // leaked; their waits are taken back. One that is busy with something else keeps its thread until
  // it comes to a wait. kFailedPrecondition in a fiber of its own, which it would wait for.
  //
  // Later ones have the same answer at once.
  absl::Status Shutdown(Deadline deadline);
  // What the shutdown left.
  std::vector<FiberLeft> left() const;

  int workers() const;
  FiberCounts counts() const;

  // Lets the other fibers of this worker run first. Only in a fiber: kFailedPrecondition elsewhere.
  static absl::Status Yield();
  // What reports call the current fiber. Only in a fiber.
  static absl::StatusOr<std::string> CurrentName();
  static absl::Status SetCurrentName(std::string name);

 private:
  struct Impl;
  explicit FiberRuntime(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace redial

#endif  // REDIAL_FIBER_H_
