// Laws 1, 6 and 7 under random scripts: see tests/support/law_call.h for what is held against each
// event, and the policies' own audits for what is held against the shared state.

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/support/law_script.h"
#include "tests/support/sanitized.h"

namespace redial::testing {
namespace {

TEST(Conservation, WhatIsReservedIsGivenBackUnderRandomScripts) {
  constexpr uint64_t kScripts = kSanitized ? 100'000 : 1'000'000;
  for (uint64_t seed = 0; seed < kScripts; ++seed) {
    SeededChoices choices(seed);
    ASSERT_EQ(PlayScript(choices), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace redial::testing
