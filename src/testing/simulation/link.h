// One direction of the way between two hosts.
#ifndef REDIAL_SRC_TESTING_SIMULATION_LINK_H_
#define REDIAL_SRC_TESTING_SIMULATION_LINK_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "redial/testing/link_options.h"
#include "redial/time.h"
#include "src/testing/simulation/random.h"

namespace redial::testing::internal {

// Used by one thread.
class Link {
 public:
  Link(const LinkOptions& options, uint64_t seed) : chance_(seed) { Configure(options); }

  // What is on its way arrives as it was to.
  void Configure(const LinkOptions& options);
  void set_up(bool up) { up_ = up; }
  bool up() const { return up_; }
  // Without jitter and queueing.
  int64_t latency() const { return latency_; }

  // When what is sent now arrives; nothing where it is lost. A small packet can overtake another.
  std::optional<Instant> Carry(Instant now, size_t bytes);
  // Whether a datagram arrives once more.
  bool Duplicates() { return duplication_ > 0 && chance_.Chance(duplication_); }

 private:
  int64_t DrawJitter();

  Random chance_;
  bool up_ = true;
  int64_t latency_ = 0;
  int64_t jitter_ = 0;
  LatencySpread spread_ = LatencySpread::kUniform;
  uint32_t loss_ = 0;  // in millionths
  uint32_t duplication_ = 0;
  int64_t bandwidth_ = 0;
  Instant free_at_ = Instant::VirtualOrigin();  // when what was sent before has left
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_LINK_H_
