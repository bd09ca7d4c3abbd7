#include "redial/reason.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace redial {
namespace {

TEST(Reason, ReadsAsHalfASentence) {
  EXPECT_EQ(ReasonText(Reason::kNone), "no reason");
  EXPECT_EQ(ReasonText(Reason::kExhausted), "attempts exhausted");
  EXPECT_EQ(ReasonText(Reason::kBreakerOpen), "circuit breaker open");
  EXPECT_EQ(ReasonText(Reason::kUnsafe), "it may have been executed and is not idempotent");
  EXPECT_EQ(ReasonText(Reason::kCancelled), "stop was requested");
}

TEST(Reason, HasANameForMachines) {
  EXPECT_EQ(ReasonName(Reason::kBackoff), "backoff");
  EXPECT_EQ(ReasonName(Reason::kNotRetriable), "not_retriable");
  EXPECT_EQ(ReasonName(Reason::kExhausted), "exhausted");
  EXPECT_EQ(ReasonName(Reason::kCancelled), "cancelled");
}

TEST(Reason, WordsAreDistinct) {
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (int i = 0; i < kReasonCount; ++i) {
    names.insert(ReasonName(static_cast<Reason>(i)));
    texts.insert(ReasonText(static_cast<Reason>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kReasonCount));
  EXPECT_EQ(texts.size(), static_cast<size_t>(kReasonCount));
}

TEST(Reason, OneOfAnotherVersionHasNoWords) {
  EXPECT_EQ(ReasonName(static_cast<Reason>(200)), "none");
  EXPECT_EQ(ReasonText(static_cast<Reason>(kReasonCount)), "no reason");
}

TEST(ReasonSet, NeverHoldsNone) {
  ReasonSet set;
  EXPECT_TRUE(set.empty());
  set.Add(Reason::kNone);
  EXPECT_TRUE(set.empty());
  set.Add(Reason::kExhausted);
  set.Add(Reason::kCancelled);
  EXPECT_TRUE(set.Has(Reason::kExhausted));
  EXPECT_TRUE(set.Has(Reason::kCancelled));
  EXPECT_FALSE(set.Has(Reason::kUnsafe));
  EXPECT_EQ(ReasonSet::FromBits(set.bits()), set);
  EXPECT_EQ(ReasonSet::FromBits(~uint64_t{0}).bits(), (uint64_t{1} << kReasonCount) - 2);

  ReasonSet other;
  other.Add(Reason::kUnsafe);
  other.Add(set);
  EXPECT_TRUE(other.Has(Reason::kUnsafe));
  EXPECT_TRUE(other.Has(Reason::kExhausted));
}

}  // namespace
}  // namespace redial
