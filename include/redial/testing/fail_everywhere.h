// Fails at every point: runs a scenario once without a fault, to see where it touches the network,
// and then once more for each fault that is possible at each of these points and at each byte.
//
//   redial::testing::FailEverywhereReport report = redial::testing::FailEverywhere(
//       [](redial::testing::Simulation& sim) -> absl::Status {
//         int paid = 0;
//         sim.AddHost("bank").Serve("till", [&] { Till(paid); });
//         sim.AddHost("shop").Run("buy", [] { Buy(); });
//         if (absl::Status ran = sim.Run(); !ran.ok()) return ran;
//         return paid <= 1 ? absl::OkStatus() : absl::InternalError("paid twice");
//       });
//   EXPECT_TRUE(report.ok()) << report.ToString();
//
// The scenario must be a function of the simulation alone: state that is left over from one run, a
// clock or chance from elsewhere make runs differ, and are noticed and reported. Each run is a fresh
// `Simulation` with the same seed, so what a fault brought about is found again from the seed and
// the point alone, which the report prints.
#ifndef REDIAL_TESTING_FAIL_EVERYWHERE_H_
#define REDIAL_TESTING_FAIL_EVERYWHERE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "redial/export.h"
#include "redial/testing/injection.h"
#include "redial/testing/simulation.h"

namespace redial::testing {

// One fault at one point. A value.
struct FaultPoint {
  // Which operation on the network it is, from 1 in the order in which they happen.
  uint64_t operation = 0;
  Injection::Kind kind = Injection::Kind::kNone;
  // After so many of the operation's bytes.
  size_t after = 0;

  bool operator==(const FaultPoint&) const = default;
};

struct FailEverywhereOptions {
  uint64_t seed = 1;
  // Refused connects and look-ups, resets, closes, silence, and writes and reads that are cut short.
  std::vector<Injection::Kind> faults = {Injection::Kind::kRefuse, Injection::Kind::kReset,
                                         Injection::Kind::kStall, Injection::Kind::kClose,
                                         Injection::Kind::kShort};
  // A scenario that would take more runs than this is refused instead of taking for ever.
  size_t max_runs = 100'000;
  SimulationOptions simulation = {};
  // This one alone: to look closer at what a report printed.
  std::optional<FaultPoint> only = std::nullopt;
};

struct FailEverywhereReport {
  // kInternal when an invariant broke, with what the scenario or the simulation said;
  // kFailedPrecondition when it isn't deterministic; kResourceExhausted beyond `max_runs`;
  // kInvalidArgument for options that can't be.
  absl::Status status;
  uint64_t seed = 0;
  size_t operations = 0;  // that the scenario does without a fault
  size_t runs = 0;
  // The first that broke an invariant, none where the scenario breaks without a fault.
  std::optional<FaultPoint> point;
  std::string trace;  // of that run

  bool ok() const { return status.ok(); }
  // "fails with reset after 3 of 14 bytes written by client, connection 1 (seed 7, operation 5): paid
  // twice", the way to see it again, and the trace.
  REDIAL_EXPORT std::string ToString() const;
};

// What must hold whatever fails: OK, or which invariant broke. It makes hosts and runs the
// simulation itself.
using Scenario = absl::FunctionRef<absl::Status(Simulation&)>;

// Stops at the first that breaks an invariant. So does a failure that the simulation reports.
REDIAL_EXPORT FailEverywhereReport FailEverywhere(Scenario scenario,
                                                  const FailEverywhereOptions& options = {});

}  // namespace redial::testing

#endif  // REDIAL_TESTING_FAIL_EVERYWHERE_H_
