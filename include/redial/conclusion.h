// How a call ended, for policies that count calls and not what happens in them
// (`Policy::kConcludes`).
//
//   class CountsTimeouts final : public redial::Policy {
//    public:
//     CountsTimeouts() : Policy({.name = "CountsTimeouts", .capabilities = kConcludes}) {}
//     void Conclude(const redial::Conclusion& end) override {
//       if (end.code == absl::StatusCode::kDeadlineExceeded) ++timeouts;
//     }
//     std::atomic<int> timeouts = 0;
//   };
//
// A value, valid for the duration of the call to the policy that it is passed to.
#ifndef REDIAL_CONCLUSION_H_
#define REDIAL_CONCLUSION_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "redial/notice.h"
#include "redial/reason.h"
#include "redial/time.h"
#include "redial/view.h"

namespace redial {

struct Conclusion {
  // An attempt succeeded, and no policy counts its value as a failure.
  bool ok = false;
  // Of the status that the caller sees: OK as well beside a value that a policy counts as a failure,
  // kUnknown where an exception left the call.
  absl::StatusCode code = absl::StatusCode::kOk;
  // Why there were no more attempts; kNone after a success, and where an exception left the call.
  Reason reason = Reason::kNone;
  int attempts = 0;  // started, hedges included
  Instant began;
  Instant ended;
  // The winner's, or of the last failure; null if no attempt ended.
  const Outcome* outcome = nullptr;
  // The names of the policies that rejected at the decision which ended the call, in canonical order.
  absl::Span<const std::string_view> refused_by = {};
  // As in the view.
  uint64_t seed = 0;
  const void* config = nullptr;
  Notices* notices = nullptr;

  void Tell(const Notice& notice) const {
    if (notices != nullptr) notices->Add(notice);
  }
};

}  // namespace redial

#endif  // REDIAL_CONCLUSION_H_
