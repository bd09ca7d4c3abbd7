// A flow of control with a stack of its own, and the switch to and from it.
#ifndef REDIAL_SRC_RUNTIME_FIBER_CONTEXT_H_
#define REDIAL_SRC_RUNTIME_FIBER_CONTEXT_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "redial/export.h"
#include "src/runtime/fiber/stack_pool.h"

namespace redial::runtime_internal {

// Resume and Suspend alternate, on one thread. Destroyed only when it has not begun or has
// finished. Tells AddressSanitizer and ThreadSanitizer of each switch, and keeps the C++ runtime's
// record of exceptions in flight apart, so that a fiber may wait inside a catch block.
class REDIAL_EXPORT FiberContext {
 public:
  // The stack is borrowed: whoever gave it takes it back once this is destroyed.
  FiberContext(absl::AnyInvocable<void()> fn, Stack stack);
  FiberContext(const FiberContext&) = delete;
  FiberContext& operator=(const FiberContext&) = delete;
  ~FiberContext();

  // From outside: runs the fiber until it suspends or returns.
  void Resume();
  // From inside: goes on after the Resume that led here.
  void Suspend();

  bool finished() const { return finished_; }
  // Where its stack stands while it is suspended: what it touches first when it goes on.
  const void* stack_pointer() const { return inside_; }

 private:
  // __cxa_eh_globals, which the ABI fixes: a pointer and a count.
  struct ExceptionState {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };

  // What the sanitizers know a flow of control by.
  struct Identity {
    void* fake_stack = nullptr;
    const void* bottom = nullptr;
    size_t size = 0;
    void* tsan = nullptr;
  };

  void Run() noexcept;  // what leaves `fn` by an exception ends the program here

  // What each switch needs stands first.
  void* inside_ = nullptr;   // where Resume jumps to
  void* outside_ = nullptr;  // where Suspend jumps to
  ExceptionState exceptions_;
  bool finished_ = false;
  absl::AnyInvocable<void()> fn_;
  Identity fiber_;
  Identity thread_;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_CONTEXT_H_
