// What a `Simulation` consists of.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SIMULATION_STATE_H_
#define REDIAL_SRC_TESTING_SIMULATION_SIMULATION_STATE_H_

#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "redial/testing/simulation.h"
#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/scheduler.h"

namespace redial::testing::internal {

// Used by one thread.
struct SimulationState {
  SimulationState(uint64_t seed, const SimulationOptions& the_options,
                  std::source_location the_where)
      : options(the_options),
        where(the_where),
        scheduler(the_options.stack_size, SeedFor(seed, 0), the_options.shuffle),
        fabric(scheduler, {.seed = seed,
                           .link = the_options.link,
                           .loopback = the_options.loopback,
                           .trace_limit = the_options.trace_lines}) {}

  void Misused(std::string sentence) const {
    Fail(options.on_failure, {std::move(sentence), where});
  }

  // Where it can't be started, that is a failure of the test.
  void Start(SimHost& host, FiberSpec spec);
  // Lets a host's name stand for all its addresses.
  void ResolveToAddresses(SimHost& host);

  const SimulationOptions options;
  const std::source_location where;
  Scheduler scheduler;
  Fabric fabric;
  std::vector<std::unique_ptr<SimulatedHost>> hosts;
  bool ending = false;
};

// What each fiber that hasn't returned waits for, a line each: "client/ask waits to read from
// 198.18.0.1:7 since 1.5s".
std::string DescribeFibers(const Scheduler& scheduler, const Fabric& fabric);

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SIMULATION_STATE_H_
