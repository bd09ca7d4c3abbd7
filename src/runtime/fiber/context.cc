#include "src/runtime/fiber/context.h"

#include <cxxabi.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REDIAL_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define REDIAL_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define REDIAL_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define REDIAL_TSAN 1
#endif
#ifdef REDIAL_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef REDIAL_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace redial::runtime_internal {
namespace {

namespace fcontext = boost::context::detail;

}  // namespace

FiberContext::FiberContext(absl::AnyInvocable<void()> fn, Stack stack) : fn_(std::move(fn)) {
  fiber_.bottom = stack.bottom;
  fiber_.size = stack.size;
  inside_ =
      fcontext::make_fcontext(stack.bottom + stack.size, stack.size, [](fcontext::transfer_t from) {
        auto* const self = static_cast<FiberContext*>(from.data);
        self->outside_ = from.fctx;
        self->Run();
      });
#ifdef REDIAL_TSAN
  fiber_.tsan = __tsan_create_fiber(0);
#endif
}

FiberContext::~FiberContext() {
#ifdef REDIAL_TSAN
  __tsan_destroy_fiber(fiber_.tsan);
#endif
}

// ThreadSanitizer keeps a call stack for each flow of control, so the function that announces a
// switch must be the one that jumps: a helper would return on the wrong stack.

void FiberContext::Resume() {
  void* const globals = __cxxabiv1::__cxa_get_globals();
  ExceptionState outside;
  std::memcpy(&outside, globals, sizeof(outside));
  std::memcpy(globals, &exceptions_, sizeof(exceptions_));
#ifdef REDIAL_ASAN
  __sanitizer_start_switch_fiber(&thread_.fake_stack, fiber_.bottom, fiber_.size);
#endif
#ifdef REDIAL_TSAN
  thread_.tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber_.tsan, 0);
#endif
  inside_ = fcontext::jump_fcontext(inside_, this).fctx;
#ifdef REDIAL_ASAN
  __sanitizer_finish_switch_fiber(thread_.fake_stack, nullptr, nullptr);
#endif
  std::memcpy(&exceptions_, globals, sizeof(exceptions_));
  std::memcpy(globals, &outside, sizeof(outside));
}

void FiberContext::Suspend() {
#ifdef REDIAL_ASAN
  // Null: this stack is done, and its fake frames go with it.
  __sanitizer_start_switch_fiber(finished_ ? nullptr : &fiber_.fake_stack, thread_.bottom,
                                 thread_.size);
#endif
#ifdef REDIAL_TSAN
  __tsan_switch_to_fiber(thread_.tsan, 0);
#endif
  outside_ = fcontext::jump_fcontext(outside_, nullptr).fctx;
#ifdef REDIAL_ASAN
  __sanitizer_finish_switch_fiber(fiber_.fake_stack, &thread_.bottom, &thread_.size);
#endif
}

void FiberContext::Run() noexcept {
#ifdef REDIAL_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &thread_.bottom, &thread_.size);
#endif
  fn_();
  fn_ = nullptr;
  finished_ = true;
  Suspend();
  std::abort();  // nobody resumes what has finished
}

}  // namespace redial::runtime_internal
