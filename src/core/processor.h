// Which processor this thread runs on, for data that each processor has of its own.
//
//   Stripe& mine = stripes[RunningProcessor() % stripes.size()];
//
// A hint: the thread may be on another one a moment later. Safe from any thread. Not to be inlined on
// both sides of a fiber's switch: the compiler may keep the first thread's address.
#ifndef REDIAL_SRC_CORE_PROCESSOR_H_
#define REDIAL_SRC_CORE_PROCESSOR_H_

#include <sched.h>

#include <cstddef>
#if defined(__x86_64__) && __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define REDIAL_READS_RSEQ 1
#endif

namespace redial::internal {

inline unsigned RunningProcessor() {
#if defined(REDIAL_READS_RSEQ)
  // Linux keeps it up to date in memory of the thread's own (restartable sequences), which glibc has
  // registered. Negative where the kernel doesn't know these.
  const auto* const kept =
      reinterpret_cast<const volatile int*>(static_cast<const char*>(__builtin_thread_pointer()) +
                                            __rseq_offset + offsetof(struct rseq, cpu_id));
  if (const int processor = *kept; processor >= 0) [[likely]] {
    return static_cast<unsigned>(processor);
  }
#endif
  return static_cast<unsigned>(::sched_getcpu());
}

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_PROCESSOR_H_
