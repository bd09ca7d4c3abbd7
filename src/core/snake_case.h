// Names as metrics have them.
//
//   SnakeCase("CircuitBreaker")  // "circuit_breaker"
#ifndef REDIAL_SRC_CORE_SNAKE_CASE_H_
#define REDIAL_SRC_CORE_SNAKE_CASE_H_

#include <string>
#include <string_view>

namespace redial::internal {

// Lower case, with an underscore where a word begins and in place of whatever isn't an ASCII letter or
// digit, but not at either end; "unnamed" if nothing is left.
std::string SnakeCase(std::string_view name);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_SNAKE_CASE_H_
