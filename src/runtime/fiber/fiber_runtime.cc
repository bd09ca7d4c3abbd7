#include <sched.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "redial/fiber.h"
#include "redial/mutex.h"
#include "src/runtime/fiber/leaked.h"
#include "src/runtime/fiber/overflow.h"
#include "src/runtime/fiber/watchdog.h"
#include "src/runtime/fiber/worker.h"

namespace redial {

using runtime_internal::Fiber;
using runtime_internal::Fleet;
using runtime_internal::Watchdog;
using runtime_internal::Worker;

namespace {

constexpr int kMostWorkers = 1024;
constexpr size_t kLeastStack = size_t{16} * 1024;
constexpr size_t kMostStack = size_t{1} << 30;
constexpr size_t kMostNames = 10;
// After a deadline, for workers that are about to end: those that aren't are stuck in a fiber.
constexpr absl::Duration kGrace = absl::Milliseconds(20);

int UsableProcessors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(CPU_COUNT(&set), 1);
}

absl::Status LeftStatus(const std::vector<FiberLeft>& left) {
  if (left.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const FiberLeft& fiber : left) {
    if (names.size() == kMostNames) break;
    names.push_back(absl::StrCat(fiber.name, fiber.running ? " (running)" : " (waiting)"));
  }
  const size_t more = left.size() - names.size();
  return absl::DeadlineExceededError(absl::StrCat(
      "shutdown left ", left.size(), left.size() == 1 ? " fiber: " : " fibers: ",
      absl::StrJoin(names, ", "), more > 0 ? absl::StrCat(" and ", more, " more") : ""));
}

absl::Status Taken(const char* what) {
  return absl::FailedPreconditionError(
      absl::StrCat("FiberRuntime::", what, ": another thread runs the fibers"));
}

absl::Status Outside(const char* what) {
  return absl::FailedPreconditionError(
      absl::StrCat("FiberRuntime::", what, ": the caller isn't in a fiber of a FiberRuntime"));
}

}  // namespace

absl::Status FiberOptions::Validate() const {
  if (workers < 0 || workers > kMostWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat("FiberOptions.workers is ", workers, "; it must be from 0 to ", kMostWorkers));
  }
  if (on_calling_thread && workers > 1) {
    return absl::InvalidArgumentError(absl::StrCat("FiberOptions.workers is ", workers,
                                                   "; it must be 0 or 1 with on_calling_thread"));
  }
  if (stack_size < kLeastStack || stack_size > kMostStack) {
    return absl::InvalidArgumentError(absl::StrCat("FiberOptions.stack_size is ", stack_size,
                                                   "; it must be from ", kLeastStack, " to ",
                                                   kMostStack, " bytes"));
  }
  if (shutdown_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("FiberOptions.shutdown_timeout is ",
                                                   absl::FormatDuration(shutdown_timeout),
                                                   "; it must not be negative"));
  }
  if (watchdog < absl::Milliseconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "FiberOptions.watchdog is ", absl::FormatDuration(watchdog), "; it must be at least 1ms"));
  }
  if (watchdog != absl::InfiniteDuration() && on_stuck == nullptr) {
    return absl::InvalidArgumentError(
        "FiberOptions.on_stuck is empty; a watchdog needs somebody to tell");
  }
  return absl::OkStatus();
}

struct FiberRuntime::Impl {
  explicit Impl(std::shared_ptr<Fleet> the_fleet) : fleet(std::move(the_fleet)) {}
  ~Impl();

  bool forked() const { return !workers.empty() && workers.front()->forked(); }
  bool in_place() const { return fleet->options.on_calling_thread; }
  bool InsideOwnFiber() const;
  absl::Status RunHere(absl::AnyInvocable<void()> fn);
  void StopWorkers(Runtime& runtime, Deadline deadline);

  const std::shared_ptr<Fleet> fleet;
  std::vector<std::unique_ptr<Worker>> workers;  // those that were started
  std::unique_ptr<Watchdog> watchdog;

  Mutex turn;  // held across the wait for the workers
  bool down = false;
  std::vector<FiberLeft> left;
};

bool FiberRuntime::Impl::InsideOwnFiber() const {
  const Worker* const worker = Worker::OfThisThread();
  return worker != nullptr && &worker->fleet() == fleet.get() && Worker::CurrentFiber() != nullptr;
}

void FiberRuntime::Impl::StopWorkers(Runtime& runtime, Deadline deadline) {
  if (down) return;
  down = true;
  for (const auto& worker : workers) worker->Stop();
  std::vector<Worker*> late;
  for (const auto& worker : workers) {
    if (!worker->AwaitEnd(runtime, deadline)) late.push_back(worker.get());
  }
  for (Worker* worker : late) worker->Abandon();
  for (Worker* worker : late) {
    std::vector<FiberLeft> fibers = worker->Fibers();
    left.insert(left.end(), fibers.begin(), fibers.end());
  }
  const Deadline grace = Deadline::After(runtime.Now(), kGrace);
  for (Worker* worker : late) {
    if (worker->AwaitEnd(runtime, grace)) continue;
    worker->LeaveThread();
  }
}

