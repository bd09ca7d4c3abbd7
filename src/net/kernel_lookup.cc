#include "src/net/kernel_lookup.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/time.h"
#include "src/core/status.h"
#include "src/net/immediate_lookup.h"
#include "src/net/name_servers.h"

namespace redial::internal {
namespace {

// c-ares wants to be told once per process. A constant, so that nothing of ours changes later; on
// Linux it only counts.
bool LibraryReady() {
  static const bool kReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return kReady;
}

std::vector<Address> AddressesIn(const ares_addrinfo* info, uint16_t port) {
  std::vector<Address> addresses;
  if (info == nullptr) return addresses;
  for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    addresses.push_back(AddressFrom(node->ai_addr, node->ai_addrlen).WithPort(port));
  }
  return addresses;
}

ares_addrinfo_hints Hints(int family, const NameConfiguration& configuration) {
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  // In the order of the answer: see docs/decisions/address-order.md.
  hints.ai_flags = ARES_AI_NOSORT;
  if (configuration.hosts_from_environment) hints.ai_flags |= ARES_AI_ENVHOSTS;
  return hints;
}

// What /etc/hosts says of `request.host`, of both families at once: a name that stands there for
// one of them isn't asked for the other, as with the C library.
std::vector<Address> FindInHosts(const ResolveRequest& request,
                                 const NameConfiguration& configuration) {
  std::vector<Address> found;
  char files_only[] = "f";
  ares_options options{};
  options.lookups = files_only;
  ares_channel channel = nullptr;
  if (ares_init_options(&channel, &options, ARES_OPT_LOOKUPS) != ARES_SUCCESS) return found;
  const ares_addrinfo_hints hints = Hints(AF_UNSPEC, configuration);
  struct Context {
    std::vector<Address>* found;
    uint16_t port;
  } context{&found, request.port};
  ares_getaddrinfo(
      channel, request.host.c_str(), nullptr, &hints,
      [](void* argument, int status, int, ares_addrinfo* info) {
        const auto* c = static_cast<Context*>(argument);
        if (status == ARES_SUCCESS) *c->found = AddressesIn(info, c->port);
        if (info != nullptr) ares_freeaddrinfo(info);
      },
      &context);
  ares_destroy(channel);
  return found;
}

class KernelLookup final : public Lookup {
 public:
  explicit KernelLookup(const ResolveRequest& request)
      : host_(request.host), port_(request.port), began_(Runtime::Current().Now()) {
    name_servers_.set_now(began_);
  }
  ~KernelLookup() override {
    // Calls back with ARES_EDESTRUCTION, and closes what is open.
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  absl::Status Begin(const ResolverOptions& options, const NameConfiguration& configuration);

  void Advance(Instant now) override;
  const Answer& ipv4() const override { return ipv4_.answer; }
  const Answer& ipv6() const override { return ipv6_.answer; }
  void AppendSources(std::vector<Source*>& sources) override {
    for (Source& source : sources_) sources.push_back(&source);
  }
  Deadline next_timer() const override { return next_timer_; }
  std::vector<AddressTried> Tried(Instant now) const override { return name_servers_.Tried(now); }

 private:
  struct Query {
    KernelLookup* lookup;
    Address::Family family;
    Answer answer;
  };
  struct Watched {
    ares_socket_t fd;
    bool readable;
    bool writable;
  };

  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable);
  static void OnAnswer(void* query, int status, int timeouts, ares_addrinfo* info);

  absl::Status OpenChannel(const ResolverOptions& options, const NameConfiguration& configuration);
  void Ask(Query& query, int family, const NameConfiguration& configuration);
  absl::Status StatusFor(int status, Address::Family family) const;
  void Rearm(Instant now);

  const std::string host_;
  const uint16_t port_;
  const Instant began_;
  Instant now_ = began_;
  NameServers name_servers_;
  std::vector<Watched> watched_;
  std::deque<Source> sources_;
  Deadline next_timer_ = Deadline::Never();
  Query ipv4_{this, Address::Family::kIpv4, {}};
  Query ipv6_{this, Address::Family::kIpv6, {}};
  ares_channel channel_ = nullptr;
};

absl::Status KernelLookup::OpenChannel(const ResolverOptions& options,
                                       const NameConfiguration& configuration) {
  std::string resolv_conf = configuration.resolv_conf;
  ares_options ares{};
  int set = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  ares.timeout = static_cast<int>(absl::ToInt64Milliseconds(options.server_timeout));
  ares.tries = options.tries;
  ares.sock_state_cb = OnSocketState;
  ares.sock_state_cb_data = this;
  if (!resolv_conf.empty()) {
    ares.resolvconf_path = resolv_conf.data();
    set |= ARES_OPT_RESOLVCONF;
  }
  int status = LibraryReady() ? ares_init_options(&channel_, &ares, set) : ARES_ENOTINITIALIZED;
  if (status == ARES_SUCCESS && !options.servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, absl::StrJoin(options.servers, ",").c_str());
  }
  if (status == ARES_SUCCESS) return absl::OkStatus();
  const auto code =
      status == ARES_ENOMEM ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable;
  return WithFailure(absl::Status(code, absl::StrCat("look-up of '", host_,
                                                     "' failed: c-ares: ", ares_strerror(status))),
                     {.phase = Phase::kResolve, .sent = Sent::kNo});
}

