// The one interface behind every policy. A policy answers one question, *may another attempt start
// now?*, asked alike for the first attempt, a retry and a hedge; it may reserve, propose, look on.
// It never sleeps, dials, prints, or calls user code under a lock. A whole one:
//
//   class NotOnSundays final : public redial::Policy {
//    public:
//     NotOnSundays() : Policy({.name = "NotOnSundays", .capabilities = kJudgesAgain}) {}
//     redial::Verdict Judge(const redial::View&) const override {
//       return sunday_ ? redial::Verdict::Reject(redial::Reason::kRefused)
//                      : redial::Verdict::Admit();
//     }
//     std::atomic<bool> sunday_ = false;
//   };
//
// Protocol. For one candidate attempt the engine calls `Judge` any number of times. When every
// policy admits, it calls `Reserve` on those that reserve, in the set's canonical order, all or
// nothing; each reservation then ends in exactly one of `Void` (never launched) and `Settle`
// (launched, and acknowledged). With kReservesAgain, first attempts are settled without having been
// reserved, with a token of 0. With kTakes, `Take` may come in the place of the first `Judge` and
// `Reserve`. A policy that queues also gets the candidate's ticket with `Reserve`; after that, `Park` says
// that another policy holds the candidate up, and `Leave` comes exactly once, when the candidate has
// launched or vanished; with kLeavesLinesOnly, it comes where there is something to leave. `Void` comes
// before `Leave`, which comes before `Settle`.
//
// What `Reserve` would reject, or delay past the deadline, `Judge` rejects too, in the same state and
// for the same view; `Reserve` decides races only. So a set with one more policy is never more
// lenient: a policy that delays a candidate can't hide that another would refuse it. A queue that is full
// tells by `View::has_ticket` who stands in it already, and by `View::ticket` how. A verdict of Blocked
// comes from `Reserve`, with a ticket that somebody will wake, or from a policy that asks a person.
//
// A rejection drops the candidate. `Refused` tells those who rejected it, once. When the call's result
// is certain, `Conclude` comes, once as well, and after the `Settle` of the attempt that decided it;
// attempts that were still in flight then are settled later, as aborted.
//
// An exception that `Judge`, `Reserve`, `Propose`, `Disrupt` or `IsFailure` lets through (a predicate
// of the user's) ends the call and gives everything back. `Take`, `Void`, `Settle`, `Park`, `Leave`,
// `Refused` and `Conclude` don't throw.
//
// A configuration is immutable, and replaced as a whole where it can be (`config`); state is shared
// by everyone who holds the pointer. All methods may be called from several threads at once.
#ifndef REDIAL_POLICY_H_
#define REDIAL_POLICY_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/call_event.h"
#include "redial/conclusion.h"
#include "redial/description.h"
#include "redial/export.h"
#include "redial/fault.h"
#include "redial/ticket.h"
#include "redial/verdict.h"
#include "redial/view.h"

namespace redial {

// Eight bytes of the policy's own between `Reserve` or `Take` and `Void` or `Settle`: a generation, a
// permit, a cost.
using Token = uint64_t;

// A pointer to an immutable configuration. Whoever replaces it stores with release.
using ConfigWord = std::atomic<const void*>;

// What policies ask for; joined by minimum.
struct Proposal {
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t attempt_timeout_nanos = kNone;
  int64_t hedge_after_nanos = kNone;  // after the attempt that now starts
  int max_hedges = std::numeric_limits<int>::max();
};

// Where a policy stands in the canonical order, in which reservations are made: what is cheap to
// take back comes first, what costs others comes last.
enum class Rank : uint8_t {
  kTimeout = 10,
  kDecision = 50,
  kBreaker = 60,
  kThrottle = 62,
  kRateLimit = 65,
  kBulkhead = 70,
  kBudget = 90,
};

class REDIAL_EXPORT Policy {
 public:
  // What a policy does; the engine asks it for nothing else.
  enum Capability : uint32_t {
    kJudgesFirst = 1u << 0,  // Judge, before the first attempt
    kJudgesAgain = 1u << 1,  // Judge, before retries and hedges
    kReserves = 1u << 2,     // Reserve, Void
    kSettles = 1u << 3,      // Settle, also without kReserves (its token is then 0)
    kQueues = 1u << 4,       // with kReserves: gets a ticket; Park, Leave
    kProposes = 1u << 5,     // Propose
    kRetries = 1u << 6,      // a failed call may go on because of it
    kExamines = 1u << 7,     // IsFailure
    kObserves = 1u << 8,     // Observe
    kAsks = 1u << 9,         // Ask, and Judge says Blocked(kUndecided) until View::answer is there
    kNeverWaits = 1u << 10,  // whatever would make the call wait ends it instead
    kHedges = 1u << 11,      // with kProposes: may propose hedges
    // With kReserves: it counts calls, not attempts. Reserve is asked for the first attempt alone,
    // and Settle comes once, with the outcome of the call.
    kCountsCalls = 1u << 12,
    kReconfigures = 1u << 13,    // CurrentConfig, config_word
    kDisrupts = 1u << 14,        // Disrupt
    kCountsRefusals = 1u << 15,  // Refused, where its own rejection helped to end a candidate
    kConcludes = 1u << 16,       // Conclude
    // A wish to clients: after a failure of the connection, an address on which no attempt has failed.
    // Hedges prefer one without being told.
    kWantsDistinctEndpoints = 1u << 17,
    // With kReserves: not for first attempts, which it admits; their token is 0, and only settled.
    kReservesAgain = 1u << 18,
    // With kQueues: a ticket whose note is 0 stands in no line, and needs no `Leave`. Not for lines that
    // keep no note (`TicketQueue`).
    kLeavesLinesOnly = 1u << 19,
    // With kReserves: Take, for calls that nothing speaks against. Not asked where another who reserves
    // for the first attempt hasn't it, where one counts calls, and where two of rank kRateLimit or above
    // reserve: what these give others lack, and it would have to be given back.
    kTakes = 1u << 20,
  };

