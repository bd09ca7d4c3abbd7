// How a fiber waits.
#include <algorithm>
#include <cstddef>

#include "absl/container/inlined_vector.h"
#include "src/runtime/fiber/attachment.h"
#include "src/runtime/fiber/worker.h"

namespace redial::runtime_internal {
namespace {

// How long a source that the kernel can't watch goes without a try.
constexpr int64_t kSliceNanos = 10'000'000;

// So many times longer it takes to trust again after trust was misplaced.
constexpr int kDoubt = 4;
constexpr int kMostDoubt = 1 << 16;

}  // namespace

Fiber* Worker::Suspendable() {
  return OfThisThread() == this && !poller_.forked() ? current_.load(std::memory_order_relaxed)
                                                     : nullptr;
}

WaitGuest*& Worker::guest() {
  Fiber* const fiber = Suspendable();
  return fiber != nullptr ? fiber->guest : Runtime::guest();
}

Runtime& Worker::Elsewhere() {
  Runtime& current = Runtime::Current();
  return &current != this ? current : Runtime::Threads();
}

int Worker::DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
                   const std::stop_token& stop) {
  Fiber* const fiber = Suspendable();
  if (fiber == nullptr) return Elsewhere().WaitAny(sources, deadline, stop);
  if (sources.size() != 1) return WaitForSeveral(*fiber, now, sources, deadline, stop);
  Source& source = *sources[0];
  if (source.is_hot() && TakeTurn(*fiber, source)) return 0;
  WaitNode node;
  const uint64_t began = polls_;
  const int result = Wait(*fiber, now, sources, &node, deadline, stop, /*stoppable=*/true);
  if (result == 0) LearnFrom(*fiber, source, /*was_busy=*/last_idle_ <= began);
  return result;
}

bool Worker::TakeTurn(Fiber& fiber, Source& source) {
  const bool disappointed = source.turns_left() == 0;
  // Stopping, a wait must say so.
  const bool is_busy = queue_.size() + turns_.size() >= kBusy;
  if (!disappointed && is_busy && !stopping_.load(std::memory_order_relaxed)) {
    source.TakeTurn();
    turns_.Push(fiber);
    Suspend(fiber);
    return true;
  }
  fiber.waits_to_trust =
      disappointed ? std::min(fiber.waits_to_trust * kDoubt, kMostDoubt) : Fiber::kWaitsToTrust;
  source.SetCold();
  return false;
}

void Worker::LearnFrom(Fiber& fiber, Source& source, bool was_busy) {
  if (source.kind() != Source::Kind::kReadable) return;
  fiber.busy_waits = was_busy ? fiber.busy_waits + 1 : 0;
  if (fiber.busy_waits < fiber.waits_to_trust || !source.tells_arrivals()) return;
  fiber.busy_waits = 0;
  // Pinned, the descriptor keeps its number while it is taken out of the kernel's set.
  WaitNode node;
  node.waiter = &fiber;
  source.BeginWait(node);
  if (node.pinned) {
    poller_.Rest(source);
    source.SetHot();
  }
  source.EndWait(node, /*reported=*/true);
}

int Worker::WaitForSeveral(Fiber& fiber, Instant now, absl::Span<Source* const> sources,
                           Deadline deadline, const std::stop_token& stop) {
  absl::InlinedVector<WaitNode, 4> nodes(sources.size());
  return Wait(fiber, now, sources, nodes.data(), deadline, stop, /*stoppable=*/true);
}

void Worker::WaitFor(Source& source) {
  Fiber* const fiber = Suspendable();
  if (fiber == nullptr) return Elsewhere().WaitFor(source);
  Source* const sources[] = {&source};
  WaitNode node;
  Wait(*fiber, Instant(), sources, &node, Deadline::Never(), {}, /*stoppable=*/false);
}

int Worker::Wait(Fiber& fiber, Instant now, absl::Span<Source* const> sources, WaitNode* nodes,
                 Deadline deadline, const std::stop_token& stop, bool stoppable) {
  if (stopping_.load(std::memory_order_relaxed)) [[unlikely]] {
    // Left behind already: it goes no further.
    while (abandoned_.load(std::memory_order_acquire)) Suspend(fiber);
    if (stoppable) {
      // Others run first, whatever this one does about it.
      Yield();
      return kStopped;
    }
  }
  const bool has_token = stop.stop_possible();
  if (has_token) fiber.WakeOn(stop);
  fiber.BeginWaiting(has_token);
  Attachment attachment(fiber, poller_, sources, nodes);
  int result = attachment.ready();
  if (result == Attachment::kNone && has_token && stop.stop_requested()) result = kStopped;
  if (result != Attachment::kNone) {
    attachment.Detach();
    if (!fiber.EndWaitingUnwoken()) Suspend(fiber);
    fiber.EndWaiting();
    return result;
  }
  Deadline bound = deadline;
  if (attachment.unwatched() != Attachment::kNone) [[unlikely]] {
    if (deadline.is_never()) now = Now();
    bound = Earlier(deadline, Deadline::AfterNanos(now, kSliceNanos));
  }
  result = SuspendUntilReady(fiber, attachment, bound, stop, stoppable);
  if (result == kTimedOut && bound != deadline && !deadline.expired(Now())) {
    return attachment.unwatched();  // a false report: it will be tried
  }
  return result;
}

int Worker::SuspendUntilReady(Fiber& fiber, Attachment& attachment, Deadline deadline,
                              const std::stop_token& stop, bool stoppable) {
  if (!deadline.is_never()) ArmTimer(fiber, deadline);
  int result = Attachment::kNone;
  bool woken = true;
  for (;;) {
    Suspend(fiber);
    // Woken: further wake-ups do nothing but latch.
    result = attachment.Look();
    if (result == Attachment::kNone) result = WhyElse(fiber, stop, stoppable);
    if (result != Attachment::kNone) break;
    fiber.WaitAgain();
    result = attachment.LookAgain();
    if (result == Attachment::kNone) result = WhyElse(fiber, stop, stoppable);
    if (result == Attachment::kNone) continue;
    woken = false;
    break;
  }
  attachment.Detach();
  fiber.deadline = Deadline::Never();
  fiber.timed_out = false;
  if (!woken && !fiber.EndWaitingUnwoken()) Suspend(fiber);
  fiber.EndWaiting();
  return result;
}

int Worker::WhyElse(const Fiber& fiber, const std::stop_token& stop, bool stoppable) const {
  if (stop.stop_requested()) return kStopped;
  if (stoppable && stopping_.load(std::memory_order_relaxed)) return kStopped;
  return fiber.timed_out ? kTimedOut : Attachment::kNone;
}

void Worker::ArmTimer(Fiber& fiber, Deadline deadline) {
  fiber.deadline = deadline;
  // A timer that an earlier wait left behind fires too early, and is set anew then: most waits end
  // before their deadline, so that most never move a timer.
  if (!fiber.armed() || deadline.instant() < timers_.at(fiber)) {
    timers_.Set(fiber, deadline.instant());
  }
}

void Worker::Suspend(Fiber& fiber) { fiber.context.Suspend(); }

}  // namespace redial::runtime_internal
