// A memory barrier that one thread pays for in the place of all others.
#ifndef REDIAL_SRC_CORE_BARRIER_H_
#define REDIAL_SRC_CORE_BARRIER_H_

#include "redial/export.h"

namespace redial::internal {

// When it has returned true, every thread of the process has passed a full barrier since the call
// (membarrier(2)). False where the kernel or a sandbox doesn't offer it. A process's first one waits
// for the kernel's bookkeeping, some 15 ms if there are several threads; the others take less than a
// microsecond.
REDIAL_EXPORT bool BarrierOnEveryThread();

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_BARRIER_H_
