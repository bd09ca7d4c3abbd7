#include "src/net/syscalls.h"

#include <unistd.h>

namespace redial::internal {

ScopedFd::~ScopedFd() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace redial::internal
