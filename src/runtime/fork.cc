#include "src/runtime/fork.h"

#include <pthread.h>

#include <atomic>

namespace redial::runtime_internal {
namespace {

// Written by the handler alone, when a new process has a single thread: relaxed is enough.
constinit std::atomic<uint32_t> forks{0};

}  // namespace

uint32_t ForkGeneration() {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, +[] { forks.fetch_add(1, std::memory_order_relaxed); });
  return forks.load(std::memory_order_relaxed);
}

}  // namespace redial::runtime_internal
