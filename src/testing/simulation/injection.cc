#include "redial/testing/injection.h"

namespace redial::testing {

Injector::~Injector() = default;

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kResolve:
      return "resolve";
    case Operation::kConnect:
      return "connect";
    case Operation::kAccept:
      return "accept";
    case Operation::kRead:
      return "read";
    case Operation::kWrite:
      return "write";
  }
  return "?";
}

std::string_view InjectionName(Injection::Kind kind) {
  switch (kind) {
    case Injection::Kind::kNone:
      return "nothing";
    case Injection::Kind::kRefuse:
      return "refuse";
    case Injection::Kind::kReset:
      return "reset";
    case Injection::Kind::kClose:
      return "close";
    case Injection::Kind::kStall:
      return "stall";
    case Injection::Kind::kShort:
      return "short";
  }
  return "?";
}

}  // namespace redial::testing
