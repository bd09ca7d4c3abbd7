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

// Stacks are shifted up to end at different lines of the upper half of a page: the rest is enough
// for a fiber that waits.
constexpr size_t kLeastPage = 4096;
constexpr size_t kLine = 64;
constexpr size_t kEnds = kLeastPage / 2 / kLine;

size_t Shift(size_t stack_number) {
  return (kLeastPage - stack_number % kEnds * kLine) % kLeastPage;
}

size_t OddPages(size_t size) { return WholePages(size) | PageSize(); }

char* GuardEnd(char* bottom) { return bottom - reinterpret_cast<uintptr_t>(bottom) % kLeastPage; }

}  // namespace

bool Stack::GuardHolds(const void* address) const {
  if (!valid()) return false;
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  const uintptr_t end = reinterpret_cast<uintptr_t>(GuardEnd(bottom));
  return at < end && at >= end - kGuard;
}

StackPool::StackPool(size_t stack_size, size_t kept)
    : stack_size_(WholePages(stack_size)),
      kept_(kept),
      mapping_size_(OddPages(kGuard + kLeastPage + stack_size_)) {}

StackPool::~StackPool() {
  for (const Stack stack : free_) Unmap(stack);
}

Stack StackPool::Take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* const mapping = ::mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED) return {};
  // Splits the mapping in two; a process may have some 65000 (vm.max_map_count).
  if (::mprotect(mapping, kGuard, PROT_NONE) != 0) {
    ::munmap(mapping, mapping_size_);
    return {};
  }
  return {static_cast<char*>(mapping) + kGuard + Shift(mapped_++), stack_size_};
}

void StackPool::Give(Stack stack) {
  if (free_.size() < kept_) {
    free_.push_back(stack);
  } else {
    Unmap(stack);
  }
}

void StackPool::Unmap(Stack stack) const {
  ::munmap(GuardEnd(stack.bottom) - kGuard, mapping_size_);
}

}  // namespace redial::runtime_internal