  struct Traits {
    std::string_view name;  // of static storage
    uint32_t capabilities = 0;
    Rank rank = Rank::kDecision;
  };

  explicit Policy(const Traits& traits) : traits_(traits) {}
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  virtual ~Policy();

  const Traits& traits() const { return traits_; }
  std::string_view name() const { return traits_.name; }
  // Which one, where several have the same name: what events and metrics call it. Empty if it has none;
  // lives as long as the policy does.
  virtual std::string_view label() const;

  // Whether the configuration makes sense: kInvalidArgument that names the field, its value and
  // what is allowed. Asked once, when the policy joins a set.
  virtual absl::Status Validate() const;
  // A hash of the configuration, which keeps the random draws of two policies of the same name
  // apart.
  virtual uint64_t Fingerprint() const;

  // The configuration that holds now, which is to live as long as the policy does. A call takes it
  // when it begins, and every view and outcome of that call shows it (`View::config`), so that one
  // call sees one configuration although another may replace it meanwhile. By default, what the word
  // below points to.
  virtual const void* CurrentConfig() const;
  // Where that pointer is kept, so that every call can read it without asking. Null, as by default, where
  // it must be asked for. It is asked for once, when the policy joins a set.
  virtual const ConfigWord* config_word() const;

  // Pure and repeatable: same view and same state, same answer.
  virtual Verdict Judge(const View& view) const;
  // Takes what the attempt needs, or answers why not. `ticket` is set for a policy that queues.
  virtual Verdict Reserve(const View& view, Token& token, Ticket* ticket);
  // For a first attempt, in the place of `Judge` and `Reserve`, which nearly always admit: takes what it
  // needs at once and answers true, or false, with nothing done, where they would object or have to look
  // closely; then they are asked. What it took is voided and settled like what `Reserve` gave, without a
  // ticket. Doesn't throw.
  virtual bool Take(const View& view, Token& token);
  // Undoes `Reserve` or `Take` exactly; `ticket` is null after `Take`.
  virtual void Void(Token token, Ticket* ticket);
  // Gives back what the attempt held and learns from it; an aborted outcome proves nothing.
  virtual void Settle(Token token, const Outcome& outcome);
  // A candidate was dropped, and this policy was among those that rejected it: comes once for each
  // candidate that would have started otherwise, so not where no retry was wanted or
  // none was safe. `Judge` may be asked any number of times, so whoever counts its refusals does it
  // here.
  virtual void Refused(const View& view);
  // A call is over. Comes once for each call that began, also where an exception leaves it.
  virtual void Conclude(const Conclusion& end);
  virtual void Park(Ticket& ticket);
  virtual void Leave(Ticket& ticket);

  virtual Proposal Propose(const View& view) const;
  // What is to go wrong with the attempt that now starts; the call sees to it. Asked once for each
  // attempt, with the view of the candidate that it was. Those of several policies are joined.
  virtual Fault Disrupt(const View& view) const;
  // Whether a value that the operation returned counts as a failure. Called once per attempt that
  // returned one; may run a user's predicate, so never under a lock.
  virtual bool IsFailure(const Outcome& outcome) const;
  // A person's decision. Called by the driver, outside every lock; may take long.
  virtual Answer Ask(const CallEvent& question) const;

  // Looks on. Outside every lock, on the call's own thread. What it throws ends the call, once the
  // other observers have heard too.
  virtual void Observe(const CallEvent& event) const;
  // How often `Observe` wants a kTick while the call waits (a live countdown); infinite for never.
  virtual absl::Duration tick_interval() const;

  // What the configuration that holds now means for a call, for people.
  virtual void Describe(Description& description) const;
  // The numbers of its state, for metrics: `visit` is called for each, outside every lock.
  virtual void Measure(absl::FunctionRef<void(const Gauge&)> visit) const;

 private:
  const Traits traits_;
};

using PolicyPtr = std::shared_ptr<Policy>;
using PolicyList = std::vector<PolicyPtr>;

}  // namespace redial

#endif  // REDIAL_POLICY_H_
