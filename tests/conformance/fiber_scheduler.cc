#include "tests/conformance/fiber_scheduler.h"

#include <cstddef>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "src/runtime/fiber/context.h"

namespace redial::conformance {
namespace {

thread_local FiberScheduler* scheduler_of_this_thread = nullptr;

constexpr int kNoneReady = -3;

}  // namespace

// A fiber is waiting from before it looks at its latches until it runs on. All changes of its state
// read and write at once, so whoever comes second sees what the other did before: a wake-up that
// comes while it runs leaves the bit, and the next look at the latches follows the exchange that
// clears it.
class FiberScheduler::Fiber final : public Waiter {
 public:
  Fiber(FiberScheduler& home, absl::AnyInvocable<void()> fn, std::shared_ptr<Event> done)
      : home_(home),
        stack_(home.stacks_.Take()),
        context_(std::move(fn), stack_),
        done_(std::move(done)) {}

  void Wake() override {
    if (state_.fetch_or(kWoken, std::memory_order_acq_rel) == kWaiting) home_.Enqueue(this);
  }
  void BeginWaiting() { state_.exchange(kWaiting, std::memory_order_acq_rel); }
  void Resumed() { state_.exchange(kRunning, std::memory_order_acq_rel); }
  // False when it stands in the queue already, and must be run once more from there.
  bool StopWaiting() {
    int expected = kWaiting;
    return state_.compare_exchange_strong(expected, kRunning, std::memory_order_acq_rel);
  }

  runtime_internal::Stack stack() const { return stack_; }
  runtime_internal::FiberContext& context() { return context_; }
  Event& done() { return *done_; }

 private:
  enum State { kRunning = 0, kWaiting = 1, kWoken = 2 };

  FiberScheduler& home_;
  std::atomic<int> state_{kRunning};
  const runtime_internal::Stack stack_;
  runtime_internal::FiberContext context_;
  const std::shared_ptr<Event> done_;
};

class FiberScheduler::FiberTask final : public Task::Handle {
 public:
  explicit FiberTask(std::shared_ptr<Event> done) : done_(std::move(done)) {}
  void Join() override { Runtime::Current().Wait(*done_, Deadline::Never(), {}); }

 private:
  const std::shared_ptr<Event> done_;  // shared: its setter may be about to leave it
};

// One wait's places in the lists of its sources.
class FiberScheduler::Attachment {
 public:
  Attachment(FiberScheduler& scheduler, Fiber& fiber, absl::Span<Source* const> sources)
      : scheduler_(scheduler), sources_(sources) {
    fiber.BeginWaiting();
    nodes_.resize(sources.size());
    for (; attached_ < sources.size() && result_ == kNoneReady; ++attached_) {
      nodes_[attached_].waiter = &fiber;
      if (sources[attached_]->BeginWait(nodes_[attached_])) result_ = static_cast<int>(attached_);
    }
    if (result_ != kNoneReady) return;
    for (Source* source : sources) {
      if (source->kind() != Source::Kind::kEvent) scheduler.Watch(*source);
    }
  }
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  ~Attachment() {
    for (size_t i = 0; i < attached_; ++i) {
      if (sources_[i]->foreign()) scheduler_.Unwatch(*sources_[i]);
      sources_[i]->EndWait(nodes_[i], result_ == static_cast<int>(i));
    }
  }

  // The index of a source that is ready, or kNoneReady.
  int Look() {
    for (size_t i = 0; i < sources_.size() && result_ == kNoneReady; ++i) {
      if (sources_[i]->Consume()) result_ = static_cast<int>(i);
    }
    return result_;
  }

 private:
  FiberScheduler& scheduler_;
  const absl::Span<Source* const> sources_;
  absl::InlinedVector<WaitNode, 8> nodes_;
  size_t attached_ = 0;
  int result_ = kNoneReady;
};

FiberScheduler::FiberScheduler() = default;
FiberScheduler::~FiberScheduler() = default;

int FiberScheduler::DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
                           const std::stop_token& stop) {
  Fiber& fiber = *current_;
  Attachment attachment(*this, fiber, sources);
  const auto wake = [&fiber]() noexcept { fiber.Wake(); };
  std::optional<std::stop_callback<decltype(wake)>> on_stop;
  if (stop.stop_possible()) on_stop.emplace(stop, wake);
  if (!deadline.is_never()) timers_.emplace(deadline, &fiber);
  int result = kNoneReady;
  for (;;) {
    result = attachment.Look();
    if (result == kNoneReady && stop.stop_requested()) result = kStopped;
    if (result == kNoneReady && deadline.expired(now)) result = kTimedOut;
    if (result != kNoneReady) break;
    Suspend();
    fiber.BeginWaiting();
    now = Now();
  }
  if (!fiber.StopWaiting()) Suspend();
  timers_.erase({deadline, &fiber});
  return result;
}

Task FiberScheduler::Start(absl::AnyInvocable<void()> fn) {
  auto done = std::make_shared<Event>();
  live_.fetch_add(1, std::memory_order_relaxed);  // the queue's lock publishes it
  Fiber* fiber = nullptr;
  {
    std::lock_guard lock(mu_);
    fiber = new Fiber(*this, std::move(fn), done);
  }
  Enqueue(fiber);
  return Task(std::make_unique<FiberTask>(std::move(done)));
}

absl::StatusOr<Task> FiberScheduler::Spawn(absl::AnyInvocable<void()> fn) {
  return Neighbour().Start(std::move(fn));
}

uint64_t FiberScheduler::NextSeed() { return seed_.fetch_add(1, std::memory_order_relaxed); }

void FiberScheduler::Enqueue(Fiber* fiber) {
  {
    std::lock_guard lock(mu_);
    ready_.push_back(fiber);
  }
  if (scheduler_of_this_thread != this) Notify();
}

bool FiberScheduler::HasReady() {
  std::lock_guard lock(mu_);
  return !ready_.empty();
}

void FiberScheduler::Stop() {
  stopping_.store(true, std::memory_order_release);
  Notify();
}

void FiberScheduler::Run() {
  ScopedRuntime scope(*this);
  scheduler_of_this_thread = this;
  for (;;) {
    RunBatch();
    FireTimers();
    if (HasReady()) {
      Idle(Deadline::Past());
      continue;
    }
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (stopping && live_.load(std::memory_order_relaxed) == 0) break;
    Idle(timers_.empty() ? Deadline::Never() : timers_.begin()->first);
  }
  scheduler_of_this_thread = nullptr;
}

void FiberScheduler::RunBatch() {
  std::deque<Fiber*> batch;
  {
    std::lock_guard lock(mu_);
    batch.swap(ready_);
  }
  for (Fiber* fiber : batch) RunFiber(fiber);
}

void FiberScheduler::RunFiber(Fiber* fiber) {
  fiber->Resumed();
  current_ = fiber;
  fiber->context().Resume();
  current_ = nullptr;
  if (!fiber->context().finished()) return;
  live_.fetch_sub(1, std::memory_order_relaxed);
  fiber->done().Set();
  const runtime_internal::Stack stack = fiber->stack();
  delete fiber;
  std::lock_guard lock(mu_);
  stacks_.Give(stack);
}

void FiberScheduler::FireTimers() {
  // The wait itself takes its timer out; here it is only told to look at the clock.
  const Instant now = timers_.empty() ? Instant() : Now();
  for (const auto& [deadline, fiber] : timers_) {
    if (!deadline.expired(now)) break;
    fiber->Wake();
  }
}

void FiberScheduler::Suspend() { current_->context().Suspend(); }

}  // namespace redial::conformance
