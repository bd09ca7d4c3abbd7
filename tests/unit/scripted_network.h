// A network that does as a test tells it, in virtual time: when each address connects, and what the
// look-up finds.
#ifndef REDIAL_TESTS_UNIT_SCRIPTED_NETWORK_H_
#define REDIAL_TESTS_UNIT_SCRIPTED_NETWORK_H_

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/network.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/testing/virtual_runtime.h"
#include "redial/time.h"
#include "src/net/immediate_lookup.h"

namespace redial::internal {

struct Plan {
  int after_ms = -1;       // never
  int error = 0;           // 0 connects
  bool no_source = false;  // EAGAIN with nothing to wait for
  bool at_start = false;   // StartConnect itself fails
};

// Counts those that are alive, so that a test can tell that nothing is left behind.
class ScriptedStream final : public Stream {
 public:
  ScriptedStream(redial::testing::VirtualRuntime& runtime, const Plan& plan, const Address& peer,
                 int& alive, std::vector<int>& tries)
      : runtime_(runtime), plan_(plan), peer_(peer), alive_(alive), tries_(tries) {
    ++alive_;
    done_at_ = Deadline::Never();
    if (plan.after_ms < 0) return;
    done_at_ = Deadline::After(runtime.Now(), absl::Milliseconds(plan.after_ms));
    if (!plan.no_source) {
      runtime.After(absl::Milliseconds(plan.after_ms), [ready = ready_] { ready->Set(); });
    }
  }
  ~ScriptedStream() override { --alive_; }

  Io FinishConnect() override {
    tries_.push_back(static_cast<int>(absl::ToInt64Milliseconds(runtime_.elapsed())));
    if (done_at_.expired(runtime_.Now())) return {.error = plan_.error};
    return {.error = EAGAIN, .want = plan_.no_source ? nullptr : ready_.get()};
  }
  Io TryRead(absl::Span<char>) override { return {.error = EAGAIN, .want = ready_.get()}; }
  Io TryWrite(std::string_view) override { return {.error = EAGAIN, .want = ready_.get()}; }
  int ShutdownWrite() override { return 0; }
  void Close() override {}
  void Poke() override {}
  Address local() const override { return Address(); }
  Address peer() const override { return peer_; }

 private:
  redial::testing::VirtualRuntime& runtime_;
  const Plan plan_;
  const Address peer_;
  int& alive_;
  std::vector<int>& tries_;
  // Shared with the event that sets it, which may come after this has gone.
  std::shared_ptr<Event> ready_ = std::make_shared<Event>();
  Deadline done_at_;
};

struct LookupPlan {
  int ipv4_ms = 0;  // never, if negative
  int ipv6_ms = 0;
  absl::StatusOr<std::vector<Address>> ipv4 = std::vector<Address>();
  absl::StatusOr<std::vector<Address>> ipv6 = std::vector<Address>();
  std::vector<AddressTried> tried;
};

class ScriptedLookup final : public Lookup {
 public:
  ScriptedLookup(redial::testing::VirtualRuntime& runtime, const LookupPlan& plan)
      : plan_(plan), began_(runtime.Now()) {}

  void Advance(Instant now) override {
    Take(now, plan_.ipv4_ms, plan_.ipv4, ipv4_);
    Take(now, plan_.ipv6_ms, plan_.ipv6, ipv6_);
  }
  const Answer& ipv4() const override { return ipv4_; }
  const Answer& ipv6() const override { return ipv6_; }
  void AppendSources(std::vector<Source*>&) override {}
  Deadline next_timer() const override {
    return Earlier(TimerOf(plan_.ipv4_ms, ipv4_), TimerOf(plan_.ipv6_ms, ipv6_));
  }
  std::vector<AddressTried> Tried(Instant) const override { return plan_.tried; }

 private:
  void Take(Instant now, int ms, const absl::StatusOr<std::vector<Address>>& found,
            Answer& answer) const {
    if (answer.done || ms < 0 || now < began_ + absl::Milliseconds(ms)) return;
    answer.done = true;
    answer.status = found.status();
    if (found.ok()) answer.addresses = *found;
  }
  Deadline TimerOf(int ms, const Answer& answer) const {
    if (answer.done || ms < 0) return Deadline::Never();
    return Deadline(began_ + absl::Milliseconds(ms));
  }

  const LookupPlan plan_;
  const Instant began_;
  Answer ipv4_;
  Answer ipv6_;
};

class ScriptedNetwork final : public Network {
 public:
  explicit ScriptedNetwork(redial::testing::VirtualRuntime& runtime) : runtime_(runtime) {}

  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions&) override {
    started.push_back(
        absl::StrCat(absl::ToInt64Milliseconds(runtime_.elapsed()), " ", address.ToString()));
    const Plan plan = plans[address.ToString()];
    if (plan.at_start) {
      return WithFailure(absl::ResourceExhaustedError("connect: no"), {.error = plan.error});
    }
    return std::make_unique<ScriptedStream>(runtime_, plan, address, alive, tries);
  }
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address&, const ListenOptions&) override {
    return absl::UnimplementedError("no listeners");
  }
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override {
    ++lookups;
    if (auto immediate = LookUpWithoutNetwork(request, options)) return immediate;
    return std::make_unique<ScriptedLookup>(runtime_, lookup);
  }

  std::map<std::string, Plan> plans;
  LookupPlan lookup;
  std::vector<std::string> started;
  std::vector<int> tries;
  int lookups = 0;
  int alive = 0;

 private:
  redial::testing::VirtualRuntime& runtime_;
};

}  // namespace redial::internal

#endif  // REDIAL_TESTS_UNIT_SCRIPTED_NETWORK_H_
