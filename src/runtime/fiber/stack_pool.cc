#include "src/runtime/fiber/stack_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace redial::runtime_internal {
namespace {

size_t PageSize() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

size_t WholePages(size_t size) {
  const size_t page = PageSize();
  return (size + page - 1) / page * page;
}

// Costs address space alone. A single page could be stepped over by a function with large locals.
constexpr size_t kGuard = size_t{64} * 1024;

void Unmap(Stack stack) { ::munmap(stack.bottom - kGuard, kGuard + stack.size); }

}  // namespace

bool Stack::GuardHolds(const void* address) const {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  const uintptr_t end = reinterpret_cast<uintptr_t>(bottom);
  return valid() && at < end && at >= end - kGuard;
}

StackPool::StackPool(size_t stack_size, size_t kept)
    : stack_size_(WholePages(stack_size)), kept_(kept) {}

StackPool::~StackPool() {
  for (const Stack stack : free_) Unmap(stack);
}

Stack StackPool::Take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* const mapping = ::mmap(nullptr, kGuard + stack_size_, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED) return {};
  // Splits the mapping in two; a process may have some 65000 (vm.max_map_count).
  if (::mprotect(mapping, kGuard, PROT_NONE) != 0) {
    ::munmap(mapping, kGuard + stack_size_);
    return {};
  }
  return {static_cast<char*>(mapping) + kGuard, stack_size_};
}

void StackPool::Give(Stack stack) {
  if (free_.size() < kept_) {
    free_.push_back(stack);
  } else {
    Unmap(stack);
  }
}

}  // namespace redial::runtime_internal
