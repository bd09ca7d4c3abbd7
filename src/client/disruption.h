// Has a `Fault` happen to an attempt: what policies propose, the call does.
//
//   Disruption disruption;
//   disruption.Plan(fault);                                              // on the call's thread
//   AttemptResult result = RunDisrupted(&disruption, attempt, operation);  // on the attempt's own
//
// What is injected is told as that, and truthfully: what isn't run was not sent, and what lost its
// answer may have been executed. Used by one thread at a time.
#ifndef REDIAL_SRC_CLIENT_DISRUPTION_H_
#define REDIAL_SRC_CLIENT_DISRUPTION_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "redial/attempt.h"
#include "redial/call.h"
#include "redial/fault.h"
#include "redial/time.h"

namespace redial::internal {

class Disruption {
 public:
  // For the next attempt.
  void Plan(const Fault& fault) {
    fault_ = fault;
    injected_ = false;
  }
  // A connection that is lost is told with its address and bytes, so the attempt takes notes.
  bool needs_notes() const { return fault_.kind == Fault::Kind::kReset; }

  // The result is the operation's own or an injected one, which stays valid until the next `Run`. For
  // an injected one, `attempt.sent()` says whether the peer may have acted.
  AttemptResult Run(const Attempt& attempt, AttemptFunction operation);

  // For the record of an attempt that came late and then failed by itself; empty for others.
  std::string Remark() const;

 private:
  AttemptResult Inject(const Attempt& attempt, Sent sent, absl::Status status);
  AttemptResult LoseAnswer(const Attempt& attempt, const AttemptResult& result);

  Fault fault_;
  bool injected_ = false;
  absl::Status status_;
};

// As it would run, where there is none.
inline AttemptResult RunDisrupted(Disruption* disruption, const Attempt& attempt,
                                  AttemptFunction operation) {
  return disruption == nullptr ? operation(attempt) : disruption->Run(attempt, operation);
}

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_DISRUPTION_H_
