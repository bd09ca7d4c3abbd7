// The time that is left, as it travels with a request, so that a server stops working when nobody
// waits any more: gRPC's `grpc-timeout`, and plain milliseconds as in Envoy's
// `x-envoy-expected-rq-timeout-ms`. The client sends what is left of its attempt:
//
//   auto reply = redial::Call({.operation = "render"}, policy_set,
//                             [&](const redial::Attempt& attempt) -> absl::StatusOr<std::string> {
//     std::string request = "GET /render HTTP/1.1\r\n";
//     if (auto timeout = redial::FormatGrpcTimeout(attempt.remaining())) {
//       request += "grpc-timeout: " + *timeout + "\r\n";
//     }
//     return Fetch(attempt.deadline());
//   });
//
// and the server makes it a deadline for all that it does, its own calls included:
//
//   absl::StatusOr<redial::Deadline> until = redial::ParseGrpcTimeout(
//       "2000000u", runtime.Now(), /*reserve=*/absl::Milliseconds(50));
//   if (!until.ok()) return until.status();
//   redial::CallOptions options = {.operation = "fetch", .deadline = *until};
//
// A duration travels, not an instant, since no two machines have the same clock; so each hop loses
// the time that the request was under way. Pure functions: safe from any thread.
#ifndef REDIAL_DEADLINE_HEADER_H_
#define REDIAL_DEADLINE_HEADER_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/time.h"

namespace redial {

// "2000000u": at most eight digits and a unit, the finest that fits, rounded down, so that nobody
// down the line works longer than its caller waits. No header, where the time has no end. "0n" if
// there is none left: then there is no sense in sending.
REDIAL_EXPORT std::optional<std::string> FormatGrpcTimeout(absl::Duration remaining);
// "2000", likewise; "1" while less than a millisecond is left, since 0 means "no limit" to some.
REDIAL_EXPORT std::optional<std::string> FormatTimeoutMillis(absl::Duration remaining);

// The deadline for a request that came in at `now` (on the clock of the runtime that will work on
// it) with this header; a request without one has `Deadline::Never()`. `reserve` is taken off, for
// the way back; where that leaves nothing, the deadline has passed. Longer than the clock's range:
// `Never()`.
//
// kInvalidArgument for anything but digits and, for gRPC, a unit: signs, spaces, fractions, more than
// eight digits (gRPC only); and for a `reserve` that is negative or infinite.
REDIAL_EXPORT absl::StatusOr<Deadline> ParseGrpcTimeout(
    std::string_view value, Instant now, absl::Duration reserve = absl::ZeroDuration());
REDIAL_EXPORT absl::StatusOr<Deadline> ParseTimeoutMillis(
    std::string_view value, Instant now, absl::Duration reserve = absl::ZeroDuration());

}  // namespace redial

#endif  // REDIAL_DEADLINE_HEADER_H_
