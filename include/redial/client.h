// A client of one target: dials, calls, and lets its policies decide.
//
//   auto redis = redial::Client::Create("tcp://127.0.0.1:6379",
//                                       {redial::Retry({.max_attempts = 3})});
//   if (!redis.ok()) { std::cerr << redis.status().message() << '\n'; return 2; }
//   auto pong = redis->Call(
//       {.operation = "PING", .timeout = absl::Seconds(2), .idempotent = true},
//       [](redial::Socket& s) -> absl::StatusOr<std::string> {
//         if (auto sent = s.Write("PING\r\n"); !sent.ok()) return sent;
//         return s.ReadUntil("\r\n", {.max_bytes = 512});
//       });
//
// Each attempt gets a fresh connection, whose deadline and stop token are the attempt's. Safe
// between threads; copies share the policies and their state. Each call waits on the runtime that
// is current where it is made.
#ifndef REDIAL_CLIENT_H_
#define REDIAL_CLIENT_H_

#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "redial/call.h"
#include "redial/dial.h"
#include "redial/export.h"
#include "redial/network.h"
#include "redial/policy_set.h"
#include "redial/socket.h"
#include "redial/target.h"

namespace redial {

struct ClientOptions {
  // Not owned, and must outlive the client. When null, `CurrentNetwork()` of each call: the
  // simulated host's in a simulation, else the kernel's.
  Network* network = nullptr;
  DialOptions dial = {};
};

class REDIAL_EXPORT Client {
 public:
  // kInvalidArgument with one clear sentence about the target, a policy or an option. Dials nothing
  // yet.
  static absl::StatusOr<Client> Create(std::string_view target, PolicyList policies = {},
                                       ClientOptions options = {});
  static absl::StatusOr<Client> Create(const Target& target, PolicyList policies = {},
                                       ClientOptions options = {});

  // Runs `operation(Socket&)` or `operation(Socket&, const Attempt&)`, which returns `absl::Status`
  // or `absl::StatusOr<T>`. Errors as for `redial::Call`; whether the peer may have acted follows
  // from the bytes that the socket exchanged.
  template <class F>
  auto Call(const CallOptions& options, F&& operation) const;

  const Target& target() const;
  const PolicySet& policies() const;

 private:
  struct Rep;
  explicit Client(std::shared_ptr<const Rep> rep);

  // Dials, calls `use`, and adds what the socket knows to the status that `use` returns. `use` may
  // be called at most once.
  absl::Status WithSocket(const Attempt& attempt,
                          absl::FunctionRef<absl::Status(Socket&)> use) const;
  internal::CallContext Context(const CallOptions& options) const;

  template <class R, class F>
  R RunAttempt(const Attempt& attempt, F& operation) const;

  std::shared_ptr<const Rep> rep_;
};

template <class R, class F>
R Client::RunAttempt(const Attempt& attempt, F& operation) const {
  if constexpr (std::is_same_v<R, absl::Status>) {
    return WithSocket(attempt, [&](Socket& socket) { return operation(socket, attempt); });
  } else {
    R result = absl::UnknownError("");
    absl::Status status = WithSocket(attempt, [&](Socket& socket) {
      result = operation(socket, attempt);
      return result.status();
    });
    if (!status.ok()) return status;
    return result;
  }
}

template <class F>
auto Client::Call(const CallOptions& options, F&& operation) const {
  if constexpr (std::is_invocable_v<F&, Socket&, const Attempt&>) {
    using R = std::invoke_result_t<F&, Socket&, const Attempt&>;
    return internal::RunTyped<R>(Context(options), [&](const Attempt& attempt) {
      return RunAttempt<R>(attempt, operation);
    });
  } else {
    using R = std::invoke_result_t<F&, Socket&>;
    auto with_attempt = [&](Socket& socket, const Attempt&) -> R { return operation(socket); };
    return internal::RunTyped<R>(Context(options), [&](const Attempt& attempt) {
      return RunAttempt<R>(attempt, with_attempt);
    });
  }
}

}  // namespace redial

#endif  // REDIAL_CLIENT_H_
