// Listening and accepting.
#include <gtest/gtest.h>

#include <cerrno>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using Accepting = Body;

// Source: userver engine/io/socket_test (accept with 10 ms); Go net TestAcceptTimeout.
CONFORM(Accepting, ADeadlineIsKeptWhereNobodyComes) {
  Listener listener = Listen();
  for (const int ms : {1, 10, 30}) {
    const Instant began = Now();
    const absl::Status status = listener.Accept(In(absl::Milliseconds(ms))).status();
    ExpectTook(began, absl::Milliseconds(ms));
    EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
    EXPECT_EQ(FailureOf(status)->phase, Phase::kAccept);
  }
}

// Source: Go net TestAcceptTimeout.
CONFORM(Accepting, AnExpiredDeadlineTakesNoConnectionThatIsQueued) {
  Listener listener = Listen();
  Socket queued = Connect(listener.local());
  const absl::Status status = listener.Accept(Deadline::Past()).status();
  EXPECT_EQ(status.message(),
            "accept on " + listener.local().ToString() + " not begun: the deadline had passed");
  Socket accepted = Accept(listener);
  ExpectTalks(queued, accepted);
}

}  // namespace
}  // namespace redial::conformance
