#include "redial/time.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace redial {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Instant At(int64_t nanos) { return Instant::FromNanos(nanos); }

TEST(Instant, Adds) {
  EXPECT_EQ(At(5) + absl::Nanoseconds(3), At(8));
  EXPECT_EQ(At(5) - absl::Nanoseconds(3), At(2));
  EXPECT_EQ(At(5) - absl::Nanoseconds(8), At(-3));
  EXPECT_EQ(At(8) - At(5), absl::Nanoseconds(3));
  EXPECT_EQ(At(5) - At(8), -absl::Nanoseconds(3));
}

TEST(Instant, Saturates) {
  EXPECT_EQ(At(5) + absl::InfiniteDuration(), At(kMax));
  EXPECT_EQ(At(-5) + absl::InfiniteDuration(), At(kMax - 5));
  EXPECT_EQ(At(kMax) + absl::Nanoseconds(1), At(kMax));
  EXPECT_EQ(At(kMin) - absl::Nanoseconds(1), At(kMin));
  EXPECT_EQ(At(-5) + -absl::InfiniteDuration(), At(kMin));
  EXPECT_EQ(At(kMax) - At(-1), absl::Nanoseconds(kMax));
  EXPECT_EQ(At(kMin) - At(1), absl::Nanoseconds(kMin));
  EXPECT_EQ(NanosBetween(At(kMin), At(kMax)), kMax);
  EXPECT_EQ(NanosBetween(At(kMax), At(kMin)), kMin);
}

TEST(Instant, KnowsWhichClockItIsFrom) {
  EXPECT_FALSE(Instant().is_virtual());
  EXPECT_TRUE(Instant::VirtualOrigin().is_virtual());
  EXPECT_FALSE((Instant::VirtualOrigin() - absl::Nanoseconds(1)).is_virtual());
}

TEST(ToNanos, SaturatesWhatIsInfinite) {
  EXPECT_EQ(ToNanos(absl::InfiniteDuration()), kMax);
  EXPECT_EQ(ToNanos(-absl::InfiniteDuration()), kMin);
  EXPECT_EQ(ToNanos(absl::Hours(24 * 365 * 1000)), kMax);
  EXPECT_EQ(ToNanos(absl::Milliseconds(-2)), -2'000'000);
}

TEST(Deadline, PastAndNeverDifferFromEveryInstant) {
  EXPECT_EQ(Deadline(), Deadline::Never());
  EXPECT_LT(Deadline::Past(), Deadline(At(kMin)));
  EXPECT_LT(Deadline(At(kMin)), Deadline(At(0)));
  EXPECT_LT(Deadline(At(0)), Deadline(At(1)));
  EXPECT_LT(Deadline(At(1)), Deadline(At(kMax)));
  EXPECT_LT(Deadline(At(kMax)), Deadline::Never());

  EXPECT_TRUE(Deadline::Past().is_past());
  EXPECT_TRUE(Deadline::Never().is_never());
  EXPECT_FALSE(Deadline(At(kMin)).is_past());
  EXPECT_FALSE(Deadline(At(kMax)).is_never());
}

TEST(Deadline, ExpiresAtItsOwnInstant) {
  const Deadline deadline(At(100));
  EXPECT_FALSE(deadline.expired(At(99)));
  EXPECT_TRUE(deadline.expired(At(100)));
  EXPECT_TRUE(deadline.expired(At(101)));
  EXPECT_TRUE(Deadline::Past().expired(At(kMin)));
  EXPECT_FALSE(Deadline::Never().expired(At(kMax)));
}

TEST(Deadline, SaysWhatIsLeft) {
  EXPECT_EQ(Deadline(At(100)).remaining(At(40)), absl::Nanoseconds(60));
  EXPECT_EQ(Deadline(At(100)).remaining(At(100)), absl::ZeroDuration());
  EXPECT_EQ(Deadline(At(100)).remaining(At(500)), absl::ZeroDuration());
  EXPECT_EQ(Deadline::Past().remaining(At(0)), absl::ZeroDuration());
  EXPECT_EQ(Deadline::Never().remaining(At(0)), absl::InfiniteDuration());
  EXPECT_EQ(Deadline(At(kMax)).remaining(At(kMin)), absl::Nanoseconds(kMax));
}

TEST(Deadline, AfterATimeout) {
  EXPECT_EQ(Deadline::After(At(5), absl::Nanoseconds(3)), Deadline(At(8)));
  EXPECT_EQ(Deadline::After(At(5), absl::ZeroDuration()), Deadline(At(5)));
  EXPECT_EQ(Deadline::After(At(5), -absl::Nanoseconds(1)), Deadline::Past());
  EXPECT_EQ(Deadline::After(At(5), -absl::InfiniteDuration()), Deadline::Past());
  EXPECT_EQ(Deadline::After(At(5), absl::InfiniteDuration()), Deadline::Never());
}

TEST(Deadline, OutsideItsClockIsNever) {
  EXPECT_EQ(Deadline::After(At(5), absl::Hours(24 * 365 * 147)), Deadline::Never());
  const Instant now = Instant::VirtualOrigin() + absl::Seconds(1);
  EXPECT_EQ(Deadline::After(now, absl::Seconds(2)),
            Deadline(Instant::VirtualOrigin() + absl::Seconds(3)));
  EXPECT_EQ(Deadline::After(now, absl::Hours(24 * 365 * 147)), Deadline::Never());
}

TEST(Deadline, EarlierOfTwo) {
  EXPECT_EQ(Earlier(Deadline(At(1)), Deadline(At(2))), Deadline(At(1)));
  EXPECT_EQ(Earlier(Deadline::Never(), Deadline(At(2))), Deadline(At(2)));
  EXPECT_EQ(Earlier(Deadline(At(2)), Deadline::Past()), Deadline::Past());
}

}  // namespace
}  // namespace redial