absl::Status FiberRuntime::Impl::RunHere(absl::AnyInvocable<void()> fn) {
  Worker& worker = *workers.front();
  if (!worker.TakeLoop()) return Taken("Run");
  const absl::Cleanup give = [&worker] { worker.GiveLoop(); };
  bool finished = false;
  const absl::StatusOr<Task> task = worker.Launch({}, [&] {
    fn();
    finished = true;
  });
  if (task.ok()) worker.RunHere(finished);
  return task.status();
}

FiberRuntime::Impl::~Impl() {
  if (forked()) {
    Leak(watchdog.release());  // its thread is the parent's
  } else {
    // A fiber of its own can only block its thread here.
    const bool inside = InsideOwnFiber();
    Runtime& runtime = inside ? Runtime::Threads() : Runtime::Current();
    StopWorkers(runtime, inside ? Deadline::Past()
                                : Deadline::After(runtime.Now(), fleet->options.shutdown_timeout));
  }
  watchdog.reset();
  for (std::unique_ptr<Worker>& worker : workers) {
    // Fibers that were left may be woken for as long as the process lives.
    if (!worker->forked() && !worker->left_alone() && worker->Fibers().empty()) continue;
    Leak(worker.release());
  }
}

FiberRuntime::FiberRuntime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FiberRuntime::FiberRuntime(FiberRuntime&&) noexcept = default;
FiberRuntime& FiberRuntime::operator=(FiberRuntime&&) noexcept = default;
FiberRuntime::~FiberRuntime() = default;

absl::StatusOr<FiberRuntime> FiberRuntime::Create(const FiberOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto fleet = std::make_shared<Fleet>(options);
  auto impl = std::make_unique<Impl>(fleet);
  int count = options.workers > 0 ? options.workers : UsableProcessors();
  if (options.on_calling_thread) count = 1;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < count; ++i) {
    workers.push_back(std::make_unique<Worker>(fleet, i));
    if (absl::Status status = workers.back()->Open(); !status.ok()) return status;
    fleet->workers.push_back(workers.back().get());
  }
  if (options.report_stack_overflow) runtime_internal::ReportOverflows();
  for (std::unique_ptr<Worker>& worker : workers) {
    if (!options.on_calling_thread) {
      if (absl::Status status = worker->Start(); !status.ok()) return status;
    }
    impl->workers.push_back(std::move(worker));
  }
  if (options.watchdog != absl::InfiniteDuration()) {
    impl->watchdog = std::make_unique<Watchdog>(*fleet);
    if (absl::Status status = impl->watchdog->Start(); !status.ok()) return status;
  }
  return FiberRuntime(std::move(impl));
}

absl::Status FiberRuntime::Run(absl::AnyInvocable<void()> fn) {
  if (impl_->in_place() && !impl_->InsideOwnFiber()) {
    return impl_->RunHere(std::move(fn));
  }
  absl::StatusOr<Task> task = Spawn(std::move(fn));
  if (!task.ok()) return task.status();
  task->Join();
  return absl::OkStatus();
}

absl::StatusOr<Task> FiberRuntime::Spawn(absl::AnyInvocable<void()> fn) {
  return Spawn({}, std::move(fn));
}

absl::StatusOr<Task> FiberRuntime::Spawn(std::string name, absl::AnyInvocable<void()> fn) {
  return impl_->fleet->Next().Launch(std::move(name), std::move(fn));
}

absl::Status FiberRuntime::Shutdown(Deadline deadline) {
  if (impl_->forked()) return runtime_internal::ForkedStatus();
  if (impl_->InsideOwnFiber()) {
    return absl::FailedPreconditionError(
        "FiberRuntime::Shutdown was called in a fiber of its own, which it would wait for");
  }
  const std::lock_guard lock(impl_->turn);
  Worker& first = *impl_->workers.front();
  if (impl_->in_place() && !first.TakeLoop()) return Taken("Shutdown");
  impl_->StopWorkers(Runtime::Current(), deadline);
  if (impl_->in_place()) first.GiveLoop();
  return LeftStatus(impl_->left);
}

std::vector<FiberLeft> FiberRuntime::left() const {
  if (impl_->forked()) return {};
  const std::lock_guard lock(impl_->turn);
  return impl_->left;
}

int FiberRuntime::workers() const { return static_cast<int>(impl_->workers.size()); }

FiberCounts FiberRuntime::counts() const {
  FiberCounts counts;
  if (impl_->forked()) return counts;
  for (const auto& worker : impl_->workers) worker->AddCounts(counts);
  return counts;
}

absl::Status FiberRuntime::Yield() {
  if (Worker::CurrentFiber() == nullptr) return Outside("Yield");
  Worker::OfThisThread()->Yield();
  return absl::OkStatus();
}

absl::StatusOr<std::string> FiberRuntime::CurrentName() {
  Fiber* const fiber = Worker::CurrentFiber();
  if (fiber == nullptr) return Outside("CurrentName");
  return fiber->home.NameOf(*fiber);
}

absl::Status FiberRuntime::SetCurrentName(std::string name) {
  Fiber* const fiber = Worker::CurrentFiber();
  if (fiber == nullptr) return Outside("SetCurrentName");
  fiber->home.Rename(*fiber, std::move(name));
  return absl::OkStatus();
}

}  // namespace redial
