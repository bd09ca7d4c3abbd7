// How a call waits: on a thread, in a fiber, or in a simulation. Everything above this header is
// written once, in plain blocking style, and runs on all of them.
//
//   redial::Runtime& runtime = redial::Runtime::Current();
//   redial::Deadline deadline = redial::Deadline::After(runtime.Now(), absl::Seconds(1));
//   redial::Event ready;
//   switch (runtime.Wait(ready, deadline, stop)) {
//     case redial::WaitResult::kReady: break;
//     case redial::WaitResult::kTimedOut: return absl::DeadlineExceededError("nobody came");
//     case redial::WaitResult::kStopped: return absl::CancelledError("stopped");
//   }
//
// Only runtimes wait, and only they read a clock. Safe from any thread; waits block the caller
// alone.
#ifndef REDIAL_RUNTIME_H_
#define REDIAL_RUNTIME_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/export.h"
#include "redial/source.h"
#include "redial/time.h"

namespace redial {

class Network;

enum class WaitResult : uint8_t { kReady, kTimedOut, kStopped };

// Work that runs beside its spawner. Joins when destroyed, so nothing outlives the scope that
// needed it. Not shared between threads.
class REDIAL_EXPORT Task {
 public:
  class Handle {
   public:
    virtual ~Handle() = default;
    virtual void Join() = 0;  // called once
  };

  Task() = default;
  explicit Task(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
  Task(Task&&) = default;
  Task& operator=(Task&& other) noexcept;
  ~Task() { Join(); }

  // Waits until the work has returned. A second call does nothing.
  void Join();

 private:
  std::unique_ptr<Handle> handle_;
};

// For redial's own calls: who is served while an attempt waits, on the attempt's thread or fiber, so
// that a call needs no thread of its own to watch over its hedges.
class WaitGuest {
 public:
  // A wait is about to begin, or goes on: whether it is to end as if stop had been requested.
  virtual bool over() const = 0;
  // When it wants to be served: once the source is ready (null: it has none), and at that time at the
  // latest. An expired one is served at once, and must then name a later one.
  virtual Source* source() = 0;
  virtual Deadline due() const = 0;
  // Doesn't wait, and throws nothing: it is called in the middle of whoever waits. May come without
  // need.
  virtual void Serve(Instant now) noexcept = 0;

  // Of the attempt that this one's call is made in; they are served together. For `ScopedGuest`.
  WaitGuest* around = nullptr;

 protected:
  ~WaitGuest() = default;
};

class REDIAL_EXPORT Runtime {
 public:
  // Results of WaitAny that aren't an index.
  static constexpr int kTimedOut = -1;
  static constexpr int kStopped = -2;

  // The runtime of the calling code: the fiber's or the simulation's inside one, else `Threads()`.
  static Runtime& Current();
  // Plain threads on the kernel's monotonic clock, to a microsecond.
  static Runtime& Threads();

  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  virtual ~Runtime();

  // Never runs backwards for a thread. On real time, what two threads read at once may differ by a
  // microsecond.
  virtual Instant Now() = 0;

  // Waits until one of `sources` is ready and returns its index, or until the deadline (kTimedOut)
  // or a stop request (kStopped). A deadline that has expired on entry returns kTimedOut and a stop
  // requested before kStopped, both at once and without a system call, whatever is ready; later,
  // something that is ready wins over both. Never early.
  int WaitAny(absl::Span<Source* const> sources, Deadline deadline, const std::stop_token& stop);
  WaitResult Wait(Source& source, Deadline deadline, const std::stop_token& stop);
  // As Wait, for who has just read the clock.
  WaitResult WaitFrom(Instant now, Source& source, Deadline deadline, const std::stop_token& stop);
  // kTimedOut when the time has come, kStopped when stop was requested before.
  WaitResult SleepUntil(Deadline deadline, const std::stop_token& stop);

  // Runs `fn` beside the caller. kResourceExhausted when no thread can be had. An exception that
  // leaves `fn` terminates.
  virtual absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) = 0;

  // Until `source` is ready, come what may: for joins and locks, which no stop may cut short. Other
  // waits also end, with kStopped, where the runtime itself is being shut down.
  virtual void WaitFor(Source& source);

  // The network that belongs to this runtime: a simulated host's. Null for the kernel's; see
  // `CurrentNetwork`.
  virtual Network* network() { return nullptr; }

  // A seed for random draws: unpredictable on real runtimes, reproducible in simulations.
  virtual uint64_t NextSeed() = 0;

  // Who is served during the waits of the calling thread or fiber, but for `WaitFor`; null for
  // nobody. See `ScopedGuest`.
  virtual WaitGuest*& guest();

 protected:
  // As WaitAny; the deadline hasn't expired at `now`, which was just read (and wasn't, where the
  // deadline is `Never()`), and no stop was requested.
  virtual int DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
                     const std::stop_token& stop) = 0;

 private:
  int WaitServing(WaitGuest& innermost, absl::Span<Source* const> sources, Deadline deadline,
                  const std::stop_token& stop);
};

// Makes `runtime` the calling thread's current one for a scope: for event loops and for the test
// kit.
class REDIAL_EXPORT ScopedRuntime {
 public:
  explicit ScopedRuntime(Runtime& runtime);
  ScopedRuntime(const ScopedRuntime&) = delete;
  ScopedRuntime& operator=(const ScopedRuntime&) = delete;
  ~ScopedRuntime();

 private:
  Runtime* const previous_;
};

// Serves `guest` in the waits of a scope of the calling thread or fiber, and with it those of the scopes
// around it; null: nobody.
class ScopedGuest {
 public:
  explicit ScopedGuest(WaitGuest* guest) : place_(Runtime::Current().guest()), previous_(place_) {
    if (guest != nullptr) guest->around = previous_;
    place_ = guest;
  }
  ScopedGuest(const ScopedGuest&) = delete;
  ScopedGuest& operator=(const ScopedGuest&) = delete;
  ~ScopedGuest() { place_ = previous_; }

 private:
  WaitGuest*& place_;
  WaitGuest* const previous_;
};

}  // namespace redial

#endif  // REDIAL_RUNTIME_H_
