// A candidate attempt in front of a bulkhead, which it asks as the engine would.
//
//   auto bulkhead = Bulkhead({.max_concurrent = 1});
//   Caller first(*bulkhead), second(*bulkhead);
//   first.Ask(At(0));   // Admit: it runs
//   second.Ask(At(0));  // Blocked
//   first.End(At(5));   // second.woken == 1
#ifndef REDIAL_TESTS_UNIT_BULKHEAD_KIT_H_
#define REDIAL_TESTS_UNIT_BULKHEAD_KIT_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "redial/policies/bulkhead.h"
#include "tests/support/policy_view.h"

namespace redial::testing {

inline Instant At(int64_t ms) { return Plus(kEnded, ms * 1'000'000); }

class Caller final : public WakeSource {
 public:
  explicit Caller(BulkheadPolicy& bulkhead, int priority = 0) : bulkhead_(bulkhead) {
    view.priority = priority;
    view.config = bulkhead.CurrentConfig();
    ticket.set_wake_source(this);
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() override { Vanish(); }

  // Judges and reserves; runs, waits, or is dropped.
  Verdict Ask(Instant now) {
    Verdict verdict = Judge(now);
    if (!verdict.rejects()) verdict = Reserve(now);
    if (verdict.rejects()) {
      LeaveLine();
      bulkhead_.Refused(view);
    }
    if (verdict == Verdict::Admit()) Launch();
    return verdict;
  }
  Verdict Judge(Instant now) {
    view.now = now;
    view.ticket = entered ? &ticket : nullptr;
    view.has_ticket = entered;
    const Verdict verdict = bulkhead_.Judge(view);
    EXPECT_EQ(verdict, bulkhead_.Judge(view)) << "to judge changes nothing";
    return verdict;
  }
  Verdict Reserve(Instant now) {
    view.now = now;
    view.ticket = entered ? &ticket : nullptr;
    view.has_ticket = entered;
    entered = true;
    const Verdict verdict = bulkhead_.Reserve(view, token_, &ticket);
    holds = verdict == Verdict::Admit();
    return verdict;
  }
  void Launch() {
    holds = false;
    runs = true;
    LeaveLine();
  }
  // Another policy objected at the last moment.
  void Void() {
    holds = false;
    bulkhead_.Void(token_, &ticket);
  }
  // Another policy objects while it stands in line.
  void Park() { bulkhead_.Park(ticket); }
  void End(Instant now, bool aborted = false) {
    Outcome outcome;
    outcome.aborted = aborted;
    outcome.started = outcome.ended = now;
    outcome.config = view.config;
    outcome.notices = view.notices;
    runs = false;
    bulkhead_.Settle(token_, outcome);
  }
  // Whatever it had comes back.
  void Vanish() {
    if (holds) Void();
    LeaveLine();
    if (runs) End(view.now, /*aborted=*/true);
  }

  std::shared_ptr<WakeTarget> wake_target() override {
    struct Target final : WakeTarget {
      explicit Target(Caller& c) : caller(c) {}
      void Wake() override { ++caller.woken; }
      Caller& caller;
    };
    return std::make_shared<Target>(*this);
  }

  View view;
  Ticket ticket;
  bool entered = false;
  bool holds = false;  // a permit, before it has launched
  bool runs = false;
  int woken = 0;

 private:
  void LeaveLine() {
    if (!entered) return;
    entered = false;
    bulkhead_.Leave(ticket);
    ticket.set_note(0);
  }

  BulkheadPolicy& bulkhead_;
  Token token_ = 0;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_BULKHEAD_KIT_H_
