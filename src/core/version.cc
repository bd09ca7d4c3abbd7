#include "redial/version.h"

#include <string_view>

namespace redial {

std::string_view Version() { return REDIAL_VERSION; }

}  // namespace redial
