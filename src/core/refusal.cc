// What a call comes to that was refused before its first attempt. There are many of these when a server
// is down, so they must be cheap: refusals of one thread that say the same share one status, as a
// storm of them does, and such a one allocates nothing. The first takes what Abseil needs: the status, its
// text, and the list of its payloads. Each thread keeps a few, for operations that take turns.
#include <array>
#include <cstddef>
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

struct Kept {
  bool Says(absl::StatusCode code, std::string_view message) const {
    return status.code() == code && status.message() == ToAbsl(message);
  }

  absl::Status status;
  absl::Cord payload;
};

// Of one thread. What is new takes the place of what has been there longest.
class Refusals {
 public:
  ~Refusals() { thread_ends = true; }

  Kept& Find(absl::StatusCode code, std::string_view message) {
    for (size_t i = 0; i < kept_.size(); ++i) {
      const size_t at = (found_ + i) % kept_.size();
      if (!kept_[at].Says(code, message)) continue;
      found_ = at;
      return kept_[at];
    }
    found_ = next_++ % kept_.size();
    return kept_[found_];
  }

 private:
  std::array<Kept, 8> kept_;
  size_t found_ = 0;
  size_t next_ = 0;
};

absl::Status Make(absl::StatusCode code, std::string_view message, absl::Cord payload) {
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(ToAbsl(kFailureUrl), std::move(payload));
  return status;
}

// Never inlined: a fiber that goes on in another thread must not take this one's along.
[[gnu::noinline]] absl::Status Shared(absl::StatusCode code, std::string_view message,
                                      absl::Cord payload) {
  if (thread_ends) return Make(code, message, std::move(payload));
  static thread_local Refusals refusals;
  Kept& kept = refusals.Find(code, message);
  if (!kept.Says(code, message)) {
    kept.status = Make(code, message, payload);
  } else if (kept.payload != payload) {
    kept.status.SetPayload(ToAbsl(kFailureUrl), payload);  // in place, if nobody has it any more
  } else {
    return kept.status;
  }
  kept.payload = std::move(payload);
  return kept.status;
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
