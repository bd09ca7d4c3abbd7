// Where redial's own statuses are made: the one mapping from errno to code, and messages that all
// read alike ("read from 10.0.0.7:6379: connection reset by peer (ECONNRESET)"). Each carries its
// `Failure`.
//
//   Failure failure{.phase = Phase::kRead, .address = peer, .bytes_received = 3};
//   if (n < 0) return ErrnoStatus(errno, failure);
//   if (n == 0) return FailureStatus(absl::StatusCode::kUnavailable,
//                                    "closed by the peer after 3 of 5 bytes", failure);
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_CORE_STATUS_H_
#define REDIAL_SRC_CORE_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "redial/export.h"
#include "redial/failure.h"

namespace redial::internal {

// What an errno means to a caller. ETIMEDOUT is the kernel's: a peer that stopped answering, so
// kUnavailable; a deadline of redial's own is a `TimeoutStatus`. Never kOk, not even for 0.
absl::StatusCode ErrnoCode(int error);

// What is certain of an operation that failed in `phase` before a byte was sent: kNo until there is
// a connection, kMaybe from then on. Transports know more, and say so.
Sent SentBefore(Phase phase);

// "connect to 10.0.0.7:6379", "read"; empty where the phase is unknown.
std::string Doing(Phase phase, std::string_view address);

// `code` with `failure` attached, and the message "<doing>: <text>".
REDIAL_EXPORT absl::Status FailureStatus(absl::StatusCode code, std::string_view text,
                                         const Failure& failure);

// The failed system call, "<doing>: connection refused (ECONNREFUSED)". Sets `failure.error`.
REDIAL_EXPORT absl::Status ErrnoStatus(int error, Failure failure);
// The same, where `what` says what was being done ("bind to [::1]:80"); `sent` as `SentBefore`.
absl::Status ErrnoStatus(int error, Phase phase, std::string_view what);

// A call that was refused before its first attempt: "PING tcp://cache:6379 was not attempted: circuit
// breaker open". `refusal` leaves operation and target out. Refusals of a thread that
// say the same, one after the other, share a status and allocate nothing.
absl::Status RefusalStatus(absl::StatusCode code, std::string_view operation,
                           std::string_view target, const Failure& refusal);

// A limit of ours passed: kDeadlineExceeded, "read from 10.0.0.7:6379 timed out after 500 ms".
// `failure.elapsed` says how long; 0 for a deadline that had passed before anything was done.
absl::Status TimeoutStatus(const Failure& failure);
// Stop was requested: kCancelled, "read from 10.0.0.7:6379 stopped after 3 ms".
absl::Status StoppedStatus(const Failure& failure);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_STATUS_H_
