#include "src/testing/simulation/host_runtime.h"

#include <memory>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"

namespace redial::testing::internal {
namespace {

constexpr int kNoneReady = -3;
// What a doomed fiber may try before it is taken for one that ignores its errors.
constexpr int kPatience = 10'000;

class FiberTask final : public Task::Handle {
 public:
  void Await(std::shared_ptr<Completion> completion) { completion_ = std::move(completion); }
  void Join() override {
    if (!completion_->over) Runtime::Current().WaitFor(completion_->done);
  }

 private:
  std::shared_ptr<Completion> completion_;
};

}  // namespace

// One wait's places in the lists of its sources.
class HostRuntime::Attachment {
 public:
  Attachment(Fiber& fiber, absl::Span<Source* const> sources) : sources_(sources) {
    nodes_.resize(sources.size());
    for (; attached_ < sources.size() && result_ == kNoneReady; ++attached_) {
      nodes_[attached_].waiter = &fiber;
      if (sources[attached_]->BeginWait(nodes_[attached_])) result_ = static_cast<int>(attached_);
    }
  }
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;
  ~Attachment() {
    for (size_t i = 0; i < attached_; ++i) {
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
  int result() const { return result_; }

 private:
  const absl::Span<Source* const> sources_;
  absl::InlinedVector<WaitNode, 4> nodes_;
  size_t attached_ = 0;
  int result_ = kNoneReady;
};

absl::StatusOr<Task> HostRuntime::Spawn(absl::AnyInvocable<void()> fn) {
  Fiber* const parent = scheduler_.current();
  if (parent == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("Spawn on simulated host '", host_,
                     "' from outside its fibers; start one with SimulatedHost::Run"));
  }
  auto handle = std::make_unique<FiberTask>();  // or else nobody would join the fiber
  auto completion = Start({.name = absl::StrCat(parent->name(), "/", ++parent->children_),
                           .foreground = parent->foreground(),
                           .fn = std::move(fn)});
  if (!completion.ok()) return completion.status();
  // Who was spawned by the dead is born dead.
  if (parent->doomed_) scheduler_.fibers().back()->doomed_ = true;
  handle->Await(*std::move(completion));
  return Task(std::move(handle));
}

void HostRuntime::WaitFor(Source& source) {
  Fiber* const fiber = scheduler_.current();
  if (fiber != nullptr) fiber->sheltered_ = true;
  Runtime::WaitFor(source);
  if (fiber != nullptr) fiber->sheltered_ = false;
}

void HostRuntime::Resume() {
  paused_ = false;
  scheduler_.Release(*this);
}

void HostRuntime::Die() {
  dead_ = true;
  scheduler_.Doom(*this);
}

void HostRuntime::CountAfterDeath() {
  Fiber* const fiber = scheduler_.current();
  if (fiber == nullptr || ++fiber->after_doom_ < kPatience) return;
  scheduler_.Abandon();
}

void HostRuntime::Charge() {
  futile_ = reads_ = 0;
  Fiber* const fiber = scheduler_.current();
  if (fiber == nullptr || fiber->doomed_) return;
  WaitIn(*fiber, {}, Deadline::After(scheduler_.now(), kTimeOfTries), {});
}

// Perhaps under a lock, so nobody else runs; the clock goes on all the same.
void HostRuntime::ReadTooOften() {
  reads_ = 0;
  scheduler_.Advance(kTimeOfReads);
}

std::string HostRuntime::WhyNot(absl::Span<Source* const> sources) const {
  if (scheduler_.current() == nullptr) {
    return absl::StrCat("a wait on simulated host '", host_,
                        "' outside its fibers; start one with SimulatedHost::Run");
  }
  for (const Source* source : sources) {
    if (source->fd() < 0) continue;
    return absl::StrCat("fiber '", host_, "/", scheduler_.current()->name(),
                        "' waits for descriptor ", source->fd(),
                        ", which virtual time doesn't watch; use the simulated network");
  }
  return {};
}

int HostRuntime::DoWait(Instant, absl::Span<Source* const> sources, Deadline deadline,
                        const std::stop_token& stop) {
  if (std::string wrong = WhyNot(sources); !wrong.empty()) {
    Fail(on_failure_, {std::move(wrong), {}});
    return kStopped;
  }
  Fiber& fiber = *scheduler_.current();
  if (fiber.doomed_ && !fiber.sheltered_) {
    CountAfterDeath();
    return kStopped;
  }
  return WaitIn(fiber, sources, deadline, stop);
}

int HostRuntime::WaitIn(Fiber& fiber, absl::Span<Source* const> sources, Deadline deadline,
                        const std::stop_token& stop) {
  futile_ = reads_ = 0;
  Attachment attachment(fiber, sources);
  if (attachment.result() != kNoneReady) return attachment.result();
  const auto wake = [&fiber]() noexcept { fiber.Wake(); };
  std::optional<std::stop_callback<decltype(wake)>> on_stop;
  if (stop.stop_possible()) on_stop.emplace(stop, wake);
  fiber.sources_ = sources;
  fiber.deadline_ = deadline;
  fiber.since_ = scheduler_.now();
  if (!deadline.is_never()) fiber.Set(deadline.instant());
  int result = kNoneReady;
  while (result == kNoneReady) {
    scheduler_.Suspend();
    result = attachment.Look();
    if (result != kNoneReady) break;
    if (stop.stop_requested()) result = kStopped;
    if (fiber.doomed_ && !fiber.sheltered_) result = kStopped;
    if (result == kNoneReady && deadline.expired(scheduler_.now())) result = kTimedOut;
  }
  if (!deadline.is_never()) fiber.Stop();
  return result;
}

}  // namespace redial::testing::internal
