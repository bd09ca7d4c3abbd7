#include "src/testing/simulation/sim_lookup.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "redial/failure.h"
#include "src/testing/silent_lookup.h"
#include "src/testing/simulation/fabric.h"

namespace redial::testing::internal {
namespace {

// From the host to its name server and back.
constexpr absl::Duration kRoundTrip = absl::Milliseconds(1);
constexpr char kNameServer[] = "198.18.255.53";

// The name as it is asked for: names know no case, and one dot at the end says that it is whole.
std::string Canonical(const std::string& host) {
  const absl::string_view whole = absl::StripSuffix(host, ".");
  return absl::AsciiStrToLower(whole);
}

bool IsLocalhost(const std::string& name) {
  return name == "localhost" || absl::EndsWith(name, ".localhost");
}

// With a function the kernel's network asks nobody else, and does the rest as in production.
absl::StatusOr<std::unique_ptr<Lookup>> Answered(const ResolveRequest& request,
                                                 const ResolverOptions& options,
                                                 std::vector<Address> addresses) {
  ResolverOptions with = options;
  with.function = [addresses = std::move(addresses)](const ResolveRequest&) { return addresses; };
  return KernelNetwork().StartLookup(request, with);
}

// A question for each family, and what the name server says when its answer arrives. Used by one
// thread.
class SimLookup final : public Lookup {
 public:
  SimLookup(SimHost& host, const ResolveRequest& request, const ResolverOptions& options)
      : host_(host),
        request_(request),
        options_(options),
        name_(Canonical(request.host)),
        began_(host.fabric().now()),
        gives_up_at_(began_ + options.server_timeout * options.tries) {
    const NameTroubles troubles = host.fabric().names().TroublesOf(name_);
    fails_ = troubles.fails;
    Ask(ipv6_, AddressFamily::kIpv4Only, troubles.lose_ipv6, troubles.ipv6_delay, "AAAA ");
    Ask(ipv4_, AddressFamily::kIpv6Only, troubles.lose_ipv4, troubles.ipv4_delay, "A ");
  }

  void Advance(Instant now) override {
    for (Query* query : {&ipv6_, &ipv4_}) {
      if (query->answer.done) continue;
      if (query->arrives_at <= now) {
        query->answer = fails_ ? InVain(now, " failed (SERVFAIL)", 0) : Resolve(*query, now);
      } else if (gives_up_at_ <= now) {
        query->answer = InVain(now, " did not answer", ETIMEDOUT);
      }
    }
  }
  const Lookup::Answer& ipv4() const override { return ipv4_.answer; }
  const Lookup::Answer& ipv6() const override { return ipv6_.answer; }
  void AppendSources(std::vector<Source*>&) override {}
  Deadline next_timer() const override {
    Instant next = kNeverDue;
    for (const Query* query : {&ipv6_, &ipv4_}) {
      if (!query->answer.done) next = std::min({next, query->arrives_at, gives_up_at_});
    }
    return next == kNeverDue ? Deadline::Never() : Deadline(next);
  }
  std::vector<AddressTried> Tried(Instant now) const override {
    if (!fails_ && done() && ipv4_.answer.status.code() != absl::StatusCode::kUnavailable &&
        ipv6_.answer.status.code() != absl::StatusCode::kUnavailable) {
      return {};
    }
    return {{.address = kNameServer, .error = fails_ ? 0 : ETIMEDOUT, .elapsed = now - began_}};
  }

 private:
  struct Query {
    Instant arrives_at = kNeverDue;
    Lookup::Answer answer = {};
  };

  void Ask(Query& query, AddressFamily other, bool lost, absl::Duration delay, const char* type) {
    if (options_.family == other) {
      query.arrives_at = began_;
      query.answer = Resolve(query, began_);
      return;
    }
    host_.fabric().names().AddQuery(absl::StrCat(type, name_));
    if (!lost) query.arrives_at = began_ + kRoundTrip + delay;
  }

  Lookup::Answer Resolve(const Query& query, Instant now) {
    std::vector<Address> addresses;
    if (const NameEntry* const entry = host_.fabric().names().Find(name_)) {
      addresses = entry->addresses;
      host_.names().answers[name_] = {addresses, now + entry->ttl};
    }
    const auto answered = Answered(request_, options_, std::move(addresses));
    if (!answered.ok()) return {.done = true, .status = answered.status(), .addresses = {}};
    return &query == &ipv4_ ? (*answered)->ipv4() : (*answered)->ipv6();
  }

  Lookup::Answer InVain(Instant now, const char* how, int error) const {
    const absl::Status status = absl::UnavailableError(
        absl::StrCat("look-up of '", request_.host, "' failed: name server ", kNameServer, how));
    const AddressTried tried{.address = kNameServer, .error = error, .elapsed = now - began_};
    return {.done = true,
            .status = WithFailure(status, {.phase = Phase::kResolve,
                                           .error = error,
                                           .sent = Sent::kNo,
                                           .elapsed = now - began_,
                                           .tried = {tried}}),
            .addresses = {}};
  }

  SimHost& host_;
  const ResolveRequest request_;
  const ResolverOptions options_;
  const std::string name_;
  const Instant began_;
  const Instant gives_up_at_;
  bool fails_ = false;
  Query ipv4_;
  Query ipv6_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Lookup>> StartSimLookup(SimHost& host, const ResolveRequest& request,
                                                       const ResolverOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  const std::string name = Canonical(request.host);
  Fabric& fabric = host.fabric();
  if (options.function || Address::FromLiteral(request.host, request.port) || IsLocalhost(name)) {
    return KernelNetwork().StartLookup(request, options);
  }
  auto kind = Injection::Kind::kNone;
  if (Injector* const injector = fabric.injector()) {
    kind = injector->On({.operation = Operation::kResolve, .host = host.name(), .at = fabric.now()})
               .kind;
  }
  if (kind == Injection::Kind::kRefuse) return Answered(request, options, {});
  const auto cached = host.names().answers.find(name);
  if (cached != host.names().answers.end() && fabric.now() < cached->second.expires) {
    return Answered(request, options, cached->second.addresses);
  }
  if (!host.names_answer() || kind == Injection::Kind::kStall) {
    return std::make_unique<SilentLookup>(fabric.now(), request.host, options);
  }
  return std::make_unique<SimLookup>(host, request, options);
}

}  // namespace redial::testing::internal
