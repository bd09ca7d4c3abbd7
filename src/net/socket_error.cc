#include "src/net/socket_error.h"

#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/format.h"
#include "src/core/status.h"

namespace redial::internal {
namespace {

std::string Joined(std::string_view joint, const Progress& progress) {
  std::string text = progress.Text();
  if (!text.empty()) text.insert(0, joint);
  return text;
}

// With how far it came, unless it hadn't begun.
absl::Status WithProgress(absl::Status status, const Failure& failure, const Progress& progress) {
  if (failure.elapsed <= absl::ZeroDuration()) return status;
  const std::string text = Joined(", with ", progress);
  if (text.empty()) return status;
  return WithFailure(absl::Status(status.code(), absl::StrCat(status.message(), text)), failure);
}

std::string Sentence(int error, Phase phase) {
  switch (error) {
    case EAGAIN:
      if (phase == Phase::kAccept) return "nobody to accept";
      return phase == Phase::kWrite ? "no room to write" : "nothing to read";
    case EPIPE:
      return "closed by the peer";
    default:
      return ErrnoText(error);
  }
}

}  // namespace

std::string Progress::Text() const {
  switch (kind) {
    case Kind::kNone:
      break;
    case Kind::kOfWanted:
      return absl::StrCat(done, " of ", Count(wanted, "byte"));
    case Kind::kNoDelimiter:
      return UndelimitedText(done);
  }
  return {};
}

absl::Status OutcomeStatus(Operation::Outcome outcome, Failure failure, const Progress& progress) {
  switch (outcome) {
    case Operation::Outcome::kTimedOut:
      return WithProgress(TimeoutStatus(failure), failure, progress);
    case Operation::Outcome::kStopped:
      return WithProgress(StoppedStatus(failure), failure, progress);
    case Operation::Outcome::kWouldWait:
    case Operation::Outcome::kGoOn:
      break;
  }
  return IoStatus(EAGAIN, std::move(failure), progress);
}

absl::Status IoStatus(int error, Failure failure, const Progress& progress) {
  failure.error = error;
  if (error == EBADF) {
    return FailureStatus(
        absl::StatusCode::kFailedPrecondition,
        failure.phase == Phase::kAccept ? "the listener is closed" : "the socket is closed",
        failure);
  }
  return FailureStatus(ErrnoCode(error),
                       absl::StrCat(Sentence(error, failure.phase), " (", ErrnoName(error), ")",
                                    Joined(", after ", progress)),
                       failure);
}

absl::Status EndStatus(const Failure& failure, const Progress& progress) {
  return FailureStatus(absl::StatusCode::kUnavailable,
                       absl::StrCat("closed by the peer", Joined(" after ", progress)), failure);
}

absl::Status BusyStatus(Phase phase) {
  Failure failure;
  failure.phase = phase;
  failure.error = EBUSY;
  failure.sent = Sent::kNo;
  return FailureStatus(absl::StatusCode::kFailedPrecondition,
                       phase == Phase::kWrite ? "another thread is writing to this socket"
                                              : "another thread is reading from this socket",
                       failure);
}

}  // namespace redial::internal
