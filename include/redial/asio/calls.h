// redial's calls as asynchronous operations of standalone Asio: awaited in a coroutine, as a future
// or with a callback.
//
//   asio::io_context io;
//   redial::AsioCalls calls(io, *fibers);  // or calls(io): a thread for each call
//   auto ask = [&](redial::Client redis) -> asio::awaitable<void> {
//     absl::StatusOr<std::string> pong = co_await calls.Call(
//         redis, {.operation = "PING", .timeout = absl::Seconds(2)}, Ping, asio::use_awaitable);
//     if (!pong.ok()) std::cerr << redial::Story(pong.status()) << '\n';
//   };
//   asio::co_spawn(io, ask(*client), asio::detached);
//   io.run();
//
// The call itself runs elsewhere, in plain blocking style: in a fiber, or on a thread. Its result
// comes back as `absl::Status` or `absl::StatusOr<T>`, never as an exception, through the handler's
// associated executor (that of the `AsioCalls` where it has none), which counts it as outstanding
// work meanwhile; the handler is never called from within the function that starts the call. A
// timeout counts from that start.
//
// A cancellation slot reaches the call's stop token, whatever `options.stop` does beside it: after
// terminal or partial cancellation the call ends as any other that was stopped. What had ended
// before keeps its result.
//
// Needs Asio 1.22 or later; the CMake target is `redial::asio`. clang needs ASIO_HAS_CO_AWAIT and
// ASIO_HAS_STD_COROUTINE defined for coroutines.
#ifndef REDIAL_ASIO_CALLS_H_
#define REDIAL_ASIO_CALLS_H_

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/execution_context.hpp>
#include <memory>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/asio/operation.h"
#include "redial/call.h"
#include "redial/client.h"
#include "redial/fiber.h"
#include "redial/policy_set.h"
#include "redial/runtime.h"

namespace redial {

// Starts calls for an executor. Safe between threads, but for destroying.
//
// A scope: the destructor stops what still runs and waits for it, as a `Task` does, and so does
// the destructor of the execution context that a handler belongs to, whichever comes first. The
// handlers are then destroyed with their context, uncalled. An operation of the user's that blocks
// outside redial holds both up.
//
// An exception that leaves the user's operation ends the call with kUnknown and the exception's
// own words. Handlers' exceptions leave the executor's `run()`, as Asio has it.
class AsioCalls {
 public:
  using executor_type = asio::any_io_executor;

  // A thread of its own for each call.
  explicit AsioCalls(const executor_type& executor) : AsioCalls(executor, Runtime::Threads()) {}
  // Where `runtime.Spawn` puts it.
  AsioCalls(const executor_type& executor, Runtime& runtime);
  // In a fiber for each call. `fibers` must stay where it is and outlive this object; the target
  // `redial::fiber` must be linked. What its shutdown leaves behind ends with kCancelled, once this
  // object goes.
  AsioCalls(const executor_type& executor, FiberRuntime& fibers);
  // The same, on a context's own executor.
  template <class Context, class... Where>
    requires std::is_convertible_v<Context&, asio::execution_context&>
  explicit AsioCalls(Context& context, Where&... where)
      : AsioCalls(executor_type(context.get_executor()), where...) {}

  AsioCalls(const AsioCalls&) = delete;
  AsioCalls& operator=(const AsioCalls&) = delete;
  ~AsioCalls() { scope_->Close(nullptr); }

  executor_type get_executor() const noexcept { return executor_; }

  // `Client::Call`: `operation` as there; the signature is void(its result type).
  template <class Operation, class Token>
  auto Call(const Client& client, const CallOptions& options, Operation operation, Token&& token);

  // `redial::Call`, likewise.
  template <class Operation, class Token>
  auto Call(const CallOptions& options, const PolicySet& policies, Operation operation,
            Token&& token);

  // Any blocking-style code: `work(std::stop_token)`, or `work()`, that returns `absl::Status` or
  // `absl::StatusOr<T>`.
  template <class Work, class Token>
  auto Run(Work work, Token&& token);

