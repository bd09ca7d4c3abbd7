// Stacks for fibers: mapped with a guard below, and kept for the next fiber.
#ifndef REDIAL_SRC_RUNTIME_FIBER_STACK_POOL_H_
#define REDIAL_SRC_RUNTIME_FIBER_STACK_POOL_H_

#include <cstddef>
#include <vector>

#include "redial/export.h"

namespace redial::runtime_internal {

// One stack: `size` usable bytes from `bottom` up, and a guard below that. A value that owns
// nothing.
struct Stack {
  char* bottom = nullptr;
  size_t size = 0;

  bool valid() const { return bottom != nullptr; }
  // Whether an access to `address` ran over the end of this stack.
  bool GuardHolds(const void* address) const;
};

// Only touched pages cost memory. Needs outside locking.
//
// What fibers touch stands at the same depth of each stack, so equal distances between stacks would
// have it compete for a few sets of each cache, and for a few places among the translations of
// addresses. So stacks begin at different cache lines, and stand an odd number of pages apart.
class REDIAL_EXPORT StackPool {
 public:
  // `stack_size` is rounded up to whole pages. At most `kept` free stacks are kept mapped.
  explicit StackPool(size_t stack_size, size_t kept = 1024);
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  ~StackPool();  // unmaps the free ones; those that are out stay mapped

  // Not valid where the kernel has no more memory or mappings, with errno set.
  Stack Take();
  void Give(Stack stack);

  size_t stack_size() const { return stack_size_; }

 private:
  void Unmap(Stack stack) const;

  const size_t stack_size_;
  const size_t kept_;
  const size_t mapping_size_;
  size_t mapped_ = 0;  // how many were
  std::vector<Stack> free_;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_STACK_POOL_H_