absl::Status KernelLookup::Begin(const ResolverOptions& options,
                                 const NameConfiguration& configuration) {
  if (absl::Status status = OpenChannel(options, configuration); !status.ok()) return status;
  name_servers_.Attach(channel_);
  // IPv6 first, for its answer is the one that the other waits for.
  if (options.family == AddressFamily::kIpv4Only) {
    ipv6_.answer = {.done = true, .status = NoAddress(host_, ipv6_.family), .addresses = {}};
  } else {
    Ask(ipv6_, AF_INET6, configuration);
  }
  if (options.family == AddressFamily::kIpv6Only) {
    ipv4_.answer = {.done = true, .status = NoAddress(host_, ipv4_.family), .addresses = {}};
  } else {
    Ask(ipv4_, AF_INET, configuration);
  }
  Rearm(began_);
  return absl::OkStatus();
}

void KernelLookup::Ask(Query& query, int family, const NameConfiguration& configuration) {
  const ares_addrinfo_hints hints = Hints(family, configuration);
  ares_getaddrinfo(channel_, host_.c_str(), nullptr, &hints, OnAnswer, &query);
}

void KernelLookup::OnSocketState(void* self, ares_socket_t fd, int readable, int writable) {
  auto& watched = static_cast<KernelLookup*>(self)->watched_;
  std::erase_if(watched, [fd](const Watched& w) { return w.fd == fd; });
  if (readable != 0 || writable != 0) watched.push_back({fd, readable != 0, writable != 0});
}

void KernelLookup::OnAnswer(void* argument, int status, int, ares_addrinfo* info) {
  auto* query = static_cast<Query*>(argument);
  const KernelLookup& lookup = *query->lookup;
  if (status == ARES_SUCCESS) query->answer.addresses = AddressesIn(info, lookup.port_);
  if (info != nullptr) ares_freeaddrinfo(info);
  if (status == ARES_EDESTRUCTION) return;
  if (query->answer.addresses.empty()) {
    query->answer.status =
        lookup.StatusFor(status == ARES_SUCCESS ? ARES_ENODATA : status, query->family);
  }
  query->answer.done = true;
}

absl::Status KernelLookup::StatusFor(int status, Address::Family family) const {
  switch (status) {
    case ARES_ENOTFOUND:
      return NoSuchHost(host_);
    case ARES_ENODATA:
      return NoAddress(host_, family);
    case ARES_EBADNAME:
    case ARES_EBADSTR:
      return WithFailure(
          absl::NotFoundError(absl::StrCat("no such host: '", host_, "' is not a valid name")),
          {.phase = Phase::kResolve, .sent = Sent::kNo});
    default:
      break;
  }
  Failure failure;
  failure.phase = Phase::kResolve;
  failure.sent = Sent::kNo;
  failure.elapsed = now_ - began_;
  const std::string doing = absl::StrCat("look-up of '", host_, "' failed");
  if (status == ARES_ENOMEM) {
    return WithFailure(absl::ResourceExhaustedError(absl::StrCat(doing, ": out of memory")),
                       failure);
  }
  failure.tried = name_servers_.Tried(now_);
  if (!failure.tried.empty()) failure.error = failure.tried.back().error;
  if (const int error = name_servers_.socket_error(); error != 0) {
    failure.error = error;
    return WithFailure(absl::Status(ErrnoCode(error),
                                    absl::StrCat(doing, ": no socket to ask a name server with: ",
                                                 ErrnoText(error), " (", ErrnoName(error), ")")),
                       failure);
  }
  // Where the machine is configured to look nowhere but in files, c-ares says "refused".
  if (!name_servers_.asked()) return NoSuchHost(host_);
  const std::string servers = name_servers_.Describe();
  return WithFailure(absl::UnavailableError(absl::StrCat(
                         doing, ": ", servers.empty() ? ares_strerror(status) : servers)),
                     failure);
}

void KernelLookup::Advance(Instant now) {
  if (done()) return;
  now_ = std::max(now_, now);
  name_servers_.set_now(now_);
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  // Processing one socket may close another; a number that is no longer c-ares's is ignored, and
  // one that it got again since is non-blocking.
  const std::vector<Watched> watched = watched_;
  for (const Watched& socket : watched) {
    ares_process_fd(channel_, socket.readable ? socket.fd : ARES_SOCKET_BAD,
                    socket.writable ? socket.fd : ARES_SOCKET_BAD);
  }
  Rearm(now_);
}

void KernelLookup::Rearm(Instant now) {
  sources_.clear();
  next_timer_ = Deadline::Never();
  if (done()) return;
  for (const Watched& socket : watched_) {
    if (socket.readable) sources_.emplace_back(socket.fd, Source::Kind::kReadable);
    if (socket.writable) sources_.emplace_back(socket.fd, Source::Kind::kWritable);
  }
  if (name_servers_.late_error()) {
    next_timer_ = Deadline(now);
    return;
  }
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) != nullptr) {
    next_timer_ = Deadline::After(now, absl::DurationFromTimeval(left));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Lookup>> StartKernelLookup(const ResolveRequest& request,
                                                          const ResolverOptions& options,
                                                          const NameConfiguration& configuration) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (auto lookup = LookUpWithoutNetwork(request, options)) return lookup;
  if (auto found = FindInHosts(request, configuration); !found.empty()) {
    return std::make_unique<ImmediateLookup>(request, options.family, std::move(found));
  }
  auto lookup = std::make_unique<KernelLookup>(request);
  if (absl::Status status = lookup->Begin(options, configuration); !status.ok()) return status;
  return lookup;
}

absl::StatusOr<std::unique_ptr<Lookup>> StartKernelLookup(const ResolveRequest& request,
                                                          const ResolverOptions& options) {
  return StartKernelLookup(request, options, NameConfiguration{});
}

}  // namespace redial::internal
