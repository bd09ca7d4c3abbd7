#include "src/core/mix.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>

namespace redial::internal {
namespace {

// The reference implementation's outputs for the seed 0; its state advances by the same constant.
TEST(Mix64, IsSplitmix64) {
  EXPECT_EQ(Mix64(0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(Mix64(0x9e3779b97f4a7c15), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(Mix64(2 * 0x9e3779b97f4a7c15), 0x06c45d188009454fu);
}

TEST(Mix64, SpreadsEachBit) {
  for (int bit = 0; bit < 64; ++bit) {
    const int changed = std::popcount(Mix64(42) ^ Mix64(uint64_t{42} ^ uint64_t{1} << bit));
    EXPECT_GE(changed, 16) << bit;
    EXPECT_LE(changed, 48) << bit;
  }
}

TEST(HashName, IsFnv1a) {
  EXPECT_EQ(HashName(""), 0xcbf29ce484222325u);
  EXPECT_EQ(HashName("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(HashName("foobar"), 0x85944171f73967e8u);
}

}  // namespace
}  // namespace redial::internal
