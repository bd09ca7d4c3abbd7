#include "src/core/status.h"

#include <cerrno>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "src/core/format.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

absl::Status Make(absl::StatusCode code, std::string_view message, const Failure& failure) {
  return WithFailure(absl::Status(code, ToAbsl(message)), failure);
}

std::string ErrnoSentence(std::string_view doing, int error) {
  return absl::StrCat(ToAbsl(doing), doing.empty() ? "" : ": ", ErrnoText(error), " (",
                      ErrnoName(error), ")");
}

// "read from A timed out after 5 ms", or without the time where none had passed.
std::string CutShort(const Failure& failure, std::string_view verb, std::string_view at_once) {
  std::string text = Doing(failure.phase, failure.address);
  if (!text.empty()) text += " ";
  if (failure.elapsed <= absl::ZeroDuration()) return text.append(at_once);
  return absl::StrCat(text, ToAbsl(verb), " after ", DurationText(failure.elapsed));
}

}  // namespace

absl::StatusCode ErrnoCode(int error) {
  switch (error) {
    case EAGAIN:
    case EADDRINUSE:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case EIO:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENODEV:
    case ENOENT:  // nobody listens on that path yet
    case ENONET:
    case ENOTCONN:
    case ENXIO:
    case EPIPE:
    case EPROTO:
    case EREMOTEIO:
    case ESHUTDOWN:
    case ETIMEDOUT:
      return absl::StatusCode::kUnavailable;
    case EADDRNOTAVAIL:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return absl::StatusCode::kResourceExhausted;
    case EALREADY:
    case EBADF:
    case EISCONN:
      return absl::StatusCode::kFailedPrecondition;
    case EAFNOSUPPORT:
    case EDESTADDRREQ:
    case EINVAL:
    case ELOOP:
    case EMSGSIZE:
    case ENAMETOOLONG:
    case ENOPROTOOPT:
    case ENOTDIR:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EPFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EPROTOTYPE:
    case ESOCKTNOSUPPORT:
      return absl::StatusCode::kInvalidArgument;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ECANCELED:
      return absl::StatusCode::kCancelled;
    case ENOSYS:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kUnknown;
  }
}

Sent SentBefore(Phase phase) {
  switch (phase) {
    case Phase::kResolve:
    case Phase::kConnect:
    case Phase::kHandshake:
    case Phase::kListen:
    case Phase::kAccept:
    case Phase::kQueue:
    case Phase::kBackoff:
      return Sent::kNo;
    case Phase::kNone:
    case Phase::kWrite:
    case Phase::kRead:
    case Phase::kClose:
      break;
  }
  return Sent::kMaybe;
}

std::string Doing(Phase phase, std::string_view address) {
  const auto with = [&](std::string_view verb, std::string_view preposition) {
    if (address.empty()) return std::string(verb);
    return absl::StrCat(ToAbsl(verb), " ", ToAbsl(preposition), " ", ToAbsl(address));
  };
  switch (phase) {
    case Phase::kNone:
      return std::string(address);
    case Phase::kResolve:
      return with("look-up", "of");
    case Phase::kConnect:
      return with("connect", "to");
    case Phase::kHandshake:
      return with("handshake", "with");
    case Phase::kWrite:
      return with("write", "to");
    case Phase::kRead:
      return with("read", "from");
    case Phase::kListen:
      return with("listen", "on");
    case Phase::kAccept:
      return with("accept", "on");
    case Phase::kClose:
      return with("close", "of");
    case Phase::kQueue:
      return "wait for a permit";
    case Phase::kBackoff:
      return "pause before the next attempt";
  }
  return {};
}

absl::Status FailureStatus(absl::StatusCode code, std::string_view text, const Failure& failure) {
  std::string message = Doing(failure.phase, failure.address);
  if (!message.empty() && !text.empty()) message += ": ";
  return Make(code, message.append(text), failure);
}

absl::Status ErrnoStatus(int error, Failure failure) {
  failure.error = error;
  return Make(ErrnoCode(error), ErrnoSentence(Doing(failure.phase, failure.address), error),
              failure);
}

absl::Status ErrnoStatus(int error, Phase phase, std::string_view what) {
  Failure failure;
  failure.phase = phase;
  failure.error = error;
  failure.sent = SentBefore(phase);
  return Make(ErrnoCode(error), ErrnoSentence(what, error), failure);
}

absl::Status TimeoutStatus(const Failure& failure) {
  return Make(absl::StatusCode::kDeadlineExceeded,
              CutShort(failure, "timed out", "not begun: the deadline had passed"), failure);
}

absl::Status StoppedStatus(const Failure& failure) {
  return Make(absl::StatusCode::kCancelled,
              CutShort(failure, "stopped", "not begun: stop was requested"), failure);
}

}  // namespace redial::internal
