// Plays a CallMachine in virtual time against scripted outcomes, and writes down all that it does,
// a word per action:
//
//   "0 start#1  5 failed#1  wait(15,backoff)  15 start#2 ..."
//
// Times are in milliseconds since the call began.
#ifndef REDIAL_TESTS_SUPPORT_MACHINE_TRACE_H_
#define REDIAL_TESTS_SUPPORT_MACHINE_TRACE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/policy_set.h"
#include "redial/reason.h"
#include "src/core/call_machine.h"
#include "src/core/strings.h"

namespace redial::testing {

inline constexpr int64_t kMillisecond = 1'000'000;

struct ScriptedOutcome {
  int64_t after_ms = 1;
  Outcome outcome;
};

inline ScriptedOutcome Fails(int64_t after_ms, Sent sent = Sent::kNo,
                             absl::StatusCode code = absl::StatusCode::kUnavailable) {
  ScriptedOutcome scripted{after_ms, {}};
  scripted.outcome.code = code;
  scripted.outcome.sent = sent;
  return scripted;
}
inline ScriptedOutcome Succeeds(int64_t after_ms) {
  ScriptedOutcome scripted{after_ms, {}};
  scripted.outcome.sent = Sent::kAnswered;
  return scripted;
}
// Runs until it is aborted.
inline ScriptedOutcome Hangs() { return Fails(1'000'000'000); }

class MachineTrace final : public WakeSource {
 public:
  MachineTrace(const PolicySet& policies, CallMachine::Config config)
      : machine_(policies, WithWake(config)) {}

  Instant At(int64_t ms) const { return Plus(began_, ms * kMillisecond); }
  int64_t Ms(Instant t) const { return NanosBetween(began_, t) / kMillisecond; }

  // Plays until the call is done, or nothing but a wake-up from outside could move it.
  const std::string& Play(std::function<ScriptedOutcome(int id, AttemptKind kind)> script) {
    script_ = std::move(script);
    machine_.Begin(began_);
    Drain();
    Continue();
    return trace_;
  }

  void Continue() {
    while (!done_) {
      Instant next = wait_.instant();
      auto due = due_.end();
      for (auto it = due_.begin(); it != due_.end(); ++it) {
        if (it->second.first <= next) {  // a result counts before the clock does
          next = it->second.first;
          due = it;
        }
      }
      if (due == due_.end() && wait_.is_never()) return;
      now_ = std::max(now_, next);
      if (due == due_.end()) {
        machine_.Tick(now_);
      } else {
        Finish(due->first);
      }
      Drain();
    }
  }

  void Finish(int id) {
    Outcome outcome = due_[id].second;
    due_.erase(id);
    Write(absl::StrCat(outcome.ok() ? "ok#" : outcome.aborted ? "gone#" : "failed#", id + 1));
    machine_.AttemptDone(now_, id, outcome);
  }

  void AdvanceTo(int64_t ms) { now_ = std::max(now_, At(ms)); }
  void Drain() {
    using Type = CallMachine::Action::Type;
    for (;;) {
      const CallMachine::Action action = machine_.Next();
      switch (action.type) {
        case Type::kStart: {
          const ScriptedOutcome scripted = script_(action.id, action.kind);
          Write(absl::StrCat(action.kind == AttemptKind::kHedge ? "hedge#" : "start#",
                             action.id + 1));
          Instant end = Plus(now_, scripted.after_ms * kMillisecond);
          Outcome outcome = scripted.outcome;
          if (action.until < Deadline(end)) {
            end = action.until.instant();
            outcome.code = absl::StatusCode::kDeadlineExceeded;
            outcome.sent = Sent::kMaybe;
          }
          due_[action.id] = {end, outcome};
          break;
        }
        case Type::kAbort:
          Write(absl::StrCat("abort#", action.id + 1));
          due_[action.id].first = now_;
          due_[action.id].second.code = absl::StatusCode::kCancelled;
          due_[action.id].second.aborted = true;
          break;
        case Type::kAsk:
          Write(absl::StrCat("ask#", action.id));
          break;
        case Type::kDeliver:
          Write(action.id >= 0
                    ? absl::StrCat("deliver#", action.id + 1)
                    : absl::StrCat("end:", redial::internal::ToAbsl(ReasonName(action.reason))));
          break;
        case Type::kWait:
          if (action.reason != Reason::kNone &&
              (action.until != wait_ || action.reason != reason_)) {
            Write(absl::StrCat(
                "wait(",
                action.until.is_never() ? "ever" : absl::StrCat(Ms(action.until.instant())), ",",
                redial::internal::ToAbsl(ReasonName(action.reason)), ")"));
          }
          wait_ = action.until;
          reason_ = action.reason;
          return;
        case Type::kDone:
          Write("done");
          done_ = true;
          return;
      }
    }
  }

  CallMachine& machine() { return machine_; }
  Instant now() const { return now_; }
  const std::string& trace() const { return trace_; }
  bool done() const { return done_; }
  std::shared_ptr<WakeTarget> wake_target() override {
    struct Target final : WakeTarget {
      void Wake() override { ++woken; }
      int woken = 0;
    };
    if (!target_) target_ = std::make_shared<Target>();
    return target_;
  }

 private:
  CallMachine::Config WithWake(CallMachine::Config config) {
    config.wake = this;
    return config;
  }
  void Write(const std::string& word) {
    absl::StrAppend(&trace_, trace_.empty() ? "" : " ", Ms(now_), ":", word);
  }

  const Instant began_ = Plus(Instant::VirtualOrigin(), 1000 * kMillisecond);
  Instant now_ = began_;
  CallMachine machine_;
  std::function<ScriptedOutcome(int, AttemptKind)> script_;
  std::map<int, std::pair<Instant, Outcome>> due_;
  std::shared_ptr<WakeTarget> target_;
  Deadline wait_;
  Reason reason_ = Reason::kNone;
  bool done_ = false;
  std::string trace_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_MACHINE_TRACE_H_
