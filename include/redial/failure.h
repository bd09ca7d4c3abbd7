// The story behind a status: where, on which address, with which errno, after how many bytes, after
// how long, on which attempt, why it stopped, and whether the peer may have acted on it.
//
//   auto pong = client->Call({.operation = "PING", .timeout = absl::Seconds(2)}, Ping);
//   if (!pong.ok()) {
//     std::cerr << redial::Story(pong.status()) << '\n';
//     auto failure = redial::FailureOf(pong.status());
//     if (failure && failure->sent == redial::Sent::kNo) { /* safe to do it elsewhere */ }
//   }
//
// A `Failure` travels as a payload of the `absl::Status`; the status's code and message stand on
// their own without it. All of these are values: const use is safe together, anything else needs
// outside locking.
#ifndef REDIAL_FAILURE_H_
#define REDIAL_FAILURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/export.h"
#include "redial/reason.h"

namespace redial {

// What was being done.
enum class Phase : uint8_t {
  kNone,       // not known: a plain function failed, or nothing had begun
  kResolve,    // looking the name up
  kConnect,    // connecting
  kHandshake,  // TLS, or a login that ended with Handshaken()
  kWrite,
  kRead,
  kListen,
  kAccept,
  kClose,
  kQueue,    // waiting for a policy's permission
  kBackoff,  // waiting before the next attempt
};
REDIAL_EXPORT std::string_view PhaseName(Phase phase);  // "connect"

// Whether the peer may have acted on what was asked.
enum class Sent : uint8_t {
  kNo,        // provably not sent: the kernel accepted no byte
  kMaybe,     // some byte went out, or nobody knows
  kRejected,  // the peer said that it did not act
  kAnswered,  // the peer answered, in whole or in part
};
REDIAL_EXPORT std::string_view SentName(Sent sent);  // "not sent"

// One address that was tried while dialing, or one name server.
struct AddressTried {
  std::string address = {};
  // errno; 0 for the one that was used, ETIMEDOUT where our own deadline ended it, ECANCELED where
  // another address won.
  int error = 0;
  absl::Duration elapsed = {};

  friend bool operator==(const AddressTried&, const AddressTried&) = default;
};

enum class AttemptKind : uint8_t { kFirst, kRetry, kHedge };

// One attempt of a call, as its final error and its events tell it.
struct AttemptRecord {
  int number = 0;  // from 1
  AttemptKind kind = AttemptKind::kFirst;
  absl::StatusCode code = absl::StatusCode::kUnknown;
  Phase phase = Phase::kNone;
  int error = 0;  // errno, 0 where none applies
  Sent sent = Sent::kMaybe;
  bool attempt_timeout = false;  // its own time was up, and the call had some left
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  absl::Duration started = {};  // after the call began
  absl::Duration elapsed = {};
  std::string address = {};  // the endpoint that was used, if one was reached
  std::string detail = {};   // the attempt's own message
  std::vector<AddressTried> tried = {};

  friend bool operator==(const AttemptRecord&, const AttemptRecord&) = default;
};

struct Failure {
  Phase phase = Phase::kNone;
  int error = 0;  // errno, 0 where none applies
  Sent sent = Sent::kMaybe;
  bool declared = false;  // the operation said so itself: NotSent, Rejected, RetryAfter
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  absl::Duration elapsed = {};  // of the operation; of the whole call in a call's error
  std::string address = {};     // the endpoint, if one was reached
  std::vector<AddressTried> tried = {};

  // The peer asked to be left alone for so long (see RetryAfter).
  std::optional<absl::Duration> retry_after = {};

  // Filled by a call.
  std::string operation = {};
  std::string target = {};
  ReasonSet reasons = {};      // everything that spoke against another attempt
  Reason why = Reason::kNone;  // the one that decided
  // When the refuser would next admit, from now. Where a call was refused before its first attempt,
  // values of 10 ms and more are rounded up to whole milliseconds.
  std::optional<absl::Duration> retry_at = {};
  std::vector<AttemptRecord> attempts = {};

  friend bool operator==(const Failure&, const Failure&) = default;
};

// The failure that travels with `status`; nullopt where there is none (an OK status, or somebody
// else's).
REDIAL_EXPORT std::optional<Failure> FailureOf(const absl::Status& status);
// `status` with `failure` attached, in place of any earlier one. An OK status stays as it is.
REDIAL_EXPORT absl::Status WithFailure(absl::Status status, const Failure& failure);

// One line for a person: "GET cache:6379 failed after 3 attempts in 412 ms: #1 [::1]:6379
// connection refused (ECONNREFUSED) after 1 ms; #2 10.0.0.7:6379 connect timed out after 200 ms; …;
// not retried: it may have been executed and is not idempotent". "OK" for an OK status; code and
// message of one that carries no failure. Control characters in foreign text are escaped.
REDIAL_EXPORT std::string Story(const absl::Status& status);

// What operation code can say of its own failure; each returns `status` with it attached, an OK one
// unchanged.
//
// Nothing was sent: safe to retry for every operation.
REDIAL_EXPORT absl::Status NotSent(absl::Status status);
// The peer said that it did not act (an HTTP 429, a Redis "LOADING"): safe to retry for every
// operation.
REDIAL_EXPORT absl::Status Rejected(absl::Status status);
// As `Rejected`, and the peer asked to come back no sooner than `delay`. A negative delay is
// ignored.
REDIAL_EXPORT absl::Status RetryAfter(absl::Status status, absl::Duration delay);

// The symbolic name of an errno: "ECONNREFUSED"; "errno 4711" for one that has none.
REDIAL_EXPORT std::string ErrnoName(int error);
// What it means in plain words: "connection refused".
REDIAL_EXPORT std::string ErrnoText(int error);

}  // namespace redial

#endif  // REDIAL_FAILURE_H_
