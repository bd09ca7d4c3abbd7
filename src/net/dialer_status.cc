// What a dial that failed tells.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/time.h"
#include "src/core/format.h"
#include "src/core/status.h"
#include "src/core/strings.h"
#include "src/net/dialer.h"

namespace redial::internal {
namespace {

std::string WithName(int error) {
  return absl::StrCat(ErrnoText(error), " (", ErrnoName(error), ")");
}

std::string DescribeNameServer(const AddressTried& server) {
  switch (server.error) {
    case ETIMEDOUT:
      return absl::StrCat("name server ", server.address, " did not answer");
    case EREMOTEIO:
      return absl::StrCat("name server ", server.address, " failed");
    default:
      return absl::StrCat("name server ", server.address,
                          " cannot be reached: ", WithName(server.error));
  }
}

// Which of several failures says most about what is wrong: that this process has run out of
// something, above what the peers answered, above that this machine has no way to an address (no
// IPv6, most often).
int Weight(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return 2;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
      return 0;
    default:
      return 1;
  }
}

}  // namespace

std::string Dialer::Doing() const {
  if (lookup_ != nullptr && attempts_.empty()) {
    return absl::StrCat("look-up of '", target_.host(), "'");
  }
  return absl::StrCat("connect to ", target_.ToString());
}

absl::Status Dialer::Finish(absl::StatusCode code, int error, std::string_view message) const {
  Failure failure;
  failure.phase = lookup_ != nullptr && attempts_.empty() ? Phase::kResolve : Phase::kConnect;
  failure.error = error;
  failure.sent = Sent::kNo;
  failure.elapsed = now_ - began_;
  failure.tried = Tried();
  return WithFailure(absl::Status(code, ToAbsl(message)), failure);
}

absl::Status Dialer::CheckLimits() {
  const bool expired = deadline_.expired(now_);
  if (!expired && !stopped_ && !stop_.stop_requested()) return absl::OkStatus();
  EndAll(expired ? ETIMEDOUT : ECANCELED);
  const auto code = expired ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kCancelled;
  const int error = expired ? ETIMEDOUT : ECANCELED;
  if (lookup_ == nullptr && attempts_.empty()) {
    return Finish(code, error,
                  absl::StrCat("connect to ", target_.ToString(), " not begun: ",
                               expired ? "the deadline had passed" : "stop was requested"));
  }
  std::string message = absl::StrCat(Doing(), expired ? " timed out after " : " stopped after ",
                                     DurationText(now_ - began_));
  if (const std::string tried = DescribeTried(); !tried.empty()) {
    absl::StrAppend(&message, ": ", tried);
  }
  return Finish(code, error, message);
}

absl::Status Dialer::Failed() const {
  if (attempts_.empty()) return LookupFailed();
  const Attempt& decisive = Decisive();
  const absl::StatusCode code =
      decisive.error != 0 ? ErrnoCode(decisive.error) : decisive.status.code();
  std::string message = absl::StrCat(Doing(), " failed: ");
  if (attempts_.size() == 1 && lookup_ == nullptr) {
    absl::StrAppend(&message, DescribeAttempt(decisive));
  } else {
    absl::StrAppend(&message, DescribeTried());
  }
  return Finish(code, decisive.error, message);
}

absl::Status Dialer::LookupFailed() const {
  const absl::Status& ipv4 = lookup_->ipv4().status;
  const absl::Status& ipv6 = lookup_->ipv6().status;
  const AddressFamily family = options_.resolver.family;
  absl::Status status = family == AddressFamily::kIpv4Only ? ipv4 : ipv6;
  if (family == AddressFamily::kAny) {
    // That nobody answered leaves open what the other one seems to settle.
    if (absl::IsNotFound(status) && !ipv4.ok()) status = ipv4;
    if (absl::IsNotFound(ipv6) && absl::IsNotFound(ipv4) && ipv6.message() != ipv4.message()) {
      status = absl::NotFoundError(absl::StrCat(ipv6.message(), "; ", ipv4.message()));
    }
  }
  if (status.ok()) {
    status = absl::NotFoundError(absl::StrCat("no such host: '", target_.host(), "'"));
  }
  Failure failure = FailureOf(status).value_or(Failure{});
  failure.phase = Phase::kResolve;
  failure.sent = Sent::kNo;
  failure.elapsed = now_ - began_;
  return WithFailure(std::move(status), failure);
}

const Dialer::Attempt& Dialer::Decisive() const {
  const Attempt* decisive = &attempts_.front();
  for (const Attempt& attempt : attempts_) {
    if (Weight(attempt.error) >= Weight(decisive->error)) decisive = &attempt;
  }
  return *decisive;
}

std::string Dialer::DescribeAttempt(const Attempt& attempt) const {
  const std::string after = absl::StrCat(" after ", DurationText(attempt.elapsed));
  if (attempt.error == 0) return absl::StrCat(attempt.status.message(), after);
  if (attempt.error == ECANCELED) return absl::StrCat("given up", after);
  // Our own deadline's is not the kernel's, which has a name to look for.
  const bool ours = attempt.error == ETIMEDOUT && deadline_.expired(now_);
  return absl::StrCat(ours ? "timed out" : WithName(attempt.error), after);
}

std::string Dialer::DescribeTried() const {
  std::vector<std::string> parts;
  // A single address that is the target itself adds nothing.
  if (lookup_ != nullptr) {
    for (const Attempt& attempt : attempts_) {
      parts.push_back(absl::StrCat(attempt.address.ToString(), " ", DescribeAttempt(attempt)));
    }
    if (attempts_.empty()) {
      for (const AddressTried& server : lookup_->Tried(now_)) {
        parts.push_back(DescribeNameServer(server));
      }
    } else {
      for (const Lookup::Answer* answer : {&lookup_->ipv6(), &lookup_->ipv4()}) {
        if (answer->status.ok() || absl::IsNotFound(answer->status)) continue;
        parts.emplace_back(ToStd(answer->status.message()));
      }
    }
  }
  return absl::StrJoin(parts, "; ");
}

std::vector<AddressTried> Dialer::Tried() const {
  std::vector<AddressTried> tried;
  for (size_t id = 0; id < attempts_.size(); ++id) {
    if (id == winner_) continue;
    const Attempt& attempt = attempts_[id];
    tried.push_back({.address = attempt.address.ToString(),
                     .error = attempt.error,
                     .elapsed = attempt.elapsed});
  }
  if (tried.empty() && attempts_.empty() && lookup_ != nullptr) tried = lookup_->Tried(now_);
  return tried;
}

}  // namespace redial::internal
