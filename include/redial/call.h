// A call: an operation, run under one deadline by a set of policies.
//
//   auto policies =
//       redial::PolicySet::Create({redial::Retry(), redial::AttemptTimeout(absl::Seconds(1))});
//   if (!policies.ok()) return policies.status();
//   auto reply = redial::Call(
//       {.operation = "fetch", .timeout = absl::Seconds(5), .idempotent = true}, *policies,
//       [&](const redial::Attempt& attempt) { return Fetch(attempt.deadline()); });
//   if (!reply.ok()) std::cerr << redial::Story(reply.status()) << '\n';
//
// The function returns `absl::Status` or `absl::StatusOr<T>`, and takes a `const Attempt&` or
// nothing. redial can't know what a plain function did: its failures count as "may have been
// executed", so that they are retried only if the operation is declared idempotent, or if the
// function says `NotSent(status)`.
//
// The error of a call is that of its last attempt, with the whole story attached (`Story`,
// `FailureOf`), except: kDeadlineExceeded when the call's deadline passed, kCancelled when it was
// stopped, and kUnavailable when a policy admitted no attempt at all. Nothing is thrown, and an
// exception that leaves the function passes through after everything reserved was given back.
#ifndef REDIAL_CALL_H_
#define REDIAL_CALL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/attempt.h"
#include "redial/export.h"
#include "redial/policy_set.h"
#include "redial/runtime.h"
#include "redial/time.h"
#include "redial/view.h"

namespace redial {

struct CallOptions {
  // For stories and reports. Needs to live for the call.
  std::string_view operation = "call";
  // Bounds everything: look-up, connects, attempts, pauses, queues. Not negative; infinite means no
  // bound.
  absl::Duration timeout = absl::Seconds(10);
  // An absolute bound from the caller's caller; the earlier one holds.
  Deadline deadline = Deadline::Never();
  // Whether running it twice does no harm.
  bool idempotent = false;
  // Who goes first where calls wait for their turn: the higher one, from -2 to 2. What lies beyond
  // counts as the nearest of these.
  int priority = 0;
  std::stop_token stop = {};
  // For random draws; the runtime's own where it isn't set.
  std::optional<uint64_t> seed = std::nullopt;
};

namespace internal {

// What an attempt came to, as far as the engine cares.
struct AttemptResult {
  const absl::Status* status = nullptr;  // stays valid until the next attempt of its slot is run
  ResultRef result;                      // likewise; of an OK status
};
// Keeps what the attempt returned in the place of its slot. Hedges run on other threads or fibers, at
// the same time, in other slots.
using AttemptFunction = absl::FunctionRef<AttemptResult(const Attempt&)>;
// As many as can be in flight, and the latest that failed.
inline constexpr int kAttemptSlots = 5;

struct CallEnd {
  absl::Status
      status;  // OK: deliver what is in the slot, whatever it is. Otherwise the call's error
  int slot = 0;
};

class REDIAL_EXPORT CallObserver {
 public:
  virtual ~CallObserver();
  virtual void Observe(const CallEvent& event) = 0;
};

struct CallContext {
  const CallOptions& options;
  const PolicySet& policies;
  std::string_view target;  // empty for a plain function
  Runtime& runtime;
  CallObserver* observer;  // beside the set's own; may be null
  bool knows_sent;         // the attempt's failures say what was sent (a client's do)
};

// Runs the whole call.
REDIAL_EXPORT CallEnd RunCall(const CallContext& context, AttemptFunction attempt);

template <class T>
struct IsStatusOr : std::false_type {};
template <class T>
struct IsStatusOr<absl::StatusOr<T>> : std::true_type {};

inline AttemptResult View(const absl::Status& status) { return {&status, ResultRef()}; }
template <class T>
AttemptResult View(const absl::StatusOr<T>& result) {
  return {&result.status(), result.ok() ? ResultRef::Of(*result) : ResultRef()};
}

// Keeps what attempts returned, each in the place of its slot. Nearly all calls use the first alone.
template <class R>
class AttemptResults {
 public:
  AttemptResults() {}
  AttemptResults(const AttemptResults&) = delete;
  AttemptResults& operator=(const AttemptResults&) = delete;
  ~AttemptResults() {
    if (uses_others_.load(std::memory_order_relaxed)) others_.~Others();
  }

  // Of different slots from several threads at once.
  std::optional<R>& operator[](int slot) {
    if (slot == 0) return first_;
    uses_others_.store(true, std::memory_order_relaxed);
    return others_[static_cast<size_t>(slot) - 1];
  }

 private:
  using Others = std::array<std::optional<R>, kAttemptSlots - 1>;
  std::optional<R> first_;
  std::atomic<bool> uses_others_{false};
  union {
    Others others_ = {};
  };
};

// The thin template around the compiled driver.
template <class R, class F>
R RunTyped(const CallContext& context, F&& run) {
  static_assert(std::is_same_v<R, absl::Status> || IsStatusOr<R>::value,
                "an operation returns absl::Status or absl::StatusOr<T>");
  AttemptResults<R> results;
  CallEnd end = RunCall(context, [&](const Attempt& attempt) {
    std::optional<R>& result = results[attempt.slot()];
    result.reset();
    result.emplace(run(attempt));
    return View(*result);
  });
  if (!end.status.ok()) return std::move(end.status);
  return *std::move(results[end.slot]);
}

}  // namespace internal

// Runs `operation` until it succeeds or the policies let it end. Waits on `Runtime::Current()`.
// Safe from any thread.
template <class F>
auto Call(const CallOptions& options, const PolicySet& policies, F&& operation) {
  internal::CallContext context{options, policies, {}, Runtime::Current(), nullptr, false};
  if constexpr (std::is_invocable_v<F&, const Attempt&>) {
    using R = std::invoke_result_t<F&, const Attempt&>;
    return internal::RunTyped<R>(context, operation);
  } else {
    using R = std::invoke_result_t<F&>;
    return internal::RunTyped<R>(context, [&](const Attempt&) -> R { return operation(); });
  }
}

}  // namespace redial

#endif  // REDIAL_CALL_H_
