#include "redial/version.h"

#include <gtest/gtest.h>

namespace redial {
namespace {

TEST(Version, IsThatOfTheBuild) { EXPECT_EQ(Version(), REDIAL_PROJECT_VERSION); }

}  // namespace
}  // namespace redial
