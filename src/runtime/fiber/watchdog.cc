#include "src/runtime/fiber/watchdog.h"

#include <utility>

namespace redial::runtime_internal {

int64_t StuckCheck::Look(uint64_t switches, Instant now) {
  if (switches != switches_) {
    switches_ = switches;
    since_ = now;
    reported_ = false;
    return 0;
  }
  const bool runs = switches % 2 == 1;
  const int64_t nanos = NanosBetween(since_, now);
  if (!runs || reported_ || nanos < limit_nanos_) return 0;
  reported_ = true;
  return nanos;
}

Watchdog::Watchdog(const Fleet& fleet) : fleet_(fleet) {}

Watchdog::~Watchdog() { stop_.Set(); }

absl::Status Watchdog::Start() {
  absl::StatusOr<Task> thread = Runtime::Threads().Spawn([this] { Watch(); });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

void Watchdog::Watch() {
  Runtime& runtime = Runtime::Threads();
  const int64_t limit = ToNanos(fleet_.options.watchdog);
  std::vector<StuckCheck> checks(fleet_.workers.size(), StuckCheck(limit));
  for (;;) {
    const Deadline next = Deadline::AfterNanos(runtime.Now(), limit / 4);
    if (runtime.Wait(stop_, next, {}) == WaitResult::kReady) return;
    const Instant now = runtime.Now();
    for (size_t i = 0; i < checks.size(); ++i) LookAt(*fleet_.workers[i], checks[i], now);
  }
}

void Watchdog::LookAt(Worker& worker, StuckCheck& check, Instant now) const {
  const int64_t nanos = check.Look(worker.switches(), now);
  if (nanos == 0) return;
  std::string name = worker.RunningName();
  if (name.empty()) return;  // it has come back meanwhile
  fleet_.options.on_stuck(
      {.name = std::move(name), .worker = worker.index(), .running = absl::Nanoseconds(nanos)});
}

}  // namespace redial::runtime_internal
