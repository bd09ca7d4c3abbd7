#include "tests/support/law_call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace redial::testing {
namespace {

bool IsDelay(Reason reason) {
  return reason == Reason::kBackoff || reason == Reason::kServerHint ||
         reason == Reason::kRateLimited;
}

}  // namespace

class LawCall::Target final : public WakeTarget {
 public:
  void Wake() override { woken_.store(true, std::memory_order_release); }
  bool Take() { return woken_.exchange(false, std::memory_order_acquire); }

 private:
  std::atomic<bool> woken_ = false;
};

LawCall::LawCall(const PolicySet& policies, CallMachine::Config config)
    : policies_(policies), config_([&] {
        config.wake = this;
        return config;
      }()) {
  machine_.emplace(policies_, config_);
}

void LawCall::Begin(Instant now, bool at_once) {
  begun_ = true;
  CallMachine::Beginning beginning;
  if (at_once) {
    beginning = machine_->BeginAtOnce(now);
  } else {
    machine_->Begin(now);
  }
  if (beginning.refused) {
    TakeDeliver(
        {.type = CallMachine::Action::Type::kDeliver, .reason = beginning.why, .until = {}});
  }
  const CallMachine::Started* const first = beginning.started;
  if (first != nullptr) {
    TakeStart({.type = CallMachine::Action::Type::kStart,
               .kind = first->kind,
               .id = first->id,
               .until = first->until()},
              now);
  }
  Drain(now);
  if (first != nullptr) ++started_;
}

void LawCall::Tick(Instant now) {
  machine_->Tick(now);
  Drain(now);
  Check(delivered_ || !config_.deadline.expired(now), "a call outlived its deadline");
}

void LawCall::Wake(Instant now) {
  machine_->Wake(now);
  Drain(now);
}

void LawCall::Cancel(Instant now) {
  machine_->Cancel(now);
  Drain(now);
  Check(delivered_, "a call went on after it was cancelled");
}

void LawCall::Answered(Instant now, int id, Answer answer) {
  if (id == question_) question_ = -1;
  machine_->Answered(now, id, answer);
  Drain(now);
}

void LawCall::AttemptDone(Instant now, int id, Outcome outcome) {
  const auto at =
      std::find_if(live_.begin(), live_.end(), [&](const Live& live) { return live.id == id; });
  const bool known = at != live_.end();
  bool aborted = outcome.aborted;
  if (known) {
    aborted |= at->aborted;
    live_.erase(at);
  }
  machine_->AttemptDone(now, id, outcome);
  if (known) {
    Check(outcome.aborted == aborted, "an attempt was settled as something else than it was");
    if (outcome.ok()) {
      succeeded_ = id;
    } else if (outcome.sent == Sent::kMaybe || outcome.sent == Sent::kAnswered) {
      may_have_run_ = true;
    }
    Check(delivered_ || !outcome.ok() || machine_->delivered(), "a success ended nothing");
  }
  Drain(now);
  succeeded_ = -1;
}

void LawCall::Drop() {
  machine_.reset();
  live_.clear();
}

bool LawCall::TakeWake() { return target_ != nullptr && target_->Take(); }

std::shared_ptr<WakeTarget> LawCall::wake_target() {
  if (!target_) target_ = std::make_shared<Target>();
  return target_;
}

void LawCall::Drain(Instant now) {
  started_ = 0;
  int actions = 0;
  while (Take(machine_->Next(), now)) {
    if (++actions > 32) {
      Check(false, "the actions of one event had no end");
      break;
    }
  }
  Check(machine_->attempts() == attempts_, "attempts were counted wrong");
  int of_attempts = 0;
  for (const Live& live : live_) {
    of_attempts += live.kind == AttemptKind::kFirst
                       ? static_cast<int>(policies_.reservers_first().size() -
                                          policies_.call_settlers().size())
                       : static_cast<int>(policies_.reservers_again().size());
  }
  const bool holds_call = attempts_ > 0 && !delivered_;
  const int of_call = holds_call ? static_cast<int>(policies_.call_settlers().size()) : 0;
  Check(machine_->outstanding() == of_attempts + of_call,
        "what is reserved isn't what is in flight");
}

