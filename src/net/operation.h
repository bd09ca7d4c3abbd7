// What bounds the operations of a socket or a listener, and one such operation in progress.
//
//   Operation operation(limits, stop);
//   Outcome outcome = operation.Begin();              // before the first system call
//   ... try; on EAGAIN:  outcome = operation.Wait(io.want, poke); then try again
//
// The clock is read only where a limit needs it: without one, an operation that finds its data
// ready never asks for the time.
#ifndef REDIAL_SRC_NET_OPERATION_H_
#define REDIAL_SRC_NET_OPERATION_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/time.h"

namespace redial::internal {

// Safe between threads: any may change the limits. A change reaches a wait in progress because the
// waiter raises `waiters` before it reads them, and the changer reads `waiters` after it wrote;
// both sequentially consistent, so at least one of the two sees the other.
class Limits {
 public:
  explicit Limits(Deadline deadline) : deadline_(deadline) {}

  Deadline deadline() const { return deadline_.load(std::memory_order_seq_cst); }
  // True when somebody waits and must be poked.
  [[nodiscard]] bool set_deadline(Deadline deadline) {
    deadline_.store(deadline, std::memory_order_seq_cst);
    return waited_for();
  }
  // Nanoseconds; `kForever` for none.
  int64_t timeout_nanos() const { return timeout_.load(std::memory_order_seq_cst); }
  [[nodiscard]] bool set_timeout_nanos(int64_t nanos) {
    timeout_.store(nanos, std::memory_order_seq_cst);
    return waited_for();
  }
  bool waited_for() const { return waiters_.load(std::memory_order_seq_cst) > 0; }

  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

 private:
  friend class Operation;

  std::atomic<Deadline> deadline_;
  std::atomic<int64_t> timeout_{kForever};
  std::atomic<int> waiters_{0};
};

// kInvalidArgument for a negative timeout.
absl::Status CheckTimeout(absl::Duration timeout);
absl::Duration TimeoutFromNanos(int64_t nanos);

// Used by one thread, for one public call.
class Operation {
 public:
  enum class Outcome : uint8_t {
    kGoOn,
    kTimedOut,
    kStopped,
    kWouldWait,  // the timeout is zero: an error of its own, not a timeout
  };

  // `deadline` bounds this operation alone, beside the limits.
  Operation(Limits& limits, const std::stop_token& stop, Deadline deadline = Deadline::Never())
      : limits_(limits), stop_(stop), own_deadline_(deadline) {}

  // Whether a limit has passed already. The timeout can't have. Inline, since it is what an
  // operation that finds its data ready pays for its limits.
  Outcome Begin() {
    if (stop_.stop_requested()) return Outcome::kStopped;
    const Deadline bound = Earlier(limits_.deadline(), own_deadline_);
    if (bound.is_never()) return Outcome::kGoOn;
    if (bound.is_past()) return Outcome::kTimedOut;
    const Instant now = Runtime::Current().Now();
    if (bound.expired(now)) return Outcome::kTimedOut;
    start_ = now;
    return Outcome::kGoOn;
  }
  // Between two tries of which the first got on: the peer that never pauses is bounded too.
  Outcome Check();
  // After EAGAIN: waits for `want`, or a moment where that is null. kGoOn means: try again.
  Outcome Wait(Source* want);

  // How long it has taken: zero for one that ended before it read the clock.
  absl::Duration elapsed() const;

 private:
  Deadline Bound() const;
  Outcome WaitBounded(Runtime& runtime, Instant now, Source* want);

  Limits& limits_;
  const std::stop_token& stop_;
  const Deadline own_deadline_;
  std::optional<Instant> start_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_OPERATION_H_
