// Says which fiber ran over the end of its stack, before the process dies of it.
#ifndef REDIAL_SRC_RUNTIME_FIBER_OVERFLOW_H_
#define REDIAL_SRC_RUNTIME_FIBER_OVERFLOW_H_

#include <memory>
#include <string>

#include "redial/export.h"
#include "src/runtime/fiber/stack_pool.h"

namespace redial::runtime_internal {

// The fiber that runs on a thread without a worker: a simulation's.
struct RunningFiber {
  Stack stack = {};
  const std::string* name = nullptr;
};
// For the calling thread, until it is called with null. The handler reads what it points to.
REDIAL_EXPORT void SetRunningFiber(const RunningFiber* fiber);

// Takes the process's handler of SIGSEGV, once. What isn't an access to the guard of the running
// fiber's stack goes on to the handler that was there before, and so does what is, once it was
// reported. It stays: who took the signal over since may call it.
REDIAL_EXPORT void ReportOverflows();

// Where the calling thread's handlers run while its stack has no room left. Keeps one that
// somebody else has set (a sanitizer).
class REDIAL_EXPORT SignalStack {
 public:
  SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;
  ~SignalStack();

 private:
  std::unique_ptr<char[]> memory_;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_OVERFLOW_H_