// False when there is nothing more to take.
bool LawCall::Take(const CallMachine::Action& action, Instant now) {
  using Type = CallMachine::Action::Type;
  Check(!done_ || action.type == Type::kDone, "something happened after Done");
  switch (action.type) {
    case Type::kStart:
      TakeStart(action, now);
      return true;
    case Type::kAbort:
      TakeAbort(action);
      return true;
    case Type::kAsk:
      Check(action.id == attempts_ && policies_.asker() != nullptr,
            "nobody should have been asked");
      question_ = action.id;
      absl::StrAppend(&words, " ?", action.id);
      return true;
    case Type::kDeliver:
      TakeDeliver(action);
      return true;
    case Type::kWait:
      TakeWait(action);
      return false;
    case Type::kDone:
      Check(delivered_, "Done came before Deliver");
      Check(live_.empty(), "Done came before all was acknowledged");
      if (!done_) absl::StrAppend(&words, " .");
      done_ = true;
      return false;
  }
  return false;
}

void LawCall::TakeStart(const CallMachine::Action& action, Instant now) {
  Check(!delivered_, "an attempt started after Deliver");
  Check(!config_.deadline.expired(now), "an attempt started at or after the deadline");
  Check(action.until <= config_.deadline, "an attempt's deadline is after the call's");
  Check(action.id == attempts_, "attempts aren't numbered in a row");
  Check((action.kind == AttemptKind::kFirst) == (attempts_ == 0), "the first attempt isn't one");
  Check(action.kind == AttemptKind::kHedge || live_.empty(), "a retry started beside an attempt");
  Check(static_cast<int>(live_.size()) < CallMachine::kMaxLive, "too many are in flight");
  if (!config_.idempotent) {
    Check(action.kind != AttemptKind::kHedge, "what isn't idempotent was hedged");
    Check(!may_have_run_, "what may have run was repeated");
  }
  live_.push_back({action.id, action.kind, action.until});
  ++attempts_;
  ++started_;
  question_ = -1;
  absl::StrAppend(&words, action.kind == AttemptKind::kHedge ? " h" : " +", action.id);
}

void LawCall::TakeAbort(const CallMachine::Action& action) {
  const auto at = std::find_if(live_.begin(), live_.end(),
                               [&](const Live& live) { return live.id == action.id; });
  Check(at != live_.end() && !at->aborted, "an attempt was aborted that isn't in flight");
  if (at != live_.end()) at->aborted = true;
  absl::StrAppend(&words, " x", action.id);
}

void LawCall::TakeDeliver(const CallMachine::Action& action) {
  Check(!delivered_, "Deliver came twice");
  Check((action.id >= 0) == (action.reason == Reason::kNone), "an end without a reason");
  Check(action.id == succeeded_, "the winner isn't the attempt that succeeded");
  for (const Live& live : live_) Check(live.aborted, "a loser wasn't aborted");
  delivered_ = true;
  winner_ = action.id;
  end_reason_ = action.reason;
  question_ = -1;
  if (action.id >= 0) {
    absl::StrAppend(&words, " =", action.id);
  } else {
    absl::StrAppend(&words, " !", static_cast<int>(action.reason), ":", reasons().bits());
  }
}

void LawCall::TakeWait(const CallMachine::Action& action) {
  if (delivered_) {
    Check(!live_.empty(), "nothing is in flight, and Done doesn't come");
  } else {
    Check(action.until <= config_.deadline, "a wait goes past the deadline");
    Check(!begun_ || Deadline(machine_->now()) < action.until, "a wait is for the past");
    Check(!IsDelay(action.reason) || action.until < config_.deadline, "it sleeps to fail later");
  }
  if (action.until != wait_ || action.reason != wait_reason_) {
    absl::StrAppend(&words, " ~", action.until.instant().nanos(), ":",
                    static_cast<int>(action.reason));
  }
  wait_ = action.until;
  wait_reason_ = action.reason;
}

void LawCall::Check(bool holds, const char* law) {
  if (!holds && problem_.empty()) problem_ = law;
}

}  // namespace redial::testing
