// The version of redial: at compile time as a macro, at run time as the library that was linked.
// They differ when a program runs with another shared library than it was built with:
//
//   if (redial::Version() != REDIAL_VERSION) std::cerr << "built against another redial\n";
//
#ifndef REDIAL_VERSION_H_
#define REDIAL_VERSION_H_

#include <string_view>

#include "redial/export.h"

#define REDIAL_VERSION_MAJOR 0
#define REDIAL_VERSION_MINOR 1
#define REDIAL_VERSION_PATCH 0
#define REDIAL_VERSION "0.1.0"

namespace redial {

// The version of the linked library, as in "0.1.0". Safe to call from any thread.
REDIAL_EXPORT std::string_view Version();

}  // namespace redial

#endif  // REDIAL_VERSION_H_
