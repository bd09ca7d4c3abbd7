// The part of a story that tells one attempt, for those who tell attempts as they end.
//
//   AttemptText(record)   // "10.0.0.7:6379 read timed out after 500 ms, 6 B sent, 0 B received"
//
// Pure: safe from any thread.
#ifndef REDIAL_SRC_CORE_STORY_H_
#define REDIAL_SRC_CORE_STORY_H_

#include <string>

#include "redial/failure.h"

namespace redial::internal {

// In one line, whatever the record holds.
std::string AttemptText(const AttemptRecord& record);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_STORY_H_
