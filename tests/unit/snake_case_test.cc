#include "src/core/snake_case.h"

#include <gtest/gtest.h>

namespace redial::internal {
namespace {

TEST(SnakeCaseTest, WordsBeginWhereCapitalsSaySo) {
  EXPECT_EQ(SnakeCase("RateLimit"), "rate_limit");
  EXPECT_EQ(SnakeCase("HTTPLimit"), "http_limit");
  EXPECT_EQ(SnakeCase("queueSize"), "queue_size");
  EXPECT_EQ(SnakeCase("V2"), "v2");
  EXPECT_EQ(SnakeCase("tokens"), "tokens");
}

TEST(SnakeCaseTest, WhatANameMayNotHaveParts) {
  EXPECT_EQ(SnakeCase("my own-policy!"), "my_own_policy");
  EXPECT_EQ(SnakeCase("_odd__"), "odd");
  EXPECT_EQ(SnakeCase("a\xC3\xA4z"), "a_z");
  EXPECT_EQ(SnakeCase("%"), "unnamed");
  EXPECT_EQ(SnakeCase(""), "unnamed");
}

}  // namespace
}  // namespace redial::internal
