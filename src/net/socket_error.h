// The sentences in which a socket's operations fail.
//
//   read from 127.0.0.1:6379 timed out after 500 ms, with 3 of 5 bytes
//   read from 127.0.0.1:6379: closed by the peer after 3 of 5 bytes
//   write to 127.0.0.1:6379: connection reset by peer (ECONNRESET), after 0 of 16 bytes
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_NET_SOCKET_ERROR_H_
#define REDIAL_SRC_NET_SOCKET_ERROR_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "redial/failure.h"
#include "src/net/operation.h"

namespace redial::internal {

// How far an operation came. A value.
struct Progress {
  enum class Kind { kNone, kOfWanted, kNoDelimiter };

  Kind kind = Kind::kNone;
  size_t done = 0;
  size_t wanted = 0;

  // "3 of 5 bytes", "3 bytes and no delimiter"; empty for kNone.
  std::string Text() const;
};

// A outcome other than kGoOn.
absl::Status OutcomeStatus(Operation::Outcome outcome, Failure failure, const Progress& progress);
// A try's errno.
absl::Status IoStatus(int error, Failure failure, const Progress& progress);
// The stream ended before the operation had what it wanted.
absl::Status EndStatus(const Failure& failure, const Progress& progress);
// Another thread is in the same direction.
absl::Status BusyStatus(Phase phase);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_SOCKET_ERROR_H_
