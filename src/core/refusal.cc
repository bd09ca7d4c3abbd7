// What a call comes to that was refused before its first attempt. There are many of these when a server
// is down, so they must be cheap: refusals of one thread that say the same share one status, as a
// storm of them does, and such a one allocates nothing. The first takes what Abseil needs: the status, its
// text, and the list of its payloads.
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "redial/failure.h"
#include "redial/reason.h"
#include "src/core/failure_codec.h"
#include "src/core/short_text.h"
#include "src/core/status.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

constinit thread_local bool thread_ends = false;

struct Latest {
  ~Latest() { thread_ends = true; }

  absl::Status status;
  absl::Cord payload;
};

absl::Status Make(absl::StatusCode code, std::string_view message, absl::Cord payload) {
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(ToAbsl(kFailureUrl), std::move(payload));
  return status;
}

// Never inlined: a fiber that goes on in another thread must not take this one's latest along.
[[gnu::noinline]] absl::Status Shared(absl::StatusCode code, std::string_view message,
                                      absl::Cord payload) {
  if (thread_ends) return Make(code, message, std::move(payload));
  static thread_local Latest latest;
  const bool same = latest.status.code() == code && latest.status.message() == ToAbsl(message);
  if (!same) {
    latest.status = Make(code, message, payload);
  } else if (latest.payload != payload) {
    latest.status.SetPayload(ToAbsl(kFailureUrl), payload);  // in place, if nobody has it any more
  } else {
    return latest.status;
  }
  latest.payload = std::move(payload);
  return latest.status;
}

}  // namespace

absl::Status RefusalStatus(absl::StatusCode code, std::string_view operation,
                           std::string_view target, const Failure& refusal) {
  ShortText text;
  text.Append(operation);
  if (!operation.empty() && !target.empty()) text.Append(" ");
  text.Append(target);
  text.Append(" was not attempted: ");
  text.Append(ReasonText(refusal.why));
  return Shared(code, text.view(),
                EncodeRefusal(refusal, operation.size(), target.size(), text.view()));
}

}  // namespace redial::internal
