#include "src/core/barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace redial::internal {
namespace {

bool Membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

}  // namespace

bool BarrierOnEveryThread() {
  if (Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return true;
  // The kernel remembers who registered, and so does a fork's child: nothing to keep here.
  return errno == EPERM && Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
         Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

}  // namespace redial::internal
