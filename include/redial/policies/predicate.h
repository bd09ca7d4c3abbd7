// What a policy looks for in an attempt's outcome: its code, its errno, its status, or the value
// that it returned.
//
//   redial::Predicate busy = redial::OnCode(absl::StatusCode::kUnavailable) ||
//                            redial::OnResult<HttpReply>(
//                                [](const HttpReply& reply) { return reply.status == 503; });
//
// Immutable and cheap to copy; safe between threads as far as the functions in it are.
#ifndef REDIAL_POLICIES_PREDICATE_H_
#define REDIAL_POLICIES_PREDICATE_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "redial/export.h"
#include "redial/view.h"

namespace redial {

class REDIAL_EXPORT Predicate {
 public:
  // Matches nothing.
  Predicate() = default;
  explicit Predicate(std::function<bool(const Outcome&)> matches) : matches_(std::move(matches)) {}

  bool operator()(const Outcome& outcome) const { return matches_ && matches_(outcome); }
  explicit operator bool() const { return static_cast<bool>(matches_); }

  friend REDIAL_EXPORT Predicate operator||(Predicate a, Predicate b);
  friend REDIAL_EXPORT Predicate operator&&(Predicate a, Predicate b);
  friend REDIAL_EXPORT Predicate operator!(Predicate a);

 private:
  std::function<bool(const Outcome&)> matches_;
};

REDIAL_EXPORT Predicate OnCode(absl::StatusCode code);
REDIAL_EXPORT Predicate OnErrno(int error);
REDIAL_EXPORT Predicate OnPhase(Phase phase);
// Failed attempts whose status matches.
REDIAL_EXPORT Predicate OnStatus(std::function<bool(const absl::Status&)> matches);
// Every attempt that failed.
REDIAL_EXPORT Predicate OnAnyFailure();
// Attempts that returned a `T` that matches; in `Retry` and `FailFast` such a value counts as a
// failure.
template <class T>
Predicate OnResult(std::function<bool(const T&)> matches) {
  return Predicate([matches = std::move(matches)](const Outcome& outcome) {
    const T* value = outcome.result.As<T>();
    return value != nullptr && matches(*value);
  });
}

}  // namespace redial

#endif  // REDIAL_POLICIES_PREDICATE_H_
