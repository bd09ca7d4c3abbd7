#include "redial/failure.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "src/core/failure_codec.h"
#include "src/core/status.h"
#include "src/core/strings.h"

namespace redial {
namespace {

constexpr std::array<std::string_view, 11> kPhaseNames = {
    "none",   "resolve", "connect", "handshake", "write",  "read",
    "listen", "accept",  "close",   "queue",     "backoff"};
static_assert(kPhaseNames.size() == static_cast<size_t>(Phase::kBackoff) + 1);

constexpr std::array<std::string_view, 4> kSentNames = {"not sent", "maybe sent", "rejected",
                                                        "answered"};
static_assert(kSentNames.size() == static_cast<size_t>(Sent::kAnswered) + 1);

Failure FailureOrNew(const absl::Status& status) { return FailureOf(status).value_or(Failure()); }

absl::Status WithSent(absl::Status status, Sent sent) {
  if (status.ok()) return status;
  Failure failure = FailureOrNew(status);
  failure.sent = sent;
  failure.declared = true;
  return WithFailure(std::move(status), failure);
}

}  // namespace

std::string_view PhaseName(Phase phase) {
  const auto index = static_cast<size_t>(phase);
  return kPhaseNames[index < kPhaseNames.size() ? index : 0];
}

std::string_view SentName(Sent sent) {
  const auto index = static_cast<size_t>(sent);
  return kSentNames[index < kSentNames.size() ? index : 1];
}

std::optional<Failure> FailureOf(const absl::Status& status) {
  const auto payload = status.GetPayload(internal::ToAbsl(internal::kFailureUrl));
  if (!payload.has_value()) return std::nullopt;
  if (const auto flat = payload->TryFlat(); flat.has_value()) {
    return internal::DecodeFailure(internal::ToStd(*flat), internal::ToStd(status.message()));
  }
  return internal::DecodeFailure(std::string(*payload), internal::ToStd(status.message()));
}

absl::Status WithFailure(absl::Status status, const Failure& failure) {
  if (status.ok()) return status;
  status.SetPayload(internal::ToAbsl(internal::kFailureUrl), internal::EncodeFailure(failure));
  return status;
}

absl::Status NotSent(absl::Status status) { return WithSent(std::move(status), Sent::kNo); }

absl::Status Rejected(absl::Status status) { return WithSent(std::move(status), Sent::kRejected); }

absl::Status RetryAfter(absl::Status status, absl::Duration delay) {
  if (status.ok()) return status;
  Failure failure = FailureOrNew(status);
  failure.sent = Sent::kRejected;
  failure.declared = true;
  if (delay >= absl::ZeroDuration()) failure.retry_after = delay;
  return WithFailure(std::move(status), failure);
}

}  // namespace redial
