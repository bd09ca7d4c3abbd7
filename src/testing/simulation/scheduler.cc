#include "src/testing/simulation/scheduler.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/runtime.h"
#include "src/testing/simulation/host_runtime.h"

namespace redial::testing::internal {

// A function that was scheduled.
struct Scheduler::Call final : public Timer {
  Call(Scheduler& the_owner, std::function<void()> the_fn)
      : Timer(the_owner.events_), owner(the_owner), fn(std::move(the_fn)) {}
  void Fire() override {
    // It goes first: the function may schedule others.
    const std::unique_ptr<Call> self = std::move(*place);
    owner.calls_.erase(place);
    fn();
  }

  Scheduler& owner;
  const std::function<void()> fn;
  std::list<std::unique_ptr<Call>>::iterator place;
};

Fiber::Fiber(Scheduler& scheduler, HostRuntime& host, uint64_t number, FiberSpec spec,
             runtime_internal::Stack stack)
    : Timer(scheduler.events()),
      scheduler_(scheduler),
      host_(host),
      number_(number),
      name_(std::move(spec.name)),
      foreground_(spec.foreground),
      completion_(std::make_shared<Completion>()),
      stack_(stack),
      context_(std::move(spec.fn), stack) {
  completion_->fiber = absl::StrCat(host.host(), "/", name_);
}

void Fiber::Wake() {
  if (!scheduler_.OnOwnThread()) {
    std::fprintf(stderr,
                 "redial: fiber '%s' of a simulation was woken by another thread. A simulation "
                 "has one thread; let the other's work be a fiber of some host.\n",
                 name_.c_str());
    std::abort();
  }
  if (state_ == State::kWaiting) scheduler_.Enqueue(*this);
}

Scheduler::Scheduler(size_t stack_size, uint64_t seed, bool shuffle)
    : thread_(::pthread_self()), shuffle_(shuffle), chance_(seed), stacks_(stack_size) {}

Scheduler::~Scheduler() {
  // What never returned can't be unwound: its stack stays, and with it what is on it.
  for (std::unique_ptr<Fiber>& fiber : fibers_) {
    [[maybe_unused]] Fiber* const left = fiber.release();
  }
}

absl::StatusOr<std::shared_ptr<Completion>> Scheduler::Start(HostRuntime& host, FiberSpec spec) {
  const runtime_internal::Stack stack = stacks_.Take();
  if (!stack.valid()) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for the stack of fiber '",
                                                     spec.name, "' (", ::strerrordesc_np(errno),
                                                     "); there are ", fibers_.size(), " fibers"));
  }
  absl::Cleanup give = [&] { stacks_.Give(stack); };
  std::list<std::unique_ptr<Fiber>> started;
  started.push_back(std::make_unique<Fiber>(*this, host, ++numbers_, std::move(spec), stack));
  Fiber& fiber = *started.back();
  Enqueue(fiber);
  std::move(give).Cancel();  // nothing fails from here on
  fiber.place_ = started.begin();
  fibers_.splice(fibers_.end(), started);
  if (fiber.foreground_) ++foreground_;
  return fiber.completion_;
}

void Scheduler::At(Instant at, std::function<void()> fn) {
  calls_.push_back(std::make_unique<Call>(*this, std::move(fn)));
  Call& call = *calls_.back();
  call.place = std::prev(calls_.end());
  call.Set(at);
}

void Scheduler::Enqueue(Fiber& fiber) {
  fiber.state_ = Fiber::State::kReady;
  ready_.push_back(&fiber);
}

Scheduler::Ended Scheduler::Run(Instant limit, bool until_done) {
  running_ = true;
  runtime_internal::ReportOverflows();
  const runtime_internal::SignalStack signals;
  runtime_internal::SetRunningFiber(&running_fiber_);
  Ended ended = Ended::kDone;
  for (;;) {
    RunReady();
    if (until_done && foreground_ == 0) break;
    const Instant next = events_.Next();
    if (next > limit || next == kNeverDue) {
      ended = limit == kNeverDue ? Ended::kNothingLeft : Ended::kTime;
      if (limit != kNeverDue && limit > now_) now_ = limit;
      break;
    }
    if (next > now_) {
      now_ = next;
      runs_at_this_instant_ = 0;
    }
    do {
      events_.FireNext();
    } while (events_.Next() <= now_);
  }
  runtime_internal::SetRunningFiber(nullptr);
  running_ = false;
  return ended;
}

void Scheduler::RunReady() {
  while (!ready_.empty()) {
    batch_.clear();
    batch_.swap(ready_);
    if (shuffle_) {
      for (size_t i = batch_.size(); i > 1; --i) {
        std::swap(batch_[i - 1], batch_[chance_.Below(i)]);
      }
    }
    for (Fiber* fiber : batch_) {
      if (fiber->host_.paused() && !fiber->doomed_) {
        fiber->state_ = Fiber::State::kHeld;
      } else if (fiber->doomed_ && !fiber->begun_) {
        Finish(*fiber);
      } else {
        RunFiber(*fiber);
      }
    }
  }
}

void Scheduler::RunFiber(Fiber& fiber) {
  ++runs_at_this_instant_;
  fiber.state_ = Fiber::State::kRunning;
  fiber.begun_ = true;
  current_ = &fiber;
  running_fiber_ = {.stack = fiber.stack_, .name = &fiber.completion_->fiber};
  {
    const ScopedRuntime scope(fiber.host_);
    fiber.context_.Resume();
  }
  current_ = nullptr;
  if (fiber.context_.finished()) Finish(fiber);
}

void Scheduler::Finish(Fiber& fiber) {
  if (fiber.foreground_) --foreground_;
  fiber.completion_->over = true;
  fiber.completion_->done.Set();
  const runtime_internal::Stack stack = fiber.stack_;
  fibers_.erase(fiber.place_);
  stacks_.Give(stack);
}

void Scheduler::Suspend() {
  current_->state_ = Fiber::State::kWaiting;
  current_->context_.Suspend();
}

void Scheduler::Abandon() {
  Fiber& fiber = *current_;
  fiber.state_ = Fiber::State::kAbandoned;
  if (fiber.foreground_) --foreground_;
  for (;;) fiber.context_.Suspend();
}

void Scheduler::Doom(const HostRuntime& host) {
  for (const std::unique_ptr<Fiber>& fiber : fibers_) {
    if (&fiber->host_ != &host || fiber->doomed_) continue;
    fiber->doomed_ = true;
    if (fiber->state_ == Fiber::State::kHeld) Enqueue(*fiber);
    fiber->Wake();
  }
}

void Scheduler::Release(const HostRuntime& host) {
  for (const std::unique_ptr<Fiber>& fiber : fibers_) {
    if (&fiber->host_ == &host && fiber->state_ == Fiber::State::kHeld) Enqueue(*fiber);
  }
}

}  // namespace redial::testing::internal
