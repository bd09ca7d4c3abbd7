// A worker without a kernel: when no fiber can run, its clock jumps to the next timer.
#ifndef REDIAL_TESTS_CONFORMANCE_VIRTUAL_LOOP_H_
#define REDIAL_TESTS_CONFORMANCE_VIRTUAL_LOOP_H_

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "redial/time.h"
#include "tests/conformance/fiber_scheduler.h"

namespace redial::conformance {

// For one thread.
class VirtualLoop final : public FiberScheduler {
 public:
  Instant Now() override { return now_; }

 protected:
  void Idle(Deadline deadline) override {
    if (deadline.is_never()) {
      std::fputs("virtual time: every fiber waits, and nothing can happen any more\n", stderr);
      std::abort();
    }
    now_ = std::max(now_, deadline.instant());
  }
  void Notify() override {}

 private:
  Instant now_ = Instant::VirtualOrigin();
};

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_VIRTUAL_LOOP_H_
