// AttemptTimeout: bounds each attempt, so that one that hangs leaves time for another.
//
//   auto client = redial::Client::Create("tcp://cache:6379", {
//       redial::Retry(), redial::AttemptTimeout(absl::Milliseconds(500))});
//
// The call's own deadline holds all the same. Two of them: the shorter. It can cut short only what
// heeds the attempt's deadline: redial's sockets do; a plain function must look at
// `Attempt::deadline()`.
#ifndef REDIAL_POLICIES_ATTEMPT_TIMEOUT_H_
#define REDIAL_POLICIES_ATTEMPT_TIMEOUT_H_

#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// `timeout` is positive and finite: kInvalidArgument otherwise, when it joins a set.
REDIAL_EXPORT PolicyPtr AttemptTimeout(absl::Duration timeout);

}  // namespace redial

#endif  // REDIAL_POLICIES_ATTEMPT_TIMEOUT_H_
