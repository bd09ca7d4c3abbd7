// Where the test kit says that a test went wrong.
//
//   std::vector<std::string> failures;
//   redial::testing::FakeNetwork net({.on_failure = [&](const redial::testing::TestFailure&
//   failure) {
//     failures.push_back(failure.sentence);
//   }});
//
// The kit itself needs no test framework: where nobody says otherwise it prints the sentence and
// aborts. Including redial/testing/matchers.h makes it a failure of the running GoogleTest case
// instead; for another framework call `SetDefaultFailureHandler` once.
#ifndef REDIAL_TESTING_FAILURE_HANDLER_H_
#define REDIAL_TESTING_FAILURE_HANDLER_H_

#include <functional>
#include <source_location>
#include <string>

#include "redial/export.h"

namespace redial::testing {

struct TestFailure {
  std::string sentence;
  // The line of the test that it concerns: of an `Expect`, of the fake network itself.
  std::source_location where;
};

// Called on the test's thread. May throw only where it isn't called from a destructor.
using FailureHandler = std::function<void(const TestFailure&)>;

// What objects without a handler of their own use. The one global of the test kit; safe from any
// thread. Returns the one before, and takes nullptr for printing and aborting.
using DefaultFailureHandler = void (*)(const TestFailure&);
REDIAL_EXPORT DefaultFailureHandler SetDefaultFailureHandler(DefaultFailureHandler handler);

// Tells `handler`, or the default where it is empty.
REDIAL_EXPORT void Fail(const FailureHandler& handler, const TestFailure& failure);

}  // namespace redial::testing

#endif  // REDIAL_TESTING_FAILURE_HANDLER_H_
