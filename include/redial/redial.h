// Everything a service client needs. The pieces can be included alone; see docs/architecture.md for
// the map.
//
//   auto client = redial::Client::Create("tcp://127.0.0.1:6379", {redial::Retry()});
#ifndef REDIAL_REDIAL_H_
#define REDIAL_REDIAL_H_

#include "redial/call.h"
#include "redial/client.h"
#include "redial/datagram.h"
#include "redial/deadline_header.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/fallback.h"
#include "redial/listener.h"
#include "redial/metrics_sink.h"
#include "redial/policies/adaptive_limit.h"
#include "redial/policies/adaptive_throttle.h"
#include "redial/policies/ask_user.h"
#include "redial/policies/attempt_timeout.h"
#include "redial/policies/backoff.h"
#include "redial/policies/bulkhead.h"
#include "redial/policies/chaos.h"
#include "redial/policies/circuit_breaker.h"
#include "redial/policies/fail_fast.h"
#include "redial/policies/hedge.h"
#include "redial/policies/metrics.h"
#include "redial/policies/predicate.h"
#include "redial/policies/rate_limit.h"
#include "redial/policies/recommended.h"
#include "redial/policies/report.h"
#include "redial/policies/retry.h"
#include "redial/policies/retry_budget.h"
#include "redial/policy_set.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/target.h"
#include "redial/time.h"

#endif  // REDIAL_REDIAL_H_
