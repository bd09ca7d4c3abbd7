// What happens in a call, told as it happens: the input of `Report` and of a user's own observers.
//
//   auto report = redial::Report(redial::ToFunction([](const redial::CallEvent& event) {
//     if (event.type == redial::CallEvent::Type::kAttemptEnded && !event.status->ok()) ++failed_attempts;
//   }));
//
// Pointers and views in an event are valid until the observer returns.
#ifndef REDIAL_CALL_EVENT_H_
#define REDIAL_CALL_EVENT_H_

#include <cstdint>
#include <stop_token>
#include <string_view>

#include "absl/status/status.h"
#include "redial/failure.h"
#include "redial/reason.h"
#include "redial/time.h"

namespace redial {

struct CallEvent {
  enum class Type : uint8_t {
    kCallStarted,
    kAttemptStarted,
    kConnected,      // the attempt's connection stands; `address` is set
    kAttemptEnded,   // `status` and `record` are set
    kPolicyChanged,  // the state of `policy`: `from`, `to`, and `until` if that is known
    kWaiting,        // until `until`, for `reason`
    kTick,           // still waiting, for observers that asked for ticks
    kAsking,         // a person is being asked
    kCallEnded,      // `status` is the final one; `reason` says why no more attempts
  };

  Type type = Type::kCallStarted;
  uint64_t call_id = 0;  // the call's seed: ties the events of one call together
  std::string_view operation;
  std::string_view target;
  Instant began;  // of the call
  Instant now;
  Deadline deadline;  // of the call

  int attempt = 0;  // its number from 1; in kCallEnded, how many there were
  AttemptKind kind = AttemptKind::kFirst;
  std::string_view address;
  Deadline until;
  Reason reason = Reason::kNone;
  ReasonSet reasons;
  const absl::Status* status = nullptr;
  const AttemptRecord* record = nullptr;
  // In kPolicyChanged: its name, and its label where it has one.
  std::string_view policy = {};
  std::string_view label = {};
  std::string_view from = {};
  std::string_view to = {};
  // In kAttemptEnded, beside an OK status: a policy counts the value as a failure.
  bool failed_result = false;
  // In kCallEnded: reservations that were neither voided nor settled. Always 0; the test kit holds
  // us to it.
  int outstanding = 0;
  // In kAsking: the call's, so that whoever asks a person can stop waiting for the answer.
  std::stop_token stop = {};
};

}  // namespace redial

#endif  // REDIAL_CALL_EVENT_H_
