// Something that a call can wait for: a descriptor that may become readable or writable, or an
// `Event`.
//
//   redial::Event done;
//   auto task = runtime.Spawn([&] { Work(); done.Set(); });
//   redial::Source* sources[] = {&done, &socket_readable};
//   int which = runtime.WaitAny(sources, deadline, stop);
//
// A source latches: `Set` before a wait is not lost, and the wait that reports it consumes the
// latch. So one `Set` ends one wait; where several wait for one event, each that was let in sets it
// again for the next. The rule for descriptors is *try first, wait only after EAGAIN*, which is as
// strict as edge-triggered epoll asks for. A report may be false: try again and wait again.
//
// Safe from any thread. Destroying a source while somebody waits for it is not allowed.
#ifndef REDIAL_SOURCE_H_
#define REDIAL_SOURCE_H_

#include <atomic>
#include <cstdint>

#include "redial/export.h"

namespace redial {

class Descriptor;
class Source;

// One wait in progress, for runtimes. `Wake` is called under a source's lock or from a stop
// callback, on any thread: it only makes the wait look again.
class Waiter {
 public:
  virtual void Wake() = 0;

 protected:
  ~Waiter() = default;
};

// A waiter's place in one source's list.
struct WaitNode {
  Waiter* waiter = nullptr;
  WaitNode* prev = nullptr;
  WaitNode* next = nullptr;
  bool pinned = false;  // the wait keeps the descriptor open
};

// What an event loop keeps for a source that it registered with the kernel, so that the next wait
// on the same loop needs no system call. Made during a wait. `Release` is called once, on any
// thread and under no lock, before the descriptor closes or when another loop takes the source
// over; when it has returned, the loop never touches the source again. A loop that ends must first
// take its registrations back with `Source::TakeBack`.
class SourceRegistration {
 public:
  virtual void Release() = 0;

 protected:
  ~SourceRegistration() = default;
};

// For a few instructions that hardly ever meet: taking it is one exchange and giving it back a
// store, half of what a std::mutex costs. Whoever finds it taken lets others run.
class REDIAL_EXPORT BriefLock {
 public:
  void lock() {
    if (taken_.exchange(true, std::memory_order_acquire)) LockSlow();
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  void LockSlow();

  std::atomic<bool> taken_{false};
};

class REDIAL_EXPORT Source {
 public:
  enum class Kind : uint8_t { kEvent, kReadable, kWritable };

  // A descriptor that somebody else opens and closes (a library's): watched level-triggered, never
  // closed, never kept registered after the wait.
  Source(int foreign_fd, Kind kind) : fd_(foreign_fd), kind_(kind) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  Kind kind() const { return kind_; }
  // -1 for an event.
  int fd() const { return fd_; }
  bool foreign() const { return descriptor_ == nullptr && kind_ != Kind::kEvent; }

  // For runtimes, and for fakes of a descriptor: latches, and wakes whoever waits.
  void Set();

  // For runtimes. `BeginWait` attaches and pins the descriptor, so that it isn't closed under the
  // wait; true when the latch was set, and is now consumed, or the descriptor is closed. Each is
  // paired with `EndWait`, which also consumes when `reported`.
  bool BeginWait(WaitNode& node);
  void EndWait(WaitNode& node, bool reported);
  // Consume and EndWait at once.
  bool ConsumeAndEndWait(WaitNode& node);
  // Consumes the latch: true when it was set, and always once the descriptor is closed.
  bool Consume();

  // One loop at a time waits for a source of a descriptor, so nobody else swaps in the meantime;
  // what was there before is the caller's to release.
  SourceRegistration* registration() const { return registration_.load(std::memory_order_acquire); }
  [[nodiscard]] SourceRegistration* SwapRegistration(SourceRegistration* registration) {
    // Acquire and release: who gets a registration also gets what its maker wrote into it.
    return registration_.exchange(registration, std::memory_order_acq_rel);
  }
  // False when somebody else took it in the meantime, who will release it.
  [[nodiscard]] bool TakeBack(SourceRegistration* registration) {
    return registration_.compare_exchange_strong(registration, nullptr, std::memory_order_acq_rel);
  }

  // The loop that watches edge by edge. It is set after the registration, which reports afresh what
  // is ready, and cleared when the loop lets go (`Unwatched`).
  const void* watcher() const { return watcher_.load(std::memory_order_acquire); }
  void set_watcher(const void* loop) { watcher_.store(loop, std::memory_order_release); }
  void Unwatched(const void* loop) {
    watcher_.compare_exchange_strong(loop, nullptr, std::memory_order_acq_rel);
  }
  // From a loop that saw the end of the stream, an error or urgent data.
  void set_unsteady() { unsteady_.store(true, std::memory_order_release); }
  // Whoever has taken all that there was may wait for more without another try: bytes alone arrive,
  // and each arrival sets this source, or is found by the wait that registers it elsewhere.
  bool tells_arrivals() const {
    return is_hot() || (watcher() != nullptr && !unsteady_.load(std::memory_order_acquire));
  }

  // What a busy loop would be told soon anyhow it needn't watch. A wait for a hot source takes a
  // turn: it lets everybody else run, and reports the source unseen. A try that then finds something
  // keeps it hot (`Found`, for streams); so many turns in a row that found nothing, and the next
  // wait is a proper one. Relaxed: only the one who reads the descriptor comes here.
  static constexpr int kTurns = 2;
  bool is_hot() const { return turns_left_.load(std::memory_order_relaxed) != kIsCold; }
  int turns_left() const { return turns_left_.load(std::memory_order_relaxed); }
  void SetHot() { turns_left_.store(kTurns, std::memory_order_relaxed); }
  void SetCold() { turns_left_.store(kIsCold, std::memory_order_relaxed); }
  void TakeTurn() {
    turns_left_.store(static_cast<int8_t>(turns_left() - 1), std::memory_order_relaxed);
  }
  void Found() {
    if (is_hot() && turns_left() != kTurns) SetHot();
  }

 protected:
  Source() = default;

 private:
  friend class Descriptor;
  Source(int fd, Kind kind, Descriptor* owner) : fd_(fd), kind_(kind), descriptor_(owner) {}

  bool ConsumeLocked();
  void DetachLocked(WaitNode& node);

  const int fd_ = -1;
  const Kind kind_ = Kind::kEvent;
  Descriptor* const descriptor_ = nullptr;
  BriefLock mu_;  // never held across a wait
  WaitNode* head_ = nullptr;
  bool latched_ = false;
  std::atomic<SourceRegistration*> registration_{nullptr};
  std::atomic<const void*> watcher_{nullptr};
  std::atomic<bool> unsteady_{false};
  static constexpr int8_t kIsCold = -1;
  std::atomic<int8_t> turns_left_{kIsCold};
};

// A source of our own: somebody calls `Set`.
class Event final : public Source {
 public:
  Event() = default;
};

}  // namespace redial

#endif  // REDIAL_SOURCE_H_
