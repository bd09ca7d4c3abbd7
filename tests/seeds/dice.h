// Chance that is the same on every machine.
#ifndef REDIAL_TESTS_SEEDS_DICE_H_
#define REDIAL_TESTS_SEEDS_DICE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "src/core/mix.h"

namespace redial::testing {

// A splitmix64 sequence. Used by one thread.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  uint64_t Next() { return ::redial::internal::NextMixed(state_); }
  // From `low` to `high`, both included.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Next() % static_cast<uint64_t>(high - low + 1));
  }
  int Int(int low, int high) { return static_cast<int>(Between(low, high)); }
  bool OneIn(int n) { return Between(1, n) == 1; }
  absl::Duration Time(absl::Duration low, absl::Duration high) {
    return absl::Nanoseconds(
        Between(absl::ToInt64Nanoseconds(low), absl::ToInt64Nanoseconds(high)));
  }

 private:
  uint64_t state_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SEEDS_DICE_H_
