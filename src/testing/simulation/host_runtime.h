// How code on a simulated host waits.
#ifndef REDIAL_SRC_TESTING_SIMULATION_HOST_RUNTIME_H_
#define REDIAL_SRC_TESTING_SIMULATION_HOST_RUNTIME_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/testing/failure_handler.h"
#include "redial/time.h"
#include "src/testing/simulation/random.h"
#include "src/testing/simulation/scheduler.h"

namespace redial::testing::internal {

// One process on a host: `Runtime::Current()` of its fibers. After a crash the host gets another.
// Used by one thread.
class HostRuntime final : public Runtime {
 public:
  HostRuntime(Scheduler& scheduler, std::string host, uint64_t seed,
              const FailureHandler& on_failure)
      : scheduler_(scheduler), host_(std::move(host)), seeds_(seed), on_failure_(on_failure) {}

  Instant Now() override {
    if (++reads_ >= kClockReads) [[unlikely]] {
      ReadTooOften();
    }
    return scheduler_.now();
  }
  // The fiber is called after its spawner: "main/1".
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) override;
  void WaitFor(Source& source) override;
  Network* network() override { return network_; }
  uint64_t NextSeed() override { return seeds_.Next(); }
  WaitGuest*& guest() override {
    Fiber* const fiber = scheduler_.current();
    return fiber != nullptr ? fiber->guest() : Runtime::guest();
  }

  absl::StatusOr<std::shared_ptr<Completion>> Start(FiberSpec spec) {
    return scheduler_.Start(*this, std::move(spec));
  }
  void set_network(Network* network) { network_ = network; }
  const std::string& host() const { return host_; }
  Scheduler& scheduler() const { return scheduler_; }

  bool paused() const { return paused_; }
  void Pause() { paused_ = true; }
  void Resume();
  // Every wait of its fibers stops from now on, so that they return by themselves.
  bool dead() const { return dead_; }
  void Die();
  // For what a dead process tries: takes it off the processor for good when it won't see the end.
  void CountAfterDeath();
  // A try that gave nothing. Code that only tries, and never waits, is made to wait a little now
  // and then: nothing else lets virtual time pass.
  void CountFutile() {
    if (++futile_ >= kFutileTries) [[unlikely]] {
      Charge();
    }
  }

 protected:
  int DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
             const std::stop_token& stop) override;

 private:
  class Attachment;
  // What these cost on a real machine, about.
  static constexpr int kFutileTries = 100;
  static constexpr absl::Duration kTimeOfTries = absl::Microseconds(20);
  static constexpr int kClockReads = 1'000;
  static constexpr absl::Duration kTimeOfReads = absl::Microseconds(25);

  int WaitIn(Fiber& fiber, absl::Span<Source* const> sources, Deadline deadline,
             const std::stop_token& stop);
  void Charge();
  void ReadTooOften();
  // Nothing, or why nobody can wait for these here.
  std::string WhyNot(absl::Span<Source* const> sources) const;

  Scheduler& scheduler_;
  const std::string host_;
  Network* network_ = nullptr;
  Random seeds_;
  const FailureHandler& on_failure_;
  int futile_ = 0;  // tries and
  int reads_ = 0;   // looks at the clock since something waited
  bool paused_ = false;
  bool dead_ = false;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_HOST_RUNTIME_H_
