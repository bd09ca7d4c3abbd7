// Tells a forked child from its parent, for what must not be shared between them.
#ifndef REDIAL_SRC_RUNTIME_FORK_H_
#define REDIAL_SRC_RUNTIME_FORK_H_

#include <atomic>
#include <cstdint>

#include "redial/export.h"

namespace redial::runtime_internal {

// How many forks lie between this process and the first that asked; changes in the child alone.
// Costs one load, where getpid() would be a system call.
REDIAL_EXPORT uint32_t ForkGeneration();
// The same, where somebody has asked before.
extern std::atomic<uint32_t> fork_generation;

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FORK_H_
