// Bodies in fibers, on the shipped runtime.
#ifndef REDIAL_TESTS_CONFORMANCE_FIBER_WORLD_H_
#define REDIAL_TESTS_CONFORMANCE_FIBER_WORLD_H_

#include "absl/functional/any_invocable.h"

namespace redial::conformance {

// On two workers, each of which spawns on the other; whatever the body opened must be gone after.
void RunOnFibers(absl::AnyInvocable<void()> body);

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_FIBER_WORLD_H_
