#include "redial/client.h"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redial/address.h"
#include "redial/failure.h"
#include "src/net/dial.h"

namespace redial {
namespace {

// Lets a network that keeps a trace look on.
class NetworkObserver final : public internal::CallObserver {
 public:
  explicit NetworkObserver(Network& network) : network_(network) {}
  void Observe(const CallEvent& event) override { network_.Observe(event); }

 private:
  Network& network_;
};

Sent SentOver(const Socket& socket) {
  if (socket.bytes_sent() == 0) return Sent::kNo;  // a greeting answers nothing
  return socket.bytes_received() > 0 ? Sent::kAnswered : Sent::kMaybe;
}

// What the operation returned, with what its socket knows. A failure of another origin, such as a
// second connection that was refused, says nothing about what went out over this one; what the
// operation declares, does.
absl::Status WithSocketFacts(absl::Status status, const Socket& socket,
                             std::vector<AddressTried> tried) {
  std::optional<Failure> attached = FailureOf(status);
  Failure failure = attached ? *std::move(attached) : Failure();
  if (!failure.declared) failure.sent = SentOver(socket);
  failure.bytes_sent = socket.bytes_sent();
  failure.bytes_received = socket.bytes_received();
  if (failure.address.empty()) failure.address = socket.peer().ToString();
  if (failure.tried.empty()) failure.tried = std::move(tried);
  return WithFailure(std::move(status), failure);
}

// The addresses on which attempts failed because of the connection: to reach them, or with one that
// stood. What the operation itself reports has no phase, and is the peer's answer: it would be the same
// elsewhere.
std::vector<Address> WhereTheyFailed(const std::vector<AttemptRecord>& attempts) {
  std::vector<Address> failed;
  const auto add = [&failed](const std::string& text) {
    if (auto address = Address::Parse(text); address.ok()) failed.push_back(*std::move(address));
  };
  for (const AttemptRecord& attempt : attempts) {
    const bool of_the_connection = attempt.code == absl::StatusCode::kUnavailable ||
                                   attempt.code == absl::StatusCode::kDeadlineExceeded;
    if (attempt.phase != Phase::kNone && of_the_connection) add(attempt.address);
    for (const AddressTried& tried : attempt.tried) {
      if (tried.error != 0 && tried.error != ECANCELED) add(tried.address);
    }
  }
  return failed;
}

// Those that an attempt tries when no other one is left.
std::vector<Address> ToAvoid(const Attempt& attempt) {
  std::vector<Address> avoid;
  if (attempt.failed() != nullptr) avoid = WhereTheyFailed(*attempt.failed());
  if (attempt.notes() == nullptr) return avoid;
  for (const std::string& text : attempt.notes()->beside) {
    if (auto address = Address::Parse(text); address.ok()) avoid.push_back(*std::move(address));
  }
  return avoid;
}

}  // namespace

struct Client::Rep {
  Rep(Target t, PolicySet p, ClientOptions o)
      : target(std::move(t)),
        name(target.ToString()),
        policies(std::move(p)),
        dial(std::move(o.dial)),
        network(o.network) {
    if (network != nullptr && network->observes()) observer.emplace(*network);
  }

  Target target;
  std::string name;
  PolicySet policies;
  DialOptions dial;
  Network* const network;                           // null: the current one
  mutable std::optional<NetworkObserver> observer;  // stateless
};

Client::Client(std::shared_ptr<const Rep> rep) : rep_(std::move(rep)) {}

absl::StatusOr<Client> Client::Create(std::string_view target, PolicyList policies,
                                      ClientOptions options) {
  absl::StatusOr<Target> parsed = Target::Parse(target);
  if (!parsed.ok()) return parsed.status();
  return Create(*parsed, std::move(policies), std::move(options));
}

absl::StatusOr<Client> Client::Create(const Target& target, PolicyList policies,
                                      ClientOptions options) {
  if (absl::Status valid = options.dial.Validate(); !valid.ok()) return valid;
  if (absl::Status valid = internal::CheckStreamTarget(target); !valid.ok()) return valid;
  absl::StatusOr<PolicySet> set = PolicySet::Create(std::move(policies));
  if (!set.ok()) return set.status();
  return Client(std::make_shared<const Rep>(target, *std::move(set), std::move(options)));
}

const Target& Client::target() const { return rep_->target; }
const PolicySet& Client::policies() const { return rep_->policies; }

internal::CallContext Client::Context(const CallOptions& options) const {
  return {options,
          rep_->policies,
          rep_->name,
          Runtime::Current(),
          rep_->observer ? &*rep_->observer : nullptr,
          true};
}

absl::Status Client::WithSocket(const Attempt& attempt,
                                absl::FunctionRef<absl::Status(Socket&)> use) const {
  Network& network = rep_->network != nullptr ? *rep_->network : CurrentNetwork();
  internal::AttemptNotes* const notes = attempt.notes();
  internal::DialStory story;
  if (notes != nullptr && notes->tells_tries) {
    story.trying = [notes](const Address& address) {
      notes->listener->Connecting(address.ToString());
    };
  }
  absl::StatusOr<Socket> socket =
      internal::DialAndTell(rep_->target, attempt.deadline(), attempt.stop_token(), rep_->dial,
                            network, ToAvoid(attempt), story);
  if (!socket.ok()) return socket.status();
  attempt.set_connect_time(story.connect_time);
  if (notes != nullptr) {
    notes->address = socket->peer().ToString();
    notes->listener->Connected(notes->address);
  }
  absl::Status status = use(*socket);
  if (notes != nullptr) {
    notes->bytes_sent = socket->bytes_sent();
    notes->bytes_received = socket->bytes_received();
  }
  if (status.ok()) return status;
  return WithSocketFacts(std::move(status), *socket, std::move(story.tried));
}

}  // namespace redial
