#include "redial/runtime.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "absl/container/inlined_vector.h"

namespace redial {
namespace {

// Null stands for Threads(), so that a thread which never heard of redial needs no set-up.
constinit thread_local Runtime* current_runtime = nullptr;
constinit thread_local WaitGuest* thread_guest = nullptr;

#ifndef NDEBUG
void CheckClock(Instant now, Deadline deadline) {
  if (deadline.is_past() || deadline.is_never()) return;
  if (deadline.instant().is_virtual() == now.is_virtual()) return;
  std::fprintf(stderr,
               "redial: this wait's deadline was made on %s clock, but the runtime it waits on has "
               "%s one. Make deadlines from the Now() of the runtime that uses them.\n",
               now.is_virtual() ? "a real" : "a virtual",
               now.is_virtual() ? "a virtual" : "a real");
  std::abort();
}
#else
void CheckClock(Instant, Deadline) {}
#endif

WaitResult ToWaitResult(int which) {
  switch (which) {
    case Runtime::kTimedOut:
      return WaitResult::kTimedOut;
    case Runtime::kStopped:
      return WaitResult::kStopped;
    default:
      return WaitResult::kReady;
  }
}

}  // namespace

Runtime::~Runtime() = default;

Runtime& Runtime::Current() {
  Runtime* const runtime = current_runtime;
  return runtime != nullptr ? *runtime : Threads();
}

int Runtime::WaitAny(absl::Span<Source* const> sources, Deadline deadline,
                     const std::stop_token& stop) {
  Instant now;
  if (!deadline.is_never()) {
    if (deadline.is_past()) return kTimedOut;
    now = Now();
    CheckClock(now, deadline);
    if (deadline.expired(now)) return kTimedOut;
  }
  if (stop.stop_requested()) return kStopped;
  if (WaitGuest* const served = guest(); served != nullptr) [[unlikely]] {
    return WaitServing(*served, sources, deadline, stop);
  }
  return DoWait(now, sources, deadline, stop);
}

WaitGuest*& Runtime::guest() { return thread_guest; }

int Runtime::WaitServing(WaitGuest& innermost, absl::Span<Source* const> sources, Deadline deadline,
                         const std::stop_token& stop) {
  for (;;) {
    if (stop.stop_requested()) return kStopped;
    absl::InlinedVector<Source*, 8> all(sources.begin(), sources.end());
    Deadline due;
    for (WaitGuest* each = &innermost; each != nullptr; each = each->around) {
      if (each->over()) return kStopped;
      due = Earlier(due, each->due());
      if (Source* const source = each->source(); source != nullptr) all.push_back(source);
    }
    Instant now;
    if (!deadline.is_never() || !due.is_never()) now = Now();
    // First: what is due at the same time is often the end of the call, whose attempt has timed out
    // then, and wasn't told to end.
    if (deadline.expired(now)) return kTimedOut;
    if (!due.expired(now)) {
      const int which = DoWait(now, all, Earlier(deadline, due), stop);
      if (which == kTimedOut) continue;
      if (which == kStopped || static_cast<size_t>(which) < sources.size()) return which;
    }
    // Serving waits for nothing, but it may lock, spawn and tell observers.
    const ScopedGuest nobody(nullptr);
    for (WaitGuest* each = &innermost; each != nullptr; each = each->around) each->Serve(Now());
  }
}

WaitResult Runtime::Wait(Source& source, Deadline deadline, const std::stop_token& stop) {
  Source* const sources[] = {&source};
  return ToWaitResult(WaitAny(sources, deadline, stop));
}

WaitResult Runtime::WaitFrom(Instant now, Source& source, Deadline deadline,
                             const std::stop_token& stop) {
  if (!deadline.is_never()) {
    if (deadline.is_past()) return WaitResult::kTimedOut;
    CheckClock(now, deadline);
    if (deadline.expired(now)) return WaitResult::kTimedOut;
  }
  if (stop.stop_requested()) return WaitResult::kStopped;
  Source* const sources[] = {&source};
  if (WaitGuest* const served = guest(); served != nullptr) [[unlikely]] {
    return ToWaitResult(WaitServing(*served, sources, deadline, stop));
  }
  return ToWaitResult(DoWait(now, sources, deadline, stop));
}

// Nobody is served: a guest that is over would end it.
void Runtime::WaitFor(Source& source) {
  Source* const sources[] = {&source};
  while (DoWait(Instant(), sources, Deadline::Never(), {}) != 0) continue;
}

WaitResult Runtime::SleepUntil(Deadline deadline, const std::stop_token& stop) {
  return ToWaitResult(WaitAny({}, deadline, stop));
}

Task& Task::operator=(Task&& other) noexcept {
  if (this != &other) {
    Join();
    handle_ = std::move(other.handle_);
  }
  return *this;
}

void Task::Join() {
  if (handle_ == nullptr) return;
  handle_->Join();
  handle_.reset();
}

ScopedRuntime::ScopedRuntime(Runtime& runtime) : previous_(current_runtime) {
  current_runtime = &runtime;
}

ScopedRuntime::~ScopedRuntime() { current_runtime = previous_; }

}  // namespace redial
