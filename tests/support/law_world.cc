#include "tests/support/law_world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "src/core/mix.h"
#include "tests/support/law_policies.h"

namespace redial::testing {
namespace {

constexpr Instant kOrigin = Plus(Instant::VirtualOrigin(), 1000 * kMilli);
constexpr int kMostEvents = 20'000;

}  // namespace

LawWorld::LawWorld(const PolicySet& policies, const Options& options)
    : policies_(policies), options_(options), now_(kOrigin) {
  Instant begins = kOrigin;
  for (int i = 0; i < options_.calls; ++i) {
    const auto at = static_cast<size_t>(i);
    Call call;
    call.begins = begins;
    CallMachine::Config config;
    config.idempotent = Draw(at, 0, 1) % 4 != 0;
    config.seed = Draw(at, 0, 2);
    if (!options_.endless) {
      if (options_.finite || Draw(at, 0, 3) % 8 != 0) {
        config.deadline =
            Deadline(Plus(begins, kMilli * static_cast<int64_t>(20 + Draw(at, 0, 4) % 80)));
      }
      if (Draw(at, 0, 5) % 8 == 0) {
        call.stops = Deadline(Plus(begins, kMilli * static_cast<int64_t>(Draw(at, 0, 6) % 40)));
      }
    }
    call.machine = std::make_unique<LawCall>(policies_, config);
    calls_.push_back(std::move(call));
    begins = Plus(begins, kMilli * static_cast<int64_t>(Draw(at, 0, 7) % 6));
  }
}

void LawWorld::Play(Deadline until) {
  for (int events = 0; problem_.empty(); ++events) {
    const Next next = FindNext();
    if (next.kind == Kind::kNothing) {
      Finish();
      return;
    }
    if (until <= next.at) return;
    if (events == kMostEvents) {
      problem_ = "no end of events: a livelock";
      return;
    }
    if (options_.noise && now_ < next.at.instant() && noisy_ != now_) {
      noisy_ = now_;
      MakeNoise();
      continue;
    }
    now_ = std::max(now_, next.at.instant());
    Happen(next);
  }
}

LawCall& LawWorld::BeginProbe(CallMachine::Config config) {
  Call call;
  call.begins = now_;
  call.machine = std::make_unique<LawCall>(policies_, config);
  calls_.push_back(std::move(call));
  LawCall& machine = *calls_.back().machine;
  machine.Begin(now_);
  Follow(calls_.size() - 1);
  return machine;
}

uint64_t LawWorld::Draw(size_t call, int id, uint64_t what) const {
  return internal::Mix64(internal::Mix64(options_.seed * 64 + call) * 64 + what +
                         internal::Mix64(static_cast<uint64_t>(id)));
}

Outcome LawWorld::OutcomeOf(size_t call, int id) const {
  Outcome outcome;
  const uint64_t draw = Draw(call, id, 10);
  outcome.error = static_cast<int>(draw % 8 < 2 ? draw % 8 + 1 : 0);
  outcome.sent = Sent::kAnswered;
  if (Draw(call, id, 11) % 9 < 4) return outcome;
  outcome.code = absl::StatusCode::kUnavailable;
  const uint64_t sent = Draw(call, id, 12) % 8;
  outcome.sent = sent < 4 ? static_cast<Sent>(sent) : Sent::kNo;
  return outcome;
}

LawWorld::Next LawWorld::FindNext() const {
  Next next;
  const auto consider = [&](Kind kind, Deadline at, size_t call, size_t due) {
    if (at.is_never() || (next.kind != Kind::kNothing && next.at <= at)) return;
    next = {kind, at, call, due};
  };
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = calls_[i];
    for (size_t d = 0; d < call.due.size(); ++d) {
      consider(Kind::kResult, Deadline(call.due[d].at), i, d);
    }
    if (call.machine->done()) continue;
    if (!call.machine->begun()) {
      consider(Kind::kBegin, Deadline(call.begins), i, 0);
      continue;
    }
    consider(Kind::kWake, call.wakes, i, 0);
    consider(Kind::kAnswer, call.answers, i, 0);
    consider(Kind::kStop, call.stops, i, 0);
    consider(Kind::kTimer, call.machine->wait(), i, 0);
  }
  return next;
}

