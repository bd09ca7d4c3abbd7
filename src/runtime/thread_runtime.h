// The runtime of plain threads: ppoll on the kernel's monotonic clock.
#ifndef REDIAL_SRC_RUNTIME_THREAD_RUNTIME_H_
#define REDIAL_SRC_RUNTIME_THREAD_RUNTIME_H_

#include <cstdint>

#include "redial/runtime.h"

namespace redial::runtime_internal {

// Stateless: what a wait needs is the thread's (its parker) or on its stack. Safe from any thread.
class ThreadRuntime final : public Runtime {
 public:
  Instant Now() override;
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) override;
  uint64_t NextSeed() override;

 protected:
  int DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
             const std::stop_token& stop) override;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_THREAD_RUNTIME_H_
