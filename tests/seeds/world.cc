#include "tests/seeds/world.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/redial.h"
#include "redial/testing/simulation.h"
#include "tests/seeds/dice.h"
#include "tests/seeds/service.h"
#include "tests/seeds/trouble.h"
#include "tests/unit/one_permit.h"

namespace redial::testing {
namespace {

// One client of the service, shared by the fibers of its host: its policies, and what they let pass.
class Caller {
 public:
  Caller(WorldReport& report, Ledger& ledger, uint64_t& ids, Dice dice)
      : report_(report), ledger_(ledger), ids_(ids), dice_(dice) {
    absl::StatusOr<Client> client = Client::Create("tcp://service:80", DrawPolicies());
    if (client.ok()) {
      client_.emplace(*std::move(client));
    } else {
      Break(absl::StrCat("no client: ", client.status().message()));
    }
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // One fiber's work.
  void Work(int calls, uint64_t seed) {
    Dice dice(seed);
    Runtime& runtime = Runtime::Current();
    for (int i = 0; i < calls && client_; ++i) {
      const absl::Duration pause = dice.Time(absl::ZeroDuration(), absl::Seconds(10));
      runtime.SleepUntil(Deadline::After(runtime.Now(), pause), {});
      CallOnce(dice);
    }
  }

  // Once nothing can happen any more: a server may act on what a client has given up.
  void CheckExecutions() {
    for (const auto& [id, idempotent] : checked_) {
      const int times = ledger_.of(id);
      report_.executed += static_cast<size_t>(times);
      if (!idempotent && times > 1) {
        Break(absl::StrCat("operation ", id, " ran ", times, " times, but isn't idempotent"));
      }
    }
    for (const uint64_t id : unsent_) {
      if (ledger_.of(id) != 0) {
        Break(absl::StrCat("operation ", id, " ran, but its failure says that it can't have"));
      }
    }
  }

  void CheckNothingIsHeld() {
    if (permit_ == nullptr) return;
    if (permit_->free() != 1) Break(absl::StrCat("the permit is at ", permit_->free()));
    if (permit_->queued() != 0) Break(absl::StrCat(permit_->queued(), " tickets are left"));
  }

 private:
  void Break(std::string sentence) { report_.broken.push_back(std::move(sentence)); }

  PolicyList DrawPolicies() {
    PolicyList policies = {Report(ToFunction([this](const CallEvent& event) { OnEvent(event); }))};
    if (!dice_.OneIn(5)) {
      policies.push_back(Retry({.max_attempts = dice_.Int(2, 6),
                                .backoff = Exponential({.base = absl::Milliseconds(10)})}));
    }
    if (dice_.OneIn(2)) {
      policies.push_back(AttemptTimeout(dice_.Time(absl::Milliseconds(20), absl::Seconds(5))));
    }
    if (dice_.OneIn(4)) policies.push_back(FailFast(OnErrno(ECONNREFUSED)));
    if (dice_.OneIn(3)) {
      permit_ = std::make_shared<OnePermit>();
      policies.push_back(permit_);
    }
    return policies;
  }

  void OnEvent(const CallEvent& event) {
    if (event.type == CallEvent::Type::kAttemptStarted) {
      ++report_.attempts;
      if (event.deadline.expired(event.now)) Break("an attempt began after the deadline");
    }
    if (event.type == CallEvent::Type::kCallEnded && event.outstanding != 0) {
      Break(absl::StrCat(event.outstanding, " reservations were neither voided nor settled"));
    }
  }

  void CallOnce(Dice& dice) {
    Runtime& runtime = Runtime::Current();
    const uint64_t id = ++ids_;
    const size_t bytes =
        static_cast<size_t>(dice.OneIn(8) ? dice.Between(0, 100'000) : dice.Between(0, 200));
    const CallOptions options = {.operation = "DO",
                                 .timeout = dice.Time(absl::Milliseconds(1), absl::Seconds(20)),
                                 .idempotent = dice.OneIn(2)};
    const Instant began = runtime.Now();
    const absl::StatusOr<std::string> reply =
        client_->Call(options, [&](Socket& socket) { return Do(socket, id, bytes); });
    ++report_.calls;
    if (runtime.Now() - began > options.timeout) {
      Break(absl::StrCat("operation ", id, " took ",
                         absl::FormatDuration(runtime.Now() - began - options.timeout),
                         " longer than its timeout of ", absl::FormatDuration(options.timeout)));
    }
    Check(id, options.idempotent, bytes, reply);
  }

  void Check(uint64_t id, bool idempotent, size_t bytes, const absl::StatusOr<std::string>& reply) {
    checked_.push_back({id, idempotent});
    if (reply.ok()) {
      ++report_.succeeded;
      if (ledger_.of(id) == 0) Break(absl::StrCat("operation ", id, " succeeded, but never ran"));
      if (*reply != std::string(bytes, 'x')) {
        Break(absl::StrCat("operation ", id, " got ", reply->size(), " of ", bytes, " bytes"));
      }
      return;
    }
    const std::optional<Failure> failure = FailureOf(reply.status());
    if (!failure) {
      Break(absl::StrCat("a failure without a story: ", reply.status().ToString()));
      return;
    }
    if (failure->sent == Sent::kNo || failure->sent == Sent::kRejected) unsent_.push_back(id);
    if (failure->attempts.empty() && failure->why == Reason::kNone) {
      Break(absl::StrCat("operation ", id, " ended for no reason: ", Story(reply.status())));
    }
  }

  WorldReport& report_;
  Ledger& ledger_;
  uint64_t& ids_;
  Dice dice_;
  std::shared_ptr<OnePermit> permit_;
  std::optional<Client> client_;
  std::vector<std::pair<uint64_t, bool>> checked_;
  std::vector<uint64_t> unsent_;
};

SimulationOptions DrawOptions(Dice& dice, WorldReport& report) {
  SimulationOptions options;
  options.shuffle = dice.OneIn(2);
  options.link = DrawLink(dice);
  options.trace_lines = 2'000;
  options.on_failure = [&report](const TestFailure& failure) {
    report.broken.push_back(failure.sentence);
  };
  return options;
}

Hosts AddHosts(Simulation& sim, Dice& dice, Ledger& ledger) {
  Hosts hosts;
  const int servers = dice.Int(1, 3);
  const int clients = dice.Int(1, 3);
  std::vector<std::string> addresses;
  for (int i = 0; i < servers; ++i) {
    SimulatedHost& server = sim.AddHost(absl::StrCat("server", i));
    hosts.servers.push_back(&server);
    addresses.push_back(server.addresses().front().HostString());
    const uint64_t seed = dice.Next();
    server.Serve("serve", [&ledger, seed] { Serve(ledger, Dice(seed)); });
  }
  sim.SetName("service", addresses, absl::Seconds(5));
  for (int i = 0; i < clients; ++i)
    hosts.clients.push_back(&sim.AddHost(absl::StrCat("client", i)));
  for (SimulatedHost* client : hosts.clients) {
    for (SimulatedHost* server : hosts.servers) {
      if (dice.OneIn(2)) sim.SetLink(*client, *server, DrawLink(dice));
    }
  }
  return hosts;
}

void CheckNothingIsLeft(const Simulation& sim, size_t servers, WorldReport& report) {
  if (const size_t open = sim.OpenConnections(); open != 0) {
    report.broken.push_back(absl::StrCat(open, " connections are left"));
  }
  const std::string fibers = sim.Fibers();
  if (static_cast<size_t>(std::count(fibers.begin(), fibers.end(), '\n')) != servers) {
    report.broken.push_back(absl::StrCat("fibers are left beside those that listen:\n", fibers));
  }
}

}  // namespace

WorldReport RunWorld(uint64_t seed) {
  WorldReport report;
  Dice dice(seed);
  Ledger ledger;
  uint64_t ids = 0;
  std::deque<Caller> callers;
  RandomFaults faults(Dice(dice.Next()), dice.OneIn(2) ? dice.Int(20, 200) : 0);
  {
    Simulation sim(seed, DrawOptions(dice, report));
    const Hosts hosts = AddHosts(sim, dice, ledger);
    PlanTrouble(sim, hosts, dice);
    sim.set_injector(&faults);
    for (SimulatedHost* host : hosts.clients) {
      Caller& caller = callers.emplace_back(report, ledger, ids, Dice(dice.Next()));
      const int fibers = dice.Int(1, 3);
      for (int i = 0; i < fibers; ++i) {
        const int calls = dice.Int(1, 5);
        host->Run("work", [&caller, calls, own = dice.Next()] { caller.Work(calls, own); });
      }
    }
    if (const absl::Status ran = sim.Run(); !ran.ok()) {
      report.broken.push_back(std::string(ran.message()));
    }
    // Until the last retransmission and the last idle server's timeout are through.
    sim.RunFor(absl::Minutes(20)).IgnoreError();
    CheckNothingIsLeft(sim, hosts.servers.size(), report);
    for (Caller& caller : callers) {
      caller.CheckExecutions();
      caller.CheckNothingIsHeld();
    }
    report.trace_hash = sim.TraceHash();
    if (!report.broken.empty()) report.trace = sim.Trace();
    sim.set_injector(nullptr);
  }
  report.injected = faults.injected();
  return report;
}

}  // namespace redial::testing
