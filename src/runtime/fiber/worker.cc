#include "src/runtime/fiber/worker.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/barrier.h"
#include "src/runtime/clock.h"
#include "src/runtime/fiber/attachment.h"
#include "src/runtime/fiber/leaked.h"
#include "src/runtime/fiber/overflow.h"

namespace redial::runtime_internal {
namespace {

using internal::StdMutexLock;

constinit thread_local Worker* worker_of_this_thread = nullptr;

// How many fibers run before the loop looks at the clock, the inbox and the kernel again.
constexpr int kBatch = 512;
constexpr size_t kCacheLine = 64;
constexpr size_t kWaitFrames = 1024;

class FiberTask final : public Task::Handle {
 public:
  explicit FiberTask(std::shared_ptr<Event> done) : done_(std::move(done)) {}
  void Join() override { Runtime::Current().WaitFor(*done_); }

 private:
  const std::shared_ptr<Event> done_;  // shared: whoever sets it may be about to leave it
};

}  // namespace

void Fiber::Wake() {
  if (state_.fetch_or(kWoken, std::memory_order_acq_rel) == kWaiting) home.Enqueue(*this);
}

void Fiber::Prefetch() const {
  // Of ten thousand stacks few are still in the cache. What the frames of a wait take up is some
  // fifteen lines, with the fiber above them.
  if (next_in_queue != nullptr) __builtin_prefetch(next_in_queue, 1);
  __builtin_prefetch(&deadline, 1);
  if (awaited != nullptr) {
    __builtin_prefetch(awaited, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(awaited) + kCacheLine, 1);
  }
  const char* line = static_cast<const char*>(suspended_at);
  if (line == nullptr) return;
  const char* const end = std::min(line + kWaitFrames, reinterpret_cast<const char*>(this));
  for (; line < end; line += kCacheLine) __builtin_prefetch(line, 1);
  asm volatile("");  // or g++ finds that this does nothing, and calls of it are left out
}

std::string Fiber::ReportedName() const { return name.empty() ? absl::StrCat("fiber ", id) : name; }

absl::Status ForkedStatus() {
  return absl::FailedPreconditionError(
      "this FiberRuntime belongs to the process that forked; make another one here");
}

Worker::Worker(std::shared_ptr<Fleet> fleet, int index)
    : fleet_(std::move(fleet)),
      index_(index),
      stacks_(fleet_->options.stack_size, fleet_->options.kept_stacks) {}

Worker::~Worker() { poller_.Close(); }

Worker* Worker::OfThisThread() { return worker_of_this_thread; }

Fiber* Worker::CurrentFiber() {
  Worker* const worker = worker_of_this_thread;
  return worker == nullptr ? nullptr : worker->current_.load(std::memory_order_relaxed);
}

absl::Status Worker::Start() {
  const int error = ::pthread_create(&thread_, nullptr, &Worker::ThreadMain, this);
  has_thread_ = error == 0;
  if (has_thread_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot start a fiber worker's thread: ", ::strerrordesc_np(error)));
}

void* Worker::ThreadMain(void* self) {
  auto* const worker = static_cast<Worker*>(self);
  worker->LoopHere();
  if (worker->forked()) return nullptr;
  if (worker->abandoned_.load(std::memory_order_acquire)) worker->LeaveFibers();
  worker->poller_.Close();
  worker->has_ended_.store(true, std::memory_order_release);
  worker->ended_.Set();
  return nullptr;
}

void Worker::LoopHere() {
  Worker* const outer = std::exchange(worker_of_this_thread, this);
  {
    const ScopedRuntime scope(*this);
    const SignalStack signals;
    Loop();
  }
  worker_of_this_thread = outer;
}

void Worker::RunHere(const bool& finished) {
  finished_ = &finished;
  LoopHere();
  finished_ = nullptr;
}

bool Worker::EndHere(Deadline deadline) {
  if (OfThisThread() == this) return false;
  if (abandoned_.load(std::memory_order_relaxed)) {
    LeaveFibers();
  } else {
    loop_deadline_ = deadline;
    LoopHere();
    if (!MayEnd()) return false;
  }
  poller_.Close();
  return true;
}

Instant Worker::Now() { return MonotonicNow(); }

uint64_t Worker::NextSeed() { return Runtime::Threads().NextSeed(); }

absl::StatusOr<Task> Worker::Spawn(absl::AnyInvocable<void()> fn) {
  Worker& worker = fleet_->options.spread_spawns && !stopping_.load(std::memory_order_relaxed)
                       ? fleet_->Next(this)
                       : *this;
  return worker.Launch({}, std::move(fn));
}

absl::StatusOr<Task> Worker::Launch(std::string name, absl::AnyInvocable<void()> fn) {
  if (poller_.forked()) return ForkedStatus();
  // All that may throw comes before there is a fiber, or nobody would join it.
  auto done = std::make_shared<Event>();
  auto handle = std::make_unique<FiberTask>(done);
  // Counted before the look at the flag, as the loop looks at the count after the flag: either it
  // waits for this fiber, or this sees that it doesn't.
  live_.fetch_add(1, std::memory_order_seq_cst);
  if (stopping_.load(std::memory_order_seq_cst)) {
    Withdraw();
    return absl::FailedPreconditionError("this FiberRuntime was shut down");
  }
  Fiber* const fiber = Make(std::move(name), std::move(fn), std::move(done));
  if (fiber == nullptr) {
    const int error = errno;
    Withdraw();
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot map a stack for a fiber: ", ::strerrordesc_np(error)));
  }
  Enqueue(*fiber);
  return Task(std::move(handle));
}

void Worker::Withdraw() {
  live_.fetch_sub(1, std::memory_order_seq_cst);
  // The loop may have gone to sleep because of the count.
  if (stopping_.load(std::memory_order_seq_cst)) poller_.Notify();
}

Fiber* Worker::Make(std::string name, absl::AnyInvocable<void()> fn, std::shared_ptr<Event> done) {
  const uint64_t id = fleet_->last_id.fetch_add(1, std::memory_order_relaxed) + 1;
  const StdMutexLock lock(mu_);
  const Stack stack = stacks_.Take();
  if (!stack.valid()) return nullptr;
  // Above what it calls: the page is touched anyway.
  const size_t room = (sizeof(Fiber) + kCacheLine - 1) / kCacheLine * kCacheLine;
  char* const place = stack.bottom + stack.size - room;
  auto* const fiber =
      new (place) Fiber(*this, std::move(name), id, std::move(fn), stack, room, std::move(done));
  fiber->older = newest_;
  if (newest_ != nullptr) newest_->newer = fiber;
  newest_ = fiber;
  return fiber;
}

void Worker::Finish(Fiber& fiber) {
  std::shared_ptr<Event> done;
  timers_.Remove(fiber);
  fiber.ForgetStop();
  {
    const StdMutexLock lock(mu_);
    (fiber.newer != nullptr ? fiber.newer->older : newest_) = fiber.older;
    if (fiber.older != nullptr) fiber.older->newer = fiber.newer;
    const Stack stack = fiber.stack;
    done = std::move(fiber.done);
    fiber.~Fiber();
    stacks_.Give(stack);
  }
  live_.fetch_sub(1, std::memory_order_relaxed);
  done->Set();
}

void Worker::Enqueue(Fiber& fiber) {
  if (worker_of_this_thread == this) {
    queue_.Push(fiber);
    return;
  }
  inbox_.Push(fiber);
  if (asleep_.load(std::memory_order_seq_cst) &&
      asleep_.exchange(false, std::memory_order_relaxed)) {
    poller_.Notify();
  }
}

void Worker::Loop() {
  for (;;) {
    inbox_.TakeAll(queue_);
    RunBatch();
    if (over()) return;
    if (stopping_.load(std::memory_order_acquire)) {
      if (!woke_all_) WakeAll();
      if (MayEnd()) return;
    }
    if (Enough()) return;
    if (!timers_.empty()) FireTimers(Now());
    Poll();
    queue_.PushAll(turns_);
  }
}

bool Worker::Enough() {
  if (finished_ != nullptr && *finished_) return true;
  return !loop_deadline_.is_never() && (loop_deadline_.is_past() || loop_deadline_.expired(Now()));
}

void Worker::RunBatch() {
  for (int i = 0; i < kBatch && !queue_.empty(); ++i) {
    Fiber& fiber = queue_.Pop();
    // While this one runs.
    if (!queue_.empty()) queue_.first().Prefetch();
    Run(fiber);
    if (over()) return;
  }
}

void Worker::Run(Fiber& fiber) {
  switches_.store(switches_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  current_.store(&fiber, std::memory_order_relaxed);
  // Abandon writes its flag, has a barrier run on this thread, and reads `current_`; so either it
  // finds this fiber, or this finds the flag.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (!abandoned_.load(std::memory_order_relaxed)) fiber.context.Resume();
  fiber.suspended_at = fiber.context.stack_pointer();
  current_.store(nullptr, std::memory_order_release);
  switches_.store(switches_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  if (poller_.forked()) {
    over_ = true;
  } else if (fiber.context.finished()) {
    Finish(fiber);
  }
}

void Worker::FireTimers(Instant now) {
  while (!timers_.empty() && timers_.earliest() <= now) {
    auto& fiber = static_cast<Fiber&>(timers_.first());
    if (fiber.deadline.is_never()) {
      timers_.Remove(fiber);
    } else if (fiber.deadline.expired(now)) {
      timers_.Remove(fiber);
      fiber.timed_out = true;
      fiber.Wake();
    } else {
      timers_.Set(fiber, fiber.deadline.instant());
    }
  }
}

void Worker::Poll() {
  ++polls_;
  if (!queue_.empty() || !turns_.empty()) {
    poller_.Wait(0);
    return;
  }
  const std::optional<int64_t> nanos = TimeToSleep();
  asleep_.store(true, std::memory_order_seq_cst);
  const bool wanted = !inbox_.empty() ||
                      (stopping_.load(std::memory_order_seq_cst) && (!woke_all_ || MayEnd())) ||
                      abandoned_.load(std::memory_order_seq_cst);
  const size_t events = poller_.Wait(wanted ? 0 : nanos);
  asleep_.store(false, std::memory_order_relaxed);
  if (events < kBusy) last_idle_ = polls_;
}

std::optional<int64_t> Worker::TimeToSleep() {
  if (timers_.empty() && loop_deadline_.is_never()) return std::nullopt;
  Instant wake = loop_deadline_.instant();
  if (!timers_.empty()) wake = std::min(wake, timers_.earliest());
  return std::max<int64_t>(NanosBetween(Now(), wake), 0);
}

bool Worker::MayEnd() { return live_.load(std::memory_order_seq_cst) == 0; }

void Worker::WakeAll() {
  woke_all_ = true;
  const StdMutexLock lock(mu_);
  for (Fiber* fiber = newest_; fiber != nullptr; fiber = fiber->older) {
    if (fiber->waiting()) fiber->Wake();
  }
}

void Worker::Stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  poller_.Notify();
}

bool Worker::AwaitEnd(Runtime& runtime, Deadline deadline) {
  if (!has_thread_) return EndHere(deadline);
  runtime.Wait(ended_, deadline, {});
  if (!has_ended_.load(std::memory_order_acquire)) return false;
  ::pthread_join(thread_, nullptr);
  return true;
}

void Worker::Abandon() {
  abandoned_.store(true, std::memory_order_seq_cst);
  // From here on no fiber begins to run; see Run. Where the kernel has no such barrier, the loop
  // lets go of what its fibers waited for when it comes to it.
  quiet_ = internal::BarrierOnEveryThread();
  poller_.Notify();
}

void Worker::LeaveThread() {
  left_alone_ = true;
  if (quiet_) LeaveFibers();
  if (has_thread_) ::pthread_detach(thread_);
}

void Worker::LeaveFibers() {
  const StdMutexLock lock(mu_);
  const Fiber* const running = current_.load(std::memory_order_acquire);
  for (Fiber* fiber = newest_; fiber != nullptr; fiber = fiber->older) {
    if (fiber == running) continue;
    if (fiber->attachment != nullptr) fiber->attachment->Detach();
    Leak(fiber->stack);
    fiber->done->Set();
  }
}

void Worker::Yield() {
  Fiber& fiber = *current_.load(std::memory_order_relaxed);
  if (poller_.forked()) return;
  queue_.Push(fiber);
  Suspend(fiber);
}

std::vector<FiberLeft> Worker::Fibers() {
  std::vector<FiberLeft> fibers;
  const StdMutexLock lock(mu_);
  for (Fiber* fiber = newest_; fiber != nullptr; fiber = fiber->older) {
    const bool running = current_.load(std::memory_order_acquire) == fiber;
    fibers.push_back({fiber->ReportedName(), running});
  }
  std::reverse(fibers.begin(), fibers.end());
  return fibers;
}

void Worker::AddCounts(FiberCounts& counts) {
  counts.fibers += live_.load(std::memory_order_relaxed);
  counts.descriptors += poller_.watched();
  counts.switches += switches() / 2;
}

std::string Worker::NameOf(Fiber& fiber) {
  const StdMutexLock lock(mu_);
  return fiber.ReportedName();
}

void Worker::Rename(Fiber& fiber, std::string name) {
  const StdMutexLock lock(mu_);
  fiber.name = std::move(name);
}

std::string Worker::RunningName() {
  // A fiber isn't destroyed while the lock is held.
  const StdMutexLock lock(mu_);
  const Fiber* const fiber = current_.load(std::memory_order_acquire);
  return fiber == nullptr ? "" : fiber->ReportedName();
}

}  // namespace redial::runtime_internal
