// What the sinks and the questions for people have in common: parts of sentences about an event,
// free of control characters whatever names and messages from outside hold.
#ifndef REDIAL_SRC_CLIENT_EVENT_TEXT_H_
#define REDIAL_SRC_CLIENT_EVENT_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "redial/call_event.h"

namespace redial::internal {

// "PING cache:6379"; the operation alone where the call has no target.
std::string SubjectText(const CallEvent& event);

// Of a kAttemptEnded or kAsking, as the story will tell it: "attempt 1 failed: 10.0.0.7:6379
// connection refused (ECONNREFUSED) after 1 ms", or "attempt 1 returned a result that counts as a
// failure".
std::string AttemptFailedText(const CallEvent& event);

// Of a kPolicyChanged: "CircuitBreaker cache-1 is open now, for 5 s; it was closed".
std::string ChangeText(const CallEvent& event);

// Time left, rounded up to tenths of a second so that it steps evenly and never shows nothing left:
// "0.4 s", "59.9 s", "2 min 5 s".
std::string CountdownText(absl::Duration left);

// `text`, which is valid UTF-8, cut so that it takes at most `columns` columns of a terminal.
std::string FitColumns(std::string_view text, size_t columns);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_EVENT_TEXT_H_
