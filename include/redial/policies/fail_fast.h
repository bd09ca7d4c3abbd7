// FailFast: some failures won't get better; this ends the call at once.
//
//   auto client = redial::Client::Create("tcp://cache:6379", {
//       redial::Retry(), redial::FailFast(redial::OnErrno(ECONNREFUSED))});
//
// With a predicate: a failure that matches ends the call whatever other policies say, and aborts
// what else is in flight. Without one: never twice, never wait. One attempt; a delay or a queue
// that would come before it ends the call too.
#ifndef REDIAL_POLICIES_FAIL_FAST_H_
#define REDIAL_POLICIES_FAIL_FAST_H_

#include "redial/export.h"
#include "redial/policies/predicate.h"
#include "redial/policy.h"

namespace redial {

REDIAL_EXPORT PolicyPtr FailFast();
// kInvalidArgument, when it joins a set, if `when` is empty.
REDIAL_EXPORT PolicyPtr FailFast(Predicate when);

}  // namespace redial

#endif  // REDIAL_POLICIES_FAIL_FAST_H_
