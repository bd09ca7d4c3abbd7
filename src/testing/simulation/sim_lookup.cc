#include "src/testing/simulation/sim_lookup.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "src/testing/silent_lookup.h"
#include "src/testing/simulation/fabric.h"

namespace redial::testing::internal {
namespace {

// From the host to its name server and back.
constexpr absl::Duration kRoundTrip = absl::Milliseconds(1);

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

// What a name server says after a while, asked for at the end of it.
class SimLookup final : public Lookup {
 public:
  SimLookup(SimHost& host, const ResolveRequest& request, const ResolverOptions& options)
      : host_(host),
        request_(request),
        options_(options),
        answers_at_(host.fabric().now() + kRoundTrip) {}

  void Advance(Instant now) override {
    if (inner_ != nullptr || now < answers_at_) return;
    const std::string name = Canonical(request_.host);
    std::vector<Address> addresses;
    if (const NameEntry* const entry = host_.fabric().names().Find(name)) {
      addresses = entry->addresses;
      host_.names().answers[name] = {addresses, now + entry->ttl};
    }
    auto answered = Answered(request_, options_, std::move(addresses));
    if (answered.ok()) inner_ = *std::move(answered);
  }
  const Answer& ipv4() const override { return inner_ != nullptr ? inner_->ipv4() : waiting_; }
  const Answer& ipv6() const override { return inner_ != nullptr ? inner_->ipv6() : waiting_; }
  void AppendSources(std::vector<Source*>&) override {}
  Deadline next_timer() const override {
    return inner_ != nullptr ? Deadline::Never() : Deadline(answers_at_);
  }

 private:
  SimHost& host_;
  const ResolveRequest request_;
  const ResolverOptions options_;
  const Instant answers_at_;
  const Answer waiting_;
  std::unique_ptr<Lookup> inner_;
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
