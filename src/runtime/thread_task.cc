#include <pthread.h>

#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/runtime/thread_runtime.h"

namespace redial::runtime_internal {
namespace {

// A thread and what it runs. Freed by the joiner, so the thread may use it to its end.
class ThreadTask final : public Task::Handle {
 public:
  explicit ThreadTask(absl::AnyInvocable<void()> fn) : fn_(std::move(fn)) {}

  // An errno.
  int Start() { return ::pthread_create(&thread_, nullptr, &ThreadTask::Run, this); }

  void Join() override {
    // Waited for the way the caller waits, so that a fiber that joins a thread suspends itself
    // alone; what pthread_join has left to wait for is the thread's exit. A thread joins directly.
    Runtime& runtime = Runtime::Current();
    if (&runtime != &Runtime::Threads()) runtime.WaitFor(done_);
    ::pthread_join(thread_, nullptr);
  }

 private:
  // noexcept: what `fn` throws ends the program here, with its stack still standing.
  static void* Run(void* self) noexcept {
    auto* task = static_cast<ThreadTask*>(self);
    task->fn_();
    task->fn_ = nullptr;  // what it captured goes before anyone is told
    task->done_.Set();
    return nullptr;
  }

  absl::AnyInvocable<void()> fn_;
  Event done_;
  pthread_t thread_{};
};

}  // namespace

absl::StatusOr<Task> ThreadRuntime::Spawn(absl::AnyInvocable<void()> fn) {
  auto task = std::make_unique<ThreadTask>(std::move(fn));
  const int error = task->Start();
  if (error != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start a thread: ", ::strerrordesc_np(error)));
  }
  return Task(std::move(task));
}

}  // namespace redial::runtime_internal
