#include "src/runtime/fork.h"

#include <pthread.h>

#include <atomic>

namespace redial::runtime_internal {

// Written by the handler alone, when a new process has a single thread: relaxed is enough.
constinit std::atomic<uint32_t> fork_generation{0};

uint32_t ForkGeneration() {
  [[maybe_unused]] static const int registered = ::pthread_atfork(
      nullptr, nullptr, +[] { fork_generation.fetch_add(1, std::memory_order_relaxed); });
  return fork_generation.load(std::memory_order_relaxed);
}

}  // namespace redial::runtime_internal
