#include "redial/fallback.h"

#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "redial/failure.h"
#include "redial/time.h"
#include "redial/view.h"

namespace redial::internal {

bool CoveredByFallback(const absl::Status& status) {
  return !status.ok() && !absl::IsCancelled(status);
}

bool CoveredByFallback(const absl::Status& status, const Predicate& when) {
  if (status.ok()) return false;
  Outcome outcome;
  outcome.code = status.code();
  outcome.status = &status;
  if (const std::optional<Failure> failure = FailureOf(status)) {
    outcome.phase = failure->phase;
    outcome.error = failure->error;
    outcome.sent = failure->sent;
    outcome.has_retry_after = failure->retry_after.has_value();
    if (failure->retry_after) outcome.retry_after_nanos = ToNanos(*failure->retry_after);
  }
  return when(outcome);
}

absl::Status FallbackFailed(const absl::Status& original, absl::Status own) {
  if (own == original) return own;  // declined
  absl::Status both(own.code(),
                    absl::StrCat(own.message(), " (a fallback for: ", original.message(), ")"));
  own.ForEachPayload([&both](absl::string_view type, const absl::Cord& payload) {
    both.SetPayload(type, payload);
  });
  if (const std::optional<Failure> failure = FailureOf(original)) {
    return WithFailure(std::move(both), *failure);
  }
  return both;
}

}  // namespace redial::internal
