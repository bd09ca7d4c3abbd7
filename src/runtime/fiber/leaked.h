// Tells a leak checker what is leaked on purpose: fibers that outlast their runtime's shutdown,
// which reports them itself. Does nothing where none is built in.
#ifndef REDIAL_SRC_RUNTIME_FIBER_LEAKED_H_
#define REDIAL_SRC_RUNTIME_FIBER_LEAKED_H_

#include "src/runtime/fiber/stack_pool.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REDIAL_LEAK_CHECKER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define REDIAL_LEAK_CHECKER 1
#endif
#ifdef REDIAL_LEAK_CHECKER
#include <sanitizer/lsan_interface.h>
#endif

namespace redial::runtime_internal {

#ifdef REDIAL_LEAK_CHECKER
inline void Leak(const void* object) { __lsan_ignore_object(object); }
// And all that it points to.
inline void Leak(Stack stack) { __lsan_register_root_region(stack.bottom, stack.size); }
#else
inline void Leak(const void*) {}
inline void Leak(Stack) {}
#endif

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_LEAKED_H_
