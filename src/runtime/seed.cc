#include <sys/random.h>

#include <atomic>
#include <cstdint>

#include "src/core/mix.h"
#include "src/runtime/fork.h"
#include "src/runtime/thread_runtime.h"

namespace redial::runtime_internal {
namespace {

// A splitmix64 sequence a thread.
struct SeedSequence {
  uint64_t counter = 0;
  uint32_t generation = 0;
  bool seeded = false;
};
constinit thread_local SeedSequence sequence;

uint64_t Entropy(Instant now) {
  uint64_t entropy = 0;
  // Without blocking: before the kernel has gathered enough, time and place must do; seeds spread
  // load, they keep no secret.
  if (::getrandom(&entropy, sizeof(entropy), GRND_NONBLOCK) == sizeof(entropy)) return entropy;
  return static_cast<uint64_t>(now.nanos()) ^ reinterpret_cast<uintptr_t>(&sequence);
}

}  // namespace

uint64_t ThreadRuntime::NextSeed() {
  // A forked child draws anew, or it would retry in step with its parent.
  if (!sequence.seeded || sequence.generation != fork_generation.load(std::memory_order_relaxed))
      [[unlikely]] {
    sequence = {.counter = Entropy(Now()), .generation = ForkGeneration(), .seeded = true};
  }
  return internal::NextMixed(sequence.counter);
}

}  // namespace redial::runtime_internal
