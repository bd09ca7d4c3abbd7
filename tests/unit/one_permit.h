// A policy with one permit and a queue: the smallest that uses tickets.
#ifndef REDIAL_TESTS_UNIT_ONE_PERMIT_H_
#define REDIAL_TESTS_UNIT_ONE_PERMIT_H_

#include <cstddef>
#include <cstdint>

#include "redial/policy.h"
#include "redial/ticket.h"
#include "src/core/mutex.h"

namespace redial::testing {

class OnePermit final : public Policy {
 public:
  OnePermit()
      : Policy({.name = "OnePermit",
                .capabilities = kReserves | kSettles | kQueues,
                .rank = Rank::kBulkhead}) {}
  Verdict Reserve(const View&, Token&, Ticket* ticket) override {
    Wakeups wake;
    const ::redial::internal::StdMutexLock lock(mu_);
    return queue_.Claim(*ticket, free_, wake) ? Verdict::Admit()
                                              : Verdict::Blocked(Reason::kQueued);
  }
  void Void(Token, Ticket* ticket) override {
    Wakeups wake;
    const ::redial::internal::StdMutexLock lock(mu_);
    queue_.Unclaim(*ticket, free_, wake);
  }
  void Settle(Token, const Outcome&) override { GiveBack(); }
  void Park(Ticket& ticket) override {
    Wakeups wake;
    const ::redial::internal::StdMutexLock lock(mu_);
    queue_.Park(ticket, free_, wake);
  }
  void Leave(Ticket& ticket) override {
    Wakeups wake;
    const ::redial::internal::StdMutexLock lock(mu_);
    queue_.Leave(ticket, free_, wake);
  }

  void TakeAway() {
    const ::redial::internal::StdMutexLock lock(mu_);
    --free_;
  }
  void GiveBack() {
    Wakeups wake;
    const ::redial::internal::StdMutexLock lock(mu_);
    ++free_;
    queue_.Offer(free_, wake);
  }
  int64_t free() const {
    const ::redial::internal::StdMutexLock lock(mu_);
    return free_;
  }
  size_t queued() const {
    const ::redial::internal::StdMutexLock lock(mu_);
    return queue_.size();
  }

 private:
  mutable ::redial::internal::StdMutex mu_;
  int64_t free_ ABSL_GUARDED_BY(mu_) = 1;
  TicketQueue queue_ ABSL_GUARDED_BY(mu_);
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_ONE_PERMIT_H_
