#include "redial/testing/failure_handler.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace redial::testing {
namespace {

void PrintAndAbort(const TestFailure& failure) {
  std::fprintf(stderr, "%s:%u: %s\n", failure.where.file_name(),
               static_cast<unsigned>(failure.where.line()), failure.sentence.c_str());
  std::abort();
}

// Set before main as a rule. The function needs nothing that was written before it was set.
constinit std::atomic<DefaultFailureHandler> default_handler{&PrintAndAbort};

}  // namespace

DefaultFailureHandler SetDefaultFailureHandler(DefaultFailureHandler handler) {
  return default_handler.exchange(handler != nullptr ? handler : &PrintAndAbort,
                                  std::memory_order_acq_rel);
}

void Fail(const FailureHandler& handler, const TestFailure& failure) {
  if (handler) {
    handler(failure);
  } else {
    default_handler.load(std::memory_order_acquire)(failure);
  }
}

}  // namespace redial::testing
