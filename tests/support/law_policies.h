// Policies of the law tests: small, honest, and each of another kind, so that together they use all
// that the policy interface offers. A breaker with generations and a leased probe, a bulkhead with a
// queue, a rate limiter that reserves ahead, retries that are parked until a success releases them, a
// throttle that draws, a budget for retries, an asker, a hedger, and what is simpler.
//
//   LawLimiter limiter(5 * kMilli, /*burst=*/2, /*longest_wait=*/20 * kMilli);
//   ... drive calls with it ...
//   EXPECT_EQ(limiter.Audit(/*idle=*/true), "");
//
// Safe between threads.
#ifndef REDIAL_TESTS_SUPPORT_LAW_POLICIES_H_
#define REDIAL_TESTS_SUPPORT_LAW_POLICIES_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "redial/policy.h"

namespace redial::testing {

inline constexpr int64_t kMilli = 1'000'000;

class LawPolicy : public Policy {
 public:
  LawPolicy(const Traits& traits, std::string config)
      : Policy(traits), config_(std::move(config)) {}

  uint64_t Fingerprint() const override;
  // What is wrong with the policy's state, empty if nothing. `idle`: no call is left that could hold
  // anything.
  virtual std::string Audit(bool idle) const;
  // The state, for traces.
  virtual std::string State() const { return ""; }
  // Whether a call may wait without end because of it; tests in which all calls must finish leave it
  // out.
  virtual bool may_hold_for_ever() const { return false; }
  // Whether what it answers depends on when it was asked before: a quantile is looked up now and then. The
  // short way into a call may ask once more than the other.
  virtual bool remembers_being_asked() const { return false; }
  // To another configuration, if it has one, and back the next time.
  virtual void Reconfigure() {}

  const std::string& config() const { return config_; }

 protected:
  mutable std::mutex mu_;

 private:
  const std::string config_;
};

// Up to `attempts`, with a pause after each failure that a draw lengthens by up to `jitter`.
class LawRetry final : public LawPolicy {
 public:
  LawRetry(int attempts, int64_t pause, int64_t jitter);
  Verdict Judge(const View& view) const override;

 private:
  const int attempts_;
  const int64_t pause_;
  const int64_t jitter_;
};

// A pause and a reason: equal delays of different reasons must not depend on order either.
class LawPause final : public LawPolicy {
 public:
  LawPause(int64_t pause, Reason reason);
  Verdict Judge(const View& view) const override;

 private:
  const int64_t pause_;
  const Reason reason_;
};

class LawFailFast final : public LawPolicy {
 public:
  explicit LawFailFast(int error);
  Verdict Judge(const View& view) const override;

 private:
  const int error_;
};

class LawNeverWaits final : public LawPolicy {
 public:
  LawNeverWaits();
};

// Each call that begins is concluded once.
class LawConcluder final : public LawPolicy {
 public:
  LawConcluder();
  const void* CurrentConfig() const override;
  void Conclude(const Conclusion& end) override;
  std::string Audit(bool idle) const override;

 private:
  mutable int begun_ = 0;
  int concluded_ = 0;
  std::string problem_;
};

class LawTimeout final : public LawPolicy {
 public:
  explicit LawTimeout(int64_t nanos);
  Proposal Propose(const View& view) const override;

 private:
  const int64_t nanos_;
};

class LawHedge final : public LawPolicy {
 public:
  LawHedge(int64_t after, int most);
  Proposal Propose(const View& view) const override;

 private:
  const int64_t after_;
  const int most_;
};

// A value counts as a failure if its outcome carries this errno.
class LawExaminer final : public LawPolicy {
 public:
  explicit LawExaminer(int error);
  bool IsFailure(const Outcome& outcome) const override;

 private:
  const int error_;
};

class LawAsker final : public LawPolicy {
 public:
  LawAsker();
  Verdict Judge(const View& view) const override;
  bool may_hold_for_ever() const override { return true; }
};

// Opens after `failures` in a row, for `open_for`; then lets one probe through, whose lease ends when
// it is settled. A token carries the generation that it was admitted in; results of another
// generation change nothing.
class LawBreaker final : public LawPolicy {
 public:
  LawBreaker(int failures, int64_t open_for);
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  bool Take(const View& view, Token& token) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  std::string Audit(bool idle) const override;
  std::string State() const override;

 private:
  enum class Mode : uint8_t { kClosed, kOpen, kProbing };
  Verdict Admission(Instant now) const;
  void MoveTo(Mode mode);

  const int failures_;
  const int64_t open_for_;
  Mode mode_ = Mode::kClosed;
  uint64_t generation_ = 1;
  int in_a_row_ = 0;
  int held_ = 0;  // reservations
  Instant opened_;
};

// `permits` at once; up to `places` more stand in line.
class LawBulkhead final : public LawPolicy {
 public:
  LawBulkhead(int permits, size_t places);
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  void Park(Ticket& ticket) override;
  void Leave(Ticket& ticket) override;
  std::string Audit(bool idle) const override;
  std::string State() const override;

 private:
  const int64_t permits_;
  const size_t places_;
  int64_t free_;
  TicketQueue queue_;
};

// GCRA, an attempt each `interval` after a burst. It reserves ahead: the first to be asked gets the
// next slot, which its ticket notes and which is given back if the candidate vanishes.
class LawLimiter final : public LawPolicy {
 public:
  LawLimiter(int64_t interval, int burst, int64_t longest_wait);
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  void Leave(Ticket& ticket) override;
  std::string Audit(bool idle) const override;
  std::string State() const override;

 private:
  Instant NextSlot(Instant now) const;
  Verdict Admission(const View& view) const;

  const int64_t interval_;
  const int64_t tolerance_;
  const int64_t longest_wait_;
  Instant arrival_;  // GCRA's theoretical arrival time
  int ahead_ = 0;    // slots that tickets hold
  int held_ = 0;     // reservations
};

// After `failures` in a row, retries and hedges are parked; each success releases two of them, until
// nobody is left in line.
class LawPacer final : public LawPolicy {
 public:
  explicit LawPacer(int failures);
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  void Park(Ticket& ticket) override;
  void Leave(Ticket& ticket) override;
  std::string Audit(bool idle) const override;
  std::string State() const override;
  bool may_hold_for_ever() const override { return true; }

 private:
  static constexpr Token kReleased = 1;  // it took a release, which `Void` gives back

  void EndIfNobodyWaits();

  const int failures_;
  bool pacing_ = false;
  int in_a_row_ = 0;
  int held_ = 0;
  int64_t releases_ = 0;
  TicketQueue queue_;
};

// Refuses by a draw, with a probability that rises as requests outnumber what was accepted.
class LawThrottle final : public LawPolicy {
 public:
  explicit LawThrottle(double multiplier);
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  std::string Audit(bool idle) const override;
  std::string State() const override;

 private:
  Verdict Draw(const View& view) const;

  const double multiplier_;
  int64_t requests_ = 0;
  int64_t accepted_ = 0;
  int held_ = 0;
};

// Retries and hedges cost one each; a success brings a tenth.
class LawBudget final : public LawPolicy {
 public:
  explicit LawBudget(int most);
  Verdict Judge(const View& view) const override;
  Verdict Reserve(const View& view, Token& token, Ticket* ticket) override;
  void Void(Token token, Ticket* ticket) override;
  void Settle(Token token, const Outcome& outcome) override;
  std::string Audit(bool idle) const override;
  std::string State() const override;

 private:
  const int64_t most_;  // in tenths
  int64_t tenths_;
  int held_ = 0;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LAW_POLICIES_H_
