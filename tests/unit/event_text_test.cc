#include "src/client/event_text.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"
#include "redial/call_event.h"

namespace redial {
namespace {

TEST(EventTextTest, CountsDownToTheEnd) {
  EXPECT_EQ(internal::CountdownText(absl::ZeroDuration()), "0.0 s");
  EXPECT_EQ(internal::CountdownText(absl::Nanoseconds(1)), "0.1 s");
  EXPECT_EQ(internal::CountdownText(absl::Milliseconds(400)), "0.4 s");
  EXPECT_EQ(internal::CountdownText(absl::Seconds(59.9)), "59.9 s");
  EXPECT_EQ(internal::CountdownText(absl::Seconds(124.2)), "2 min 5 s");
}

TEST(EventTextTest, AChangeSaysHowLongItHoldsWhereThatIsKnown) {
  CallEvent event;
  event.type = CallEvent::Type::kPolicyChanged;
  event.now = Instant::FromNanos(1'000'000'000);
  event.policy = "CircuitBreaker";
  event.label = "cache-1\n";
  event.from = "closed";
  event.to = "open";
  EXPECT_EQ(internal::ChangeText(event), "CircuitBreaker cache-1\\n is open now; it was closed");
  event.until = Deadline::After(event.now, absl::Milliseconds(4200));
  EXPECT_EQ(internal::ChangeText(event),
            "CircuitBreaker cache-1\\n is open now, for 4.2 s; it was closed");
}

TEST(EventTextTest, FitsColumns) {
  EXPECT_EQ(internal::FitColumns("abcdef", 6), "abcdef");
  EXPECT_EQ(internal::FitColumns("abcdefg", 6), "abc...");
  EXPECT_EQ(internal::FitColumns("abcdef", 2), "");
  EXPECT_EQ(internal::FitColumns("", 0), "");
  EXPECT_EQ(internal::FitColumns("\u00e9\u00e9\u00e9", 3), "\u00e9\u00e9\u00e9");
  EXPECT_EQ(internal::FitColumns("\u6f22\u5b57\u6f22\u5b57", 7), "\u6f22\u5b57...");  // wide
}

}  // namespace
}  // namespace redial
