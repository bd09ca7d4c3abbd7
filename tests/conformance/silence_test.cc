// Peers that are there no more, and don't say so.
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

using Silence = Body;

// Source: Stevens, TCP/IP Illustrated I, 18.7 (a half-open connection); Go net TestReadTimeout.
CONFORM(Silence, ADeadPeerIsLeftByTheDeadline) {
  Ends ends = Connected();
  world().Deafen(ends.server);
  const Instant began = Now();
  ends.client.set_deadline(In(absl::Milliseconds(30)));
  EXPECT_EQ(ends.client.Write("GET\r\n"), absl::OkStatus()) << "nobody knows yet";
  const absl::Status status = ends.client.ReadUntil("\r\n").status();
  ExpectTook(began, absl::Milliseconds(30));
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
  EXPECT_EQ(FailureOf(status)->sent, Sent::kMaybe);
  EXPECT_EQ(FailureOf(status)->phase, Phase::kRead);
}

// Source: turmoil tcp.rs network_partition_once_connected: writes fill the window, then wait.
CONFORM(Silence, WritesToADeadPeerWaitInTheEnd) {
  Ends ends = Narrow();
  world().Deafen(ends.server);
  ends.client.set_deadline(In(absl::Milliseconds(30)));
  const absl::Status status = ends.client.Write(std::string(size_t{16} << 20, 'x'));
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
  EXPECT_LT(ends.client.last_write_bytes(), size_t{16} << 20);
}

// Source: tcp(7), TCP_USER_TIMEOUT; measured on Linux 6.18: 1000 fired at 1429 ms.
CONFORM(Silence, UnacknowledgedBytesEndAConnectionAtTheUserTimeout) {
  Ends ends = Connected({.user_timeout = absl::Milliseconds(500)});
  world().Deafen(ends.server);
  ends.client.set_deadline(Guard());
  const Instant began = Now();
  ASSERT_EQ(ends.client.Write("anybody there?"), absl::OkStatus());
  const absl::Status status = ReadByte(ends.client).status();
  EXPECT_GE(Now() - began, absl::Milliseconds(500));
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(ErrnoOf(status), ETIMEDOUT);
}

// Source: turmoil: SYN retries that are exhausted are a timeout, not a reset; tcp(7), TCP_USER_TIMEOUT.
CONFORM(Silence, UnansweredSynsEndInATimeoutAndNotInARefusal) {
  const auto hole = world().MakeBlackHole(Address::Family::kIpv4, 0);
  DialOptions options;
  options.socket.user_timeout = absl::Milliseconds(300);
  const Instant began = Now();
  const absl::Status status = Dial(TargetOf(hole->address()), Guard(), {}, options).status();
  EXPECT_GE(Now() - began, absl::Milliseconds(300));
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(ErrnoOf(status), ETIMEDOUT);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
}

// Source: tcp(7), TCP_KEEPIDLE; measured on Linux 6.18: 1/1/2 ended an idle reader at 3072 ms.
CONFORM(Silence, ProbesEndAnIdleConnection) {
  const Instant began = Now();
  Ends ends = Connected({.keepalive_idle = absl::Seconds(1),
                         .keepalive_interval = absl::Seconds(1),
                         .keepalive_probes = 1,
                         .user_timeout = absl::InfiniteDuration()});
  world().Deafen(ends.server);
  ends.client.set_deadline(Guard());
  const absl::Status status = ReadByte(ends.client).status();
  EXPECT_GE(Now() - began, absl::Seconds(2));
  EXPECT_EQ(status.code(), kUnavailable) << status;
  EXPECT_EQ(ErrnoOf(status), ETIMEDOUT);
}

// Source: tcp(7): probes that are answered keep an idle connection.
CONFORM(Silence, AnsweredProbesKeepAnIdleConnection) {
  Ends ends = Connected({.keepalive_idle = absl::Seconds(1),
                         .keepalive_interval = absl::Seconds(1),
                         .keepalive_probes = 1,
                         .user_timeout = absl::InfiniteDuration()});
  ends.client.set_deadline(In(absl::Milliseconds(2500)));
  EXPECT_EQ(ReadByte(ends.client).status().code(), kDeadlineExceeded);
  ends.client.set_deadline(Deadline::Never());
  ExpectTalks(ends.client, ends.server);
}

}  // namespace
}  // namespace redial::conformance
