// Time for unit tests: it stands still while code runs, and jumps to the next thing that happens
// when code waits.
//
//   redial::testing::VirtualRuntime runtime;
//   redial::Event ready;
//   runtime.After(absl::Seconds(5), [&] { ready.Set(); });
//   redial::Deadline deadline = redial::Deadline::After(runtime.Now(), absl::Minutes(1));
//   redial::WaitResult result = runtime.Wait(ready, deadline, {});   // returns at once, at "5s"
//
// Nothing takes time but waiting, so a test of an hour's backoff takes microseconds, and has the
// same trace each time. One thread: whoever else should act does it in a scheduled function, and
// `Spawn` fails. For that reason a wait without a deadline that no scheduled function can end would
// last forever; it is a failure of the test and returns `kStopped`.
//
// Used by one thread.
#ifndef REDIAL_TESTING_VIRTUAL_RUNTIME_H_
#define REDIAL_TESTING_VIRTUAL_RUNTIME_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <source_location>
#include <string>

#include "redial/export.h"
#include "redial/runtime.h"
#include "redial/testing/failure_handler.h"
#include "redial/time.h"

namespace redial::testing {

struct VirtualRuntimeOptions {
  // Of everything random: two runs with one seed are the same.
  uint64_t seed = 1;
  // Whether it is `Runtime::Current()` on this thread for as long as it lives.
  bool current = true;
  FailureHandler on_failure = {};
};

// "0s", "1.5s", "0.25s", "-1s": always seconds, and no more digits than it takes.
REDIAL_EXPORT std::string FormatSeconds(absl::Duration duration);

class REDIAL_EXPORT VirtualRuntime final : public Runtime {
 public:
  // Starts at `Instant::VirtualOrigin()`.
  explicit VirtualRuntime(VirtualRuntimeOptions options = {},
                          std::source_location where = std::source_location::current());
  ~VirtualRuntime() override;

  Instant Now() override { return now_; }
  absl::Duration elapsed() const { return now_ - Instant::VirtualOrigin(); }

  // Calls `function` when a wait reaches `at`, or the next time that something waits if that has
  // passed. Those of one instant run in the order in which they were scheduled, before the waits
  // that end then.
  void At(Instant at, std::function<void()> function);
  void After(absl::Duration delay, std::function<void()> function);
  // Lets so much time pass, and all that is scheduled in it happen.
  void Advance(absl::Duration duration);
  // How many scheduled functions haven't run yet.
  size_t scheduled() const { return events_.size(); }

  // kUnimplemented.
  absl::StatusOr<Task> Spawn(absl::AnyInvocable<void()> fn) override;
  uint64_t NextSeed() override;

 protected:
  int DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
             const std::stop_token& stop) override;

 private:
  // Moves time to the next event and runs it, if it comes no later than `deadline`.
  bool RunNextEvent(Deadline deadline);
  int Deadlocked(absl::Span<Source* const> sources);

  const VirtualRuntimeOptions options_;
  const std::source_location where_;
  Instant now_ = Instant::VirtualOrigin();
  uint64_t seed_state_;
  std::multimap<Instant, std::function<void()>> events_;
  std::optional<ScopedRuntime> scope_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTING_VIRTUAL_RUNTIME_H_
