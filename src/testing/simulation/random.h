// Chance from a seed, in integers alone: the standard library's distributions and its floating
// point differ between implementations, and a trace must not.
#ifndef REDIAL_SRC_TESTING_SIMULATION_RANDOM_H_
#define REDIAL_SRC_TESTING_SIMULATION_RANDOM_H_

#include <cstdint>

#include "src/core/mix.h"

namespace redial::testing::internal {

__extension__ using Uint128 = unsigned __int128;

// A splitmix64 sequence. A value; used by one thread.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() { return redial::internal::NextMixed(state_); }
  // Below `bound`, which is not 0.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<Uint128>(Next()) * bound) >> 64);
  }
  // True `millionths` times in a million.
  bool Chance(uint32_t millionths) { return Below(1'000'000) < millionths; }

 private:
  uint64_t state_;
};

// For each purpose a sequence of its own, so that one more draw here moves none there.
inline uint64_t SeedFor(uint64_t seed, uint64_t purpose, uint64_t which = 0) {
  using redial::internal::Mix64;
  return Mix64(seed ^ Mix64(purpose ^ Mix64(which)));
}

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_RANDOM_H_
