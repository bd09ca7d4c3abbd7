// What failures are put together of, for tests of the stories that are told of them.
//
//   ToldOf(RefusedAttempt(1));  // "PING cache:6379 failed in 412 ms: [::1]:6379 connection refused …"
#ifndef REDIAL_TESTS_UNIT_STORY_KIT_H_
#define REDIAL_TESTS_UNIT_STORY_KIT_H_

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"

namespace redial::testing {

inline AddressTried Refused(std::string address) {
  return {.address = std::move(address), .error = ECONNREFUSED, .elapsed = absl::Milliseconds(1)};
}

inline AddressTried TimedOut(std::string address) {
  return {.address = std::move(address), .error = ETIMEDOUT, .elapsed = absl::Milliseconds(200)};
}

inline AttemptRecord RefusedAttempt(int number) {
  return {.number = number,
          .code = absl::StatusCode::kUnavailable,
          .phase = Phase::kConnect,
          .error = ECONNREFUSED,
          .sent = Sent::kNo,
          .elapsed = absl::Milliseconds(1),
          .tried = {Refused("[::1]:6379")}};
}

inline AttemptRecord StalledAttempt(int number) {
  return {
      .number = number,
      .kind = AttemptKind::kRetry,
      .code = absl::StatusCode::kDeadlineExceeded,
      .phase = Phase::kRead,
      .bytes_sent = 6,
      .elapsed = absl::Milliseconds(501),
      .address = "10.0.0.7:6379",
      .detail = "read from 10.0.0.7:6379 timed out after 500 ms, with 0 bytes and no delimiter"};
}

inline Failure Ping(std::vector<AttemptRecord> attempts) {
  return {.elapsed = absl::Milliseconds(412),
          .operation = "PING",
          .target = "cache:6379",
          .attempts = std::move(attempts)};
}

inline std::string Told(const Failure& failure) {
  return Story(WithFailure(absl::UnavailableError("the message"), failure));
}

// The story of one attempt.
inline std::string ToldOf(const AttemptRecord& record) { return Told(Ping({record})); }

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_STORY_KIT_H_
