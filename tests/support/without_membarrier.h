// Takes membarrier(2) from the calling thread for good, as a sandbox does that was written before it.
// For threads of the test's own, and for processes of a death test.
#ifndef REDIAL_TESTS_SUPPORT_WITHOUT_MEMBARRIER_H_
#define REDIAL_TESTS_SUPPORT_WITHOUT_MEMBARRIER_H_

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

namespace redial::testing {

inline bool ForbidMembarrier() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_WITHOUT_MEMBARRIER_H_
