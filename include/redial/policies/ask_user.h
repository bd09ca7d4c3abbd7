// AskUser: retry or give up? A person decides, while the call's deadline goes on.
//
//   auto client = redial::Client::Create(target, {
//       redial::Retry({.max_attempts = 10}),
//       redial::AskUser(redial::AskOnTerminal(stdin, stderr))});
//
// It is asked once for each further attempt, and only where nothing else forbids that attempt:
// nobody is asked about what may not be repeated. Alone, without `Retry`, a "retry" starts the next
// attempt at once.
#ifndef REDIAL_POLICIES_ASK_USER_H_
#define REDIAL_POLICIES_ASK_USER_H_

#include <cstdio>
#include <functional>

#include "redial/call_event.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// `question` is a kAsking event: the attempt's number, its status and record, the call's deadline.
// The call goes on when it returns; an answer that comes after the deadline comes too late.
using AskFunction = std::function<Answer(const CallEvent& question)>;

REDIAL_EXPORT PolicyPtr AskUser(AskFunction ask);

// Prints the failure and a "[r]etry or [g]ive up?" to `out` and reads a line from `in`. The end of
// input, the call's deadline or a stop request gives up.
REDIAL_EXPORT AskFunction AskOnTerminal(std::FILE* in, std::FILE* out);

}  // namespace redial

#endif  // REDIAL_POLICIES_ASK_USER_H_
