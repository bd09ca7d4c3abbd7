#include "src/runtime/fiber/stack_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <vector>

namespace redial::runtime_internal {
namespace {

constexpr size_t kSize = size_t{64} * 1024;
constexpr size_t kPage = 4096;
constexpr size_t kStacks = 512;
constexpr size_t kLines = kPage / 2 / 64;

class StackPoolTest : public ::testing::Test {
 protected:
  StackPoolTest() {
    for (size_t i = 0; i < kStacks; ++i) stacks_.push_back(pool_.Take());
  }
  ~StackPoolTest() override {
    for (const Stack stack : stacks_) pool_.Give(stack);
  }

  static uintptr_t End(Stack stack) {
    return reinterpret_cast<uintptr_t>(stack.bottom + stack.size);
  }

  StackPool pool_{kSize, /*kept=*/0};
  std::vector<Stack> stacks_;
};

TEST_F(StackPoolTest, AllOfAStackIsThere) {
  for (const Stack stack : stacks_) {
    ASSERT_EQ(stack.size, kSize);
    for (size_t i = 0; i < stack.size; ++i) stack.bottom[i] = 1;
    EXPECT_FALSE(stack.GuardHolds(stack.bottom));
    EXPECT_TRUE(stack.GuardHolds(stack.bottom - kPage));
  }
}

// Else they compete for the same sets of the processor's caches: a round trip on 10000 connections
// took a tenth longer.
TEST_F(StackPoolTest, StacksEndAtDifferentLines) {
  std::set<uintptr_t> lines;
  for (const Stack stack : stacks_) {
    const uintptr_t above = (kPage - End(stack) % kPage) % kPage;
    EXPECT_LT(above, kPage / 2) << "what a waiting fiber needs must fit into one page";
    lines.insert(above / 64);
  }
  EXPECT_EQ(lines.size(), kLines);
}

// The kernel puts mappings side by side, but for those that fill a gap.
TEST_F(StackPoolTest, StacksStandAnOddNumberOfPagesApart) {
  std::set<uintptr_t> pages;
  for (const Stack stack : stacks_) pages.insert((End(stack) - 1) / kPage);
  std::map<uintptr_t, int> distances;
  for (auto page = pages.begin(); std::next(page) != pages.end(); ++page) {
    ++distances[*std::next(page) - *page];
  }
  const auto usual = std::max_element(distances.begin(), distances.end(),
                                      [](auto& a, auto& b) { return a.second < b.second; });
  EXPECT_EQ(usual->first % 2, 1) << usual->first;
}

}  // namespace
}  // namespace redial::runtime_internal