void LawWorld::Happen(const Next& next) {
  Call& call = calls_[next.call];
  LawCall& machine = *call.machine;
  switch (next.kind) {
    case Kind::kBegin:
      machine.Begin(now_, options_.at_once);
      break;
    case Kind::kResult: {
      const Due due = call.due[next.due];
      call.due.erase(call.due.begin() + static_cast<ptrdiff_t>(next.due));
      machine.AttemptDone(now_, due.id, due.outcome);
      break;
    }
    case Kind::kWake:
      call.wakes = Deadline::Never();
      machine.Wake(now_);
      break;
    case Kind::kAnswer:
      call.answers = Deadline::Never();
      machine.Answered(
          now_, machine.question(),
          Draw(next.call, machine.attempts(), 13) % 4 == 0 ? Answer::kGiveUp : Answer::kRetry);
      break;
    case Kind::kStop:
      call.stops = Deadline::Never();
      machine.Cancel(now_);
      break;
    case Kind::kTimer:
      machine.Tick(now_);
      break;
    case Kind::kNothing:
      break;
  }
  Follow(next.call);
}

// Does what the call asked for, and tells what it did.
void LawWorld::Follow(size_t at) {
  Call& call = calls_[at];
  LawCall& machine = *call.machine;
  starts_ += machine.started();
  for (const LawCall::Live& live : machine.live()) {
    const auto same = [&](const Due& due) { return due.id == live.id; };
    auto due = std::find_if(call.due.begin(), call.due.end(), same);
    if (due == call.due.end()) {
      Due started{live.id,
                  Plus(now_, kMilli / 2 * static_cast<int64_t>(1 + Draw(at, live.id, 14) % 24)),
                  OutcomeOf(at, live.id)};
      if (live.until < Deadline(started.at)) {
        started.at = std::max(now_, live.until.instant());
        started.outcome = Outcome();
        started.outcome.code = absl::StatusCode::kDeadlineExceeded;
      }
      call.due.push_back(started);
    } else if (live.aborted && !due->outcome.aborted) {
      due->at = std::min(due->at,
                         Plus(now_, kMilli / 4 * static_cast<int64_t>(Draw(at, live.id, 15) % 3)));
      due->outcome = Outcome();
      due->outcome.code = absl::StatusCode::kCancelled;
      due->outcome.aborted = true;
    }
  }
  if (machine.question() < 0) {
    call.answers = Deadline::Never();
  } else if (call.answers.is_never()) {
    const uint64_t draw = Draw(at, machine.question(), 16);
    if (options_.endless || draw % 4 != 0) {
      call.answers = Deadline(Plus(now_, kMilli * static_cast<int64_t>(draw % 16)));
    }
  }
  if (!machine.words.empty()) {
    absl::StrAppend(&trace_, "@", NanosBetween(kOrigin, now_) / 1000, " #", at, machine.words,
                    "\n");
    machine.words.clear();
  }
  if (problem_.empty()) problem_ = machine.problem();
  PassOnWakes();
}

void LawWorld::PassOnWakes() {
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (!calls_[i].machine->TakeWake()) continue;
    const auto late = static_cast<int64_t>(Draw(i, ++wakes_, 17) % 3);
    const Deadline at(Plus(now_, options_.prompt ? 0 : late * kMilli / 4));
    calls_[i].wakes = Earlier(calls_[i].wakes, at);
  }
}

void LawWorld::MakeNoise() {
  for (size_t i = 0; i < calls_.size(); ++i) {
    LawCall& machine = *calls_[i].machine;
    if (!machine.begun()) continue;
    switch (Draw(i, starts_, 18) % 4) {
      case 0:
        machine.Tick(now_);
        break;
      case 1:
        machine.AttemptDone(now_, 99, Outcome());
        break;
      case 2:
        machine.Answered(now_, 99, Answer::kGiveUp);
        break;
      default:
        if (machine.done()) {
          machine.Cancel(now_);
          machine.Wake(now_);
        }
    }
    Follow(i);
  }
}

void LawWorld::Finish() {
  for (size_t i = 0; i < calls_.size() && problem_.empty(); ++i) {
    if (!calls_[i].machine->done()) {
      problem_ = absl::StrCat("call ", i, " was left waiting, and nothing will move it");
    }
  }
}

}  // namespace redial::testing
