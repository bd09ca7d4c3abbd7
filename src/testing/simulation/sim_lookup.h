// A look-up of a name in a simulation.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SIM_LOOKUP_H_
#define REDIAL_SRC_TESTING_SIMULATION_SIM_LOOKUP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "redial/network.h"
#include "src/testing/simulation/sim_host.h"

namespace redial::testing::internal {

absl::StatusOr<std::unique_ptr<Lookup>> StartSimLookup(SimHost& host, const ResolveRequest& request,
                                                       const ResolverOptions& options);

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SIM_LOOKUP_H_
