// The policies that ship, in the law tests: any of them wrapped so that what it is asked and what it
// answers is held against the protocol. What it admitted is voided or settled once; judging again
// changes nothing; what it would refuse to reserve, it refuses when it judges; and when no call is
// left, its gauges show nothing in flight.
//
//   kit.Add<LawShipped>(CircuitBreaker({.minimum_throughput = 2}), "minimum 2");
//
// Safe between threads as the policy is; `alone` says that one thread uses it, which is needed to hold
// two answers against each other.
#ifndef REDIAL_TESTS_SUPPORT_LAW_SHIPPED_H_
#define REDIAL_TESTS_SUPPORT_LAW_SHIPPED_H_

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "redial/policy.h"
#include "tests/support/law_kit.h"
#include "tests/support/law_policies.h"

namespace redial::testing {

class LawShipped final : public LawPolicy {
 public:
  LawShipped(PolicyPtr policy, const char* config, bool alone = true);
  // Changes the policy to its other configuration, or back.
  void set_change(std::function<absl::Status(bool other)> change) { change_ = std::move(change); }

  uint64_t Fingerprint() const override { return policy_->Fingerprint(); }
  absl::Status Validate() const override { return policy_->Validate(); }
  const ConfigWord* config_word() const override { return policy_->config_word(); }
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  bool Take(const View& view, Token& token) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  void Refused(const View& view) override { policy_->Refused(view); }
  void Park(Ticket& ticket) override { policy_->Park(ticket); }
  void Leave(Ticket& ticket) override { policy_->Leave(ticket); }
  Proposal Propose(const View& view) const override { return policy_->Propose(view); }
  Fault Disrupt(const View& view) const override { return policy_->Disrupt(view); }
  void Conclude(const Conclusion& conclusion) override { policy_->Conclude(conclusion); }
  bool IsFailure(const Outcome& outcome) const override { return policy_->IsFailure(outcome); }
  void Describe(Description& description) const override { policy_->Describe(description); }
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override {
    policy_->Measure(visit);
  }

  std::string Audit(bool idle) const override;
  std::string State() const override;
  void Reconfigure() override;
  bool remembers_being_asked() const override;

 private:
  void Complain(const char* what) const;
  bool Judges(const View& view) const;
  // Whether it is asked to reserve for attempts of that kind.
  bool ReservesFor(AttemptKind kind) const;

  const PolicyPtr policy_;
  const bool alone_;
  std::function<absl::Status(bool)> change_;
  bool changed_ = false;
  std::atomic<int> held_{0};
  mutable std::string problem_;  // guarded by mu_
};

// Adds one of a random kind and configuration.
void AddShipped(Choices& choices, LawKit& kit);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LAW_SHIPPED_H_