 private:
  struct Initiation;

  // `work(AsioStart)`, which returns an R.
  template <class R, class Work, class Token>
  auto Start(std::string name, Work work, Token&& token);

  const executor_type executor_;
  Runtime& clock_;
  const std::shared_ptr<internal::AsioScope> scope_;
};

inline AsioCalls::AsioCalls(const executor_type& executor, Runtime& runtime)
    : executor_(executor),
      clock_(runtime),
      scope_(std::make_shared<internal::AsioScope>(
          [&runtime](std::string, absl::AnyInvocable<void()> work) {
            return runtime.Spawn(std::move(work));
          })) {}

inline AsioCalls::AsioCalls(const executor_type& executor, FiberRuntime& fibers)
    : executor_(executor),
      clock_(Runtime::Threads()),
      scope_(std::make_shared<internal::AsioScope>(
          [&fibers](std::string name, absl::AnyInvocable<void()> work) {
            return fibers.Spawn(std::move(name), std::move(work));
          })) {}

// What Asio keeps until the operation is to start.
struct AsioCalls::Initiation {
  using executor_type = AsioCalls::executor_type;
  executor_type get_executor() const noexcept { return calls->executor_; }

  template <class Handler, class R, class Work>
  void operator()(Handler&& handler, std::in_place_type_t<R>, std::string name, Work work) const {
    internal::StartAsioOperation<R>(calls->scope_, calls->executor_,
                                    std::decay_t<Handler>(std::forward<Handler>(handler)),
                                    std::move(name), calls->clock_.Now(), std::move(work));
  }

  AsioCalls* calls;
};

template <class R, class Work, class Token>
auto AsioCalls::Start(std::string name, Work work, Token&& token) {
  static_assert(std::is_same_v<R, absl::Status> || internal::IsStatusOr<R>::value,
                "an operation returns absl::Status or absl::StatusOr<T>");
  return asio::async_initiate<Token, void(R)>(Initiation{this}, token, std::in_place_type<R>,
                                              std::move(name), std::move(work));
}

template <class Operation, class Token>
auto AsioCalls::Call(const Client& client, const CallOptions& options, Operation operation,
                     Token&& token) {
  using R = decltype(client.Call(options, operation));
  std::string name(options.operation);
  auto work = [client, options, name,
               operation = std::move(operation)](internal::AsioStart start) mutable -> R {
    return client.Call(internal::AsioCallOptions(options, name, start).get(), operation);
  };
  return Start<R>(std::move(name), std::move(work), std::forward<Token>(token));
}

template <class Operation, class Token>
auto AsioCalls::Call(const CallOptions& options, const PolicySet& policies, Operation operation,
                     Token&& token) {
  using R = decltype(redial::Call(options, policies, operation));
  std::string name(options.operation);
  auto work = [options, policies, name,
               operation = std::move(operation)](internal::AsioStart start) mutable -> R {
    return redial::Call(internal::AsioCallOptions(options, name, start).get(), policies, operation);
  };
  return Start<R>(std::move(name), std::move(work), std::forward<Token>(token));
}

template <class Work, class Token>
auto AsioCalls::Run(Work work, Token&& token) {
  if constexpr (std::is_invocable_v<Work&, std::stop_token>) {
    using R = std::invoke_result_t<Work&, std::stop_token>;
    auto stopped = [work = std::move(work)](internal::AsioStart start) mutable -> R {
      return work(start.stop.get_token());
    };
    return Start<R>({}, std::move(stopped), std::forward<Token>(token));
  } else {
    using R = std::invoke_result_t<Work&>;
    auto unstopped = [work = std::move(work)](internal::AsioStart) mutable -> R { return work(); };
    return Start<R>({}, std::move(unstopped), std::forward<Token>(token));
  }
}

}  // namespace redial

#endif  // REDIAL_ASIO_CALLS_H_
