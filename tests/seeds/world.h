// A small service drawn from a seed: clients with policies of their own, servers, the network
// between them, and what goes wrong while they talk. Everything that must hold whatever goes wrong is
// checked as it runs.
//
//   std::vector<std::string> broken = RunWorld(seed).broken;
#ifndef REDIAL_TESTS_SEEDS_WORLD_H_
#define REDIAL_TESTS_SEEDS_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace redial::testing {

struct WorldReport {
  std::vector<std::string> broken;  // invariants, a sentence each
  uint64_t trace_hash = 0;
  std::string trace;  // where something broke
  // What happened, so that a test can tell that much did.
  size_t calls = 0;
  size_t succeeded = 0;
  size_t attempts = 0;
  size_t executed = 0;
  size_t injected = 0;
};

WorldReport RunWorld(uint64_t seed);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SEEDS_WORLD_H_
