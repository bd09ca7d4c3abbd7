#include "src/net/datagram_error.h"

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "src/core/format.h"
#include "src/core/status.h"
#include "src/net/socket_error.h"

namespace redial::internal {

absl::Status DatagramStatus(int error, const Failure& failure, size_t size) {
  if (failure.phase != Phase::kWrite) return IoStatus(error, failure, {});
  Failure told = failure;
  told.error = error;
  if (error == EMSGSIZE) {
    return FailureStatus(
        ErrnoCode(error),
        absl::StrCat("a datagram of ", Count(size, "byte"), " is too long (EMSGSIZE)"), told);
  }
  if (error == ECONNREFUSED) {
    return FailureStatus(
        ErrnoCode(error),
        absl::StrCat(ErrnoText(error), " (", ErrnoName(error), "), told of an earlier datagram"),
        told);
  }
  return IoStatus(error, failure, {});
}

absl::Status CutStatus(const Failure& failure, size_t size, size_t room) {
  Failure told = failure;
  told.error = EMSGSIZE;
  return FailureStatus(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("a datagram of ", Count(size, "byte"),
                                    " was cut to the buffer's ", room, " (EMSGSIZE)"),
                       told);
}

absl::Status MisdirectedStatus(const Address& peer, const Address& to) {
  Failure failure;
  failure.phase = Phase::kWrite;
  failure.sent = Sent::kNo;
  failure.address = to.ToString();
  const bool connected = peer.family() != Address::Family::kNone;
  failure.error = connected ? EISCONN : EDESTADDRREQ;
  return FailureStatus(absl::StatusCode::kFailedPrecondition,
                       connected ? absl::StrCat("the socket is connected to ", peer.ToString(),
                                                ", and hears nobody else; use Send (EISCONN)")
                                 : "the socket is not connected; use SendTo (EDESTADDRREQ)",
                       failure);
}

absl::Status OnSocket(const absl::Status& status, const Address& local) {
  absl::Status told(status.code(), absl::StrCat(status.message(), ", on ", local.ToString()));
  const std::optional<Failure> failure = FailureOf(status);
  return failure ? WithFailure(told, *failure) : told;
}

}  // namespace redial::internal
