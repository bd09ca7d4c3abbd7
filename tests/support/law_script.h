// Plays a script of random events against calls that share random policies: beginnings, ticks,
// wake-ups, results, answers, stops, policies that are reconfigured, in any order; results that come
// late, twice or for attempts that never were; machines that vanish as when an exception passes
// through. After each event the laws are checked, and at the end everything must have been given back.
//
//   SeededChoices choices(seed);
//   EXPECT_EQ(PlayScript(choices), "") << "seed " << seed;
#ifndef REDIAL_TESTS_SUPPORT_LAW_SCRIPT_H_
#define REDIAL_TESTS_SUPPORT_LAW_SCRIPT_H_

#include <string>

#include "tests/support/law_kit.h"

namespace redial::testing {

// The first law that was broken and what happened until then; empty if none was.
std::string PlayScript(Choices& choices);

// An outcome of any sort; a success in two of five.
Outcome RandomOutcome(Choices& choices);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LAW_SCRIPT_H_
