// Notices fibers that don't come back to their worker's loop.
#ifndef REDIAL_SRC_RUNTIME_FIBER_WATCHDOG_H_
#define REDIAL_SRC_RUNTIME_FIBER_WATCHDOG_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "redial/fiber.h"
#include "redial/runtime.h"
#include "redial/time.h"
#include "src/runtime/fiber/worker.h"

namespace redial::runtime_internal {

// What it has seen of one worker, for one thread. A worker whose count of switches stands still
// while a fiber runs is stuck in that fiber.
class StuckCheck {
 public:
  explicit StuckCheck(int64_t limit_nanos) : limit_nanos_(limit_nanos) {}

  // How long the fiber has run already, the first time that it is over the limit; else 0.
  int64_t Look(uint64_t switches, Instant now);

 private:
  const int64_t limit_nanos_;
  uint64_t switches_ = 0;
  Instant since_;
  bool reported_ = false;
};

// A thread that looks at the workers four times within the limit. The workers outlive it.
class Watchdog {
 public:
  explicit Watchdog(const Fleet& fleet);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  absl::Status Start();

 private:
  void Watch();
  void LookAt(Worker& worker, StuckCheck& check, Instant now) const;

  const Fleet& fleet_;
  Event stop_;
  Task thread_;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_WATCHDOG_H_
