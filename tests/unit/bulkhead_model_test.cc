// Random scripts in front of a bulkhead, against what must hold after each step: permits are
// conserved, none is free while somebody waits, the line has its bound and its order, and whoever is
// offered a permit or refused is woken.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "redial/policies/bulkhead.h"
#include "src/core/mix.h"
#include "tests/unit/bulkhead_kit.h"

namespace redial {
namespace {

using testing::At;
using testing::Caller;
using State = Ticket::State;

class Model {
 public:
  Model(uint64_t seed, bool sheds)
      : seed_(seed),
        options_{.max_concurrent = 1 + Below(3),
                 .max_queue = Below(4),
                 .target_delay = sheds ? absl::Milliseconds(2) : absl::InfiniteDuration(),
                 .target_interval = absl::Milliseconds(5)},
        bulkhead_(Bulkhead(options_)) {
    for (auto& caller : callers_) {
      caller = std::make_unique<Caller>(*bulkhead_, Below(5) - 2);
    }
  }

  void Play() {
    for (int i = 0; i < 60 && !::testing::Test::HasFailure(); ++i) {
      now_ += Below(4);
      Step(*callers_[static_cast<size_t>(Below(kCallers))]);
      Check();
    }
    for (auto& caller : callers_) caller->Vanish();
    EXPECT_EQ(bulkhead_->snapshot().in_use, 0);
    EXPECT_EQ(bulkhead_->snapshot().waiting, 0);
  }

 private:
  static constexpr int kCallers = 7;

  int Below(int n) {
    seed_ = internal::Mix64(seed_ + 1);
    return static_cast<int>(seed_ % static_cast<uint64_t>(n));
  }

  void Step(Caller& caller) {
    if (caller.runs) {
      End(caller);
    } else if (caller.holds) {
      Below(2) == 0 ? caller.Launch() : caller.Void();
    } else if (const int what = Below(6); what == 0) {
      caller.Vanish();
    } else if (what == 1 && caller.entered) {
      caller.Park();
    } else {
      Ask(caller);
    }
  }

  void Ask(Caller& caller) {
    const Verdict judged = caller.Judge(At(now_));
    if (judged.rejects()) {
      caller.Vanish();
      return;
    }
    const Verdict reserved = caller.Reserve(At(now_));
    EXPECT_FALSE(reserved.rejects()) << "what Reserve would reject, Judge rejects";
  }

  // Without an overload, the first of the highest priority is next.
  void End(Caller& caller) {
    const Caller* next = nullptr;
    for (const auto& other : callers_) {
      if (other->ticket.state() != State::kWaiting) continue;
      const bool sooner = next == nullptr || other->view.priority > next->view.priority ||
                          (other->view.priority == next->view.priority &&
                           other->ticket.note() < next->ticket.note());
      if (sooner) next = other.get();
    }
    caller.End(At(now_));
    if (next != nullptr && options_.target_delay == absl::InfiniteDuration()) {
      EXPECT_EQ(next->ticket.state(), State::kOffered);
    }
  }

  void Check() {
    int waiting = 0;
    int parked = 0;
    int permits = 0;
    for (size_t i = 0; i < callers_.size(); ++i) {
      const Caller& caller = *callers_[i];
      const State state = caller.ticket.state();
      waiting += state == State::kWaiting ? 1 : 0;
      parked += state == State::kParked ? 1 : 0;
      permits += state == State::kOffered || caller.holds || caller.runs ? 1 : 0;
      const bool told = state == State::kOffered || state == State::kRefused;
      if (told && state != states_[i]) {
        EXPECT_EQ(caller.woken, woken_[i] + 1);
      }
      states_[i] = state;
      woken_[i] = caller.woken;
    }
    EXPECT_EQ(bulkhead_->snapshot().in_use, permits);
    EXPECT_EQ(bulkhead_->snapshot().waiting, waiting);
    EXPECT_LE(permits, options_.max_concurrent);
    EXPECT_LE(waiting + parked, options_.max_queue);
    EXPECT_TRUE(permits == options_.max_concurrent || waiting == 0)
        << "a permit is free while a ticket waits";
  }

  uint64_t seed_;
  int64_t now_ = 0;
  const BulkheadOptions options_;
  const std::shared_ptr<BulkheadPolicy> bulkhead_;
  std::array<std::unique_ptr<Caller>, kCallers> callers_;
  std::array<State, kCallers> states_{};
  std::array<int, kCallers> woken_{};
};

TEST(BulkheadModelTest, ServesInOrderAndLosesNoPermit) {
  for (uint64_t seed = 0; seed < 5'000 && !HasFailure(); ++seed) {
    Model(seed, /*sheds=*/false).Play();
    Model(seed, /*sheds=*/true).Play();
    if (HasFailure()) ADD_FAILURE() << "seed " << seed;
  }
}

}  // namespace
}  // namespace redial
