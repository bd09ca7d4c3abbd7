// nlohmann's JSON as redial uses it, in .cc files alone: it throws nothing, and it lives in a
// namespace of its own, so that a program which links redial and uses another build of the same
// library doesn't get one's functions in place of the other's.
#ifndef REDIAL_SRC_CLIENT_JSON_H_
#define REDIAL_SRC_CLIENT_JSON_H_

#define JSON_NOEXCEPTION 1
#define NLOHMANN_JSON_NAMESPACE nlohmann::redial_json
#define NLOHMANN_JSON_NAMESPACE_BEGIN \
  namespace nlohmann {                \
  inline namespace redial_json {
#define NLOHMANN_JSON_NAMESPACE_END \
  }                                 \
  }
#include <nlohmann/json.hpp>

#endif  // REDIAL_SRC_CLIENT_JSON_H_
