// Several calls over shared policies in virtual time, driven as a real driver would: a call is touched
// only when a result is there, when its wait is over, when somebody woke it, or when its user stops
// it. How long each attempt takes and how it ends is drawn from the seed, the call and the attempt,
// so two worlds of one seed differ in nothing but their policies.
//
//   LawWorld world(set, {.seed = 7, .calls = 4});
//   world.Play();
//   EXPECT_EQ(world.problem(), "");
//
// Not for more than one thread.
#ifndef REDIAL_TESTS_SUPPORT_LAW_WORLD_H_
#define REDIAL_TESTS_SUPPORT_LAW_WORLD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redial/policy_set.h"
#include "tests/support/law_call.h"

namespace redial::testing {

class LawWorld {
 public:
  struct Options {
    uint64_t seed = 0;
    int calls = 4;
    // They begin by BeginAtOnce.
    bool at_once = false;
    // Every call has a deadline.
    bool finite = false;
    // Neither deadlines nor stops, and every question is answered: all calls must finish by
    // themselves.
    bool endless = false;
    // Wake-ups arrive at once; else some time later.
    bool prompt = false;
    // Events besides that must change nothing: ticks before anything is due, results and answers that
    // nobody waits for, anything after Done. (A wake-up is never one: it means "judge again".)
    bool noise = false;
  };

  LawWorld(const PolicySet& policies, const Options& options);
  LawWorld(const LawWorld&) = delete;
  LawWorld& operator=(const LawWorld&) = delete;

  // Until nothing is left to happen, or `until` has come.
  void Play(Deadline until = Deadline::Never());
  // Begins a call that is nobody's but the caller's: its results come as the others' do.
  LawCall& BeginProbe(CallMachine::Config config);

  Instant now() const { return now_; }
  // What was broken first; a call that nothing can move any more counts as well.
  const std::string& problem() const { return problem_; }
  const std::string& trace() const { return trace_; }
  int starts() const { return starts_; }

 private:
  struct Due {
    int id;
    Instant at;
    Outcome outcome;
  };
  struct Call {
    std::unique_ptr<LawCall> machine;
    Instant begins;
    Deadline stops;
    Deadline wakes;
    Deadline answers;
    std::vector<Due> due;
  };
  enum class Kind : uint8_t { kNothing, kBegin, kResult, kWake, kAnswer, kStop, kTimer };
  struct Next {
    Kind kind = Kind::kNothing;
    Deadline at;
    size_t call = 0;
    size_t due = 0;
  };

  uint64_t Draw(size_t call, int id, uint64_t what) const;
  Outcome OutcomeOf(size_t call, int id) const;
  Next FindNext() const;
  void Happen(const Next& next);
  void Follow(size_t at);
  void PassOnWakes();
  void MakeNoise();
  void Finish();

  const PolicySet& policies_;
  const Options options_;
  std::vector<Call> calls_;
  Instant now_;
  Instant noisy_;  // when noise was last made
  std::string problem_;
  std::string trace_;
  int starts_ = 0;
  int wakes_ = 0;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LAW_WORLD_H_
