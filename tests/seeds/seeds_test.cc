// The same service under ten thousand different misfortunes.
//
//   REDIAL_SEED=17 redial_seeds_tests      # one seed alone, with its trace
//   REDIAL_SEEDS=100000 redial_seeds_tests # so many, from 1
//   REDIAL_SEEDS_SECONDS=30                # as many as there is time for
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "redial/runtime.h"
#include "redial/time.h"
#include "tests/seeds/world.h"

namespace redial::testing {
namespace {

std::optional<uint64_t> NumberFrom(const char* variable) {
  const char* const text = std::getenv(variable);
  uint64_t number = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

// False, with a failure of the test, where an invariant broke.
bool Holds(uint64_t seed, WorldReport& sum) {
  const WorldReport report = RunWorld(seed);
  sum.calls += report.calls;
  sum.succeeded += report.succeeded;
  sum.attempts += report.attempts;
  sum.executed += report.executed;
  sum.injected += report.injected;
  // Now and then, whether a printed seed would show again what it showed.
  if (seed % 97 == 0) {
    EXPECT_EQ(RunWorld(seed).trace_hash, report.trace_hash) << "seed " << seed << " ran otherwise";
  }
  for (const std::string& sentence : report.broken) {
    ADD_FAILURE() << "seed " << seed << ": " << sentence
                  << "\nto see it again: REDIAL_SEED=" << seed;
  }
  return report.broken.empty();
}

TEST(Seeds, HoldTheInvariants) {
  WorldReport sum;
  if (const std::optional<uint64_t> seed = NumberFrom("REDIAL_SEED")) {
    const WorldReport report = RunWorld(*seed);
    std::printf("%s", report.trace.c_str());
    Holds(*seed, sum);
    return;
  }
  const std::optional<uint64_t> seconds = NumberFrom("REDIAL_SEEDS_SECONDS");
  const uint64_t seeds = NumberFrom("REDIAL_SEEDS").value_or(seconds ? UINT64_MAX : 10'000);
  Runtime& threads = Runtime::Threads();
  const Deadline until =
      seconds ? Deadline::After(threads.Now(), absl::Seconds(*seconds)) : Deadline::Never();
  uint64_t done = 0;
  while (done < seeds && !until.expired(threads.Now())) {
    if (!Holds(done + 1, sum)) break;
    ++done;
  }
  std::printf(
      "%lu seeds: %zu calls, %zu of them successful, %zu attempts, %zu executions, %zu faults "
      "injected\n",
      static_cast<unsigned long>(done), sum.calls, sum.succeeded, sum.attempts, sum.executed,
      sum.injected);
  // Where little goes wrong, little is shown.
  EXPECT_GT(sum.succeeded, sum.calls / 10);
  EXPECT_LT(sum.succeeded, sum.calls);
  EXPECT_GT(sum.attempts, sum.calls);
  EXPECT_GT(sum.injected, done / 10);
}

}  // namespace
}  // namespace redial::testing
