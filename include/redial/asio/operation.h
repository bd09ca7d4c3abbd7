// How `AsioCalls` runs an operation and brings its result back; nothing here is for users.
//
//   asio::io_context io;
//   auto scope = std::make_shared<redial::internal::AsioScope>(
//       [](std::string, absl::AnyInvocable<void()> work) {
//         return redial::Runtime::Threads().Spawn(std::move(work));
//       });
//   redial::internal::StartAsioOperation<absl::Status>(
//       scope, asio::any_io_executor(io.get_executor()), [](const absl::Status&) {}, "PING",
//       runtime.Now(),
//       [](redial::internal::AsioStart) { return absl::OkStatus(); });
//
// An operation belongs to its scope from its start until its completion begins to run, or is thrown
// away: then the task that ran it is joined. To post the completion to the handler's executor is
// the last thing that the task does, so that joining it there takes no time.
#ifndef REDIAL_ASIO_OPERATION_H_
#define REDIAL_ASIO_OPERATION_H_

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/system_context.hpp>
#include <atomic>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "redial/call.h"
#include "redial/runtime.h"
#include "redial/time.h"

namespace redial::internal {

// What an operation's work is told.
struct AsioStart {
  std::stop_source& stop;
  Instant begun;
};

// One operation, as its scope knows it.
class AsioOperation {
 public:
  virtual ~AsioOperation() = default;
  // Posts `status` to the handler, unless something was posted already. From any thread.
  virtual void Complete(const absl::Status& status) = 0;

  std::stop_source& stop() { return stop_; }

 private:
  friend class AsioScope;

  std::stop_source stop_;
  // The scope's, under its lock.
  const asio::execution_context* context_ = nullptr;  // of the executor that its result goes to
  bool listed_ = false;
  std::list<std::shared_ptr<AsioOperation>>::iterator place_;
  Task task_;
};

// The operations of one `AsioCalls`. Safe between threads.
class AsioScope {
 public:
  using Spawn =
      absl::AnyInvocable<absl::StatusOr<Task>(std::string, absl::AnyInvocable<void()>) const>;

  explicit AsioScope(Spawn spawn) : spawn_(std::move(spawn)) {}

  // Whether `context` is new here.
  bool Meet(const asio::execution_context* context) {
    const std::lock_guard lock(mu_);
    for (const asio::execution_context* known : contexts_) {
      if (known == context) return false;
    }
    contexts_.push_back(context);
    return true;
  }

  void Start(const std::shared_ptr<AsioOperation>& operation,
             const asio::execution_context* context, std::string name,
             absl::AnyInvocable<void()> work) {
    bool closed = false;
    {
      const std::lock_guard lock(mu_);
      closed = closed_;
      if (!closed) {
        operation->context_ = context;
        operation->listed_ = true;
        operation->place_ = operations_.insert(operations_.end(), operation);
      }
    }
    absl::StatusOr<Task> task = absl::CancelledError("the AsioCalls is being destroyed");
    if (!closed) task = spawn_(std::move(name), std::move(work));
    if (!task.ok()) {
      Retire(*operation);
      operation->Complete(task.status());
      return;
    }
    // Where the completion has run already, it found no task: that is joined here, unlocked.
    const std::lock_guard lock(mu_);
    if (operation->listed_) operation->task_ = *std::move(task);
  }

  // Joins the operation's task, and forgets it.
  void Retire(AsioOperation& operation) {
    Task ended;
    std::shared_ptr<AsioOperation> kept;
    const std::lock_guard lock(mu_);
    if (!operation.listed_) return;
    operation.listed_ = false;
    ended = std::move(operation.task_);
    kept = std::move(*operation.place_);
    operations_.erase(operation.place_);
  }

  // Stops what belongs to `context`, or everything and for good, and waits for it.
  void Close(const asio::execution_context* context) {
    std::vector<std::shared_ptr<AsioOperation>> open;
    {
      const std::lock_guard lock(mu_);
      if (context == nullptr) closed_ = true;
      std::erase(contexts_, context);
      for (const auto& operation : operations_) {
        if (context == nullptr || operation->context_ == context) open.push_back(operation);
      }
    }
    for (const auto& operation : open) operation->stop().request_stop();
    for (const auto& operation : open) {
      Task ended;
      {
        const std::lock_guard lock(mu_);
        ended = std::move(operation->task_);
      }
      ended.Join();
      // It has, but where the task was left behind by a runtime that was shut down.
      operation->Complete(absl::CancelledError("left behind by the runtime that ran it"));
    }
  }

 private:
  const Spawn spawn_;
  std::mutex mu_;
  bool closed_ = false;
  std::list<std::shared_ptr<AsioOperation>> operations_;
  std::vector<const asio::execution_context*> contexts_;
};

// Closes the operations that belong to an execution context before it goes.
class AsioScopeService final : public asio::execution_context::service {
 public:
  using key_type = AsioScopeService;
  static inline asio::execution_context::id id;

  explicit AsioScopeService(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  void Watch(const std::shared_ptr<AsioScope>& scope) {
    const std::lock_guard lock(mu_);
    std::erase_if(scopes_, [](const auto& watched) { return watched.expired(); });
    scopes_.push_back(scope);
  }

 private:
  void shutdown() override {
    std::vector<std::weak_ptr<AsioScope>> scopes;
    {
      const std::lock_guard lock(mu_);
      scopes.swap(scopes_);
    }
    for (const auto& watched : scopes) {
      if (const auto scope = watched.lock()) scope->Close(&context());
    }
  }

  std::mutex mu_;
  std::vector<std::weak_ptr<AsioScope>> scopes_;
};

// Whether the executor says which execution context it belongs to, and that is one of its own. A
// future's doesn't, and would leave it to the system where its value is set.
template <class Executor>
constexpr bool KnowsItsContext() {
  if constexpr (asio::can_query<const Executor&, asio::execution::context_t>::value) {
    return !std::is_same_v<decltype(asio::query(std::declval<const Executor&>(),
                                                asio::execution::context)),
                           asio::system_context&>;
  } else {
    return false;
  }
}

// A handler whose result is brought to the executor of the `AsioCalls`, and handed over from there,
// as from one of Asio's own I/O objects.
template <class Handler, class Executor>
struct HandedOver {
  template <class R>
  void operator()(R&& result) {
    asio::dispatch(guard.get_executor(),
                   [called = std::move(handler), with = std::forward<R>(result)]() mutable {
                     std::move(called)(std::move(with));
                   });
  }

  Handler handler;
  asio::executor_work_guard<Executor> guard;
};

template <class R, class Work>
R RunAsioWork(Work& work, AsioStart start) {
#if defined(__cpp_exceptions)
  try {
    return work(start);
  } catch (const std::exception& error) {
    return absl::UnknownError(absl::StrCat("the operation threw: ", error.what()));
  } catch (...) {
    return absl::UnknownError("the operation threw something that is no std::exception");
  }
#else
  return work(start);
#endif
}

template <class R, class Handler, class Executor, class Work>
class TypedAsioOperation final
    : public AsioOperation,
      public std::enable_shared_from_this<TypedAsioOperation<R, Handler, Executor, Work>> {
 public:
  TypedAsioOperation(std::shared_ptr<AsioScope> scope, const Executor& executor, Handler handler,
                     Instant begun, Work work)
      : scope_(std::move(scope)),
        work_guard_(executor),
        handler_(std::move(handler)),
        begun_(begun),
        work_(std::move(work)) {}

  // In the task.
  void Run() {
    R result = RunAsioWork<R>(*work_, {stop(), begun_});
    work_.reset();  // what it captured goes before anyone is told
    Post(std::move(result));
  }

  void Complete(const absl::Status& status) override { Post(R(status)); }

 private:
  // Retires an operation once, at the latest when it goes.
  class Retirement {
   public:
    explicit Retirement(std::shared_ptr<TypedAsioOperation> operation)
        : operation_(std::move(operation)) {}
    Retirement(Retirement&&) noexcept = default;
    Retirement& operator=(Retirement&&) = delete;
    ~Retirement() { Now(); }

    void Now() {
      if (const auto operation = std::move(operation_)) operation->scope_->Retire(*operation);
    }

   private:
    std::shared_ptr<TypedAsioOperation> operation_;
  };

  // No allocator: a handler's own need not stand being called from the task.
  struct Completion {
    using executor_type = Executor;
    executor_type get_executor() const noexcept { return work_guard.get_executor(); }

    void operator()() {
      retirement.Now();
      Handler called(std::move(handler));
      std::move(called)(std::move(result));
    }

    asio::executor_work_guard<Executor> work_guard;
    Handler handler;
    R result;
    Retirement retirement;
  };

  void Post(R result) {
    if (posted_.exchange(true)) return;
    // Not kept here: the guard and the handler go with the completion, whoever holds this.
    Completion completion{std::move(work_guard_), *std::move(handler_), std::move(result),
                          Retirement(this->shared_from_this())};
    handler_.reset();
    asio::post(std::move(completion));
  }

  const std::shared_ptr<AsioScope> scope_;
  asio::executor_work_guard<Executor> work_guard_;
  std::optional<Handler> handler_;
  const Instant begun_;
  std::optional<Work> work_;
  std::atomic<bool> posted_{false};  // whoever raises it owns the handler
};

// Runs `work(AsioStart)` in a task of the scope's, and calls `handler(R)` through `executor`.
template <class R, class Executor, class Handler, class Work>
void StartAsioOperationOn(const std::shared_ptr<AsioScope>& scope, const Executor& executor,
                          Handler handler, asio::cancellation_slot slot, std::string name,
                          Instant begun, Work work) {
  using Operation = TypedAsioOperation<R, Handler, Executor, Work>;
  const auto operation =
      std::make_shared<Operation>(scope, executor, std::move(handler), begun, std::move(work));
  if (slot.is_connected()) {
    slot.assign([stop = operation->stop()](asio::cancellation_type type) mutable {
      using enum asio::cancellation_type;
      if ((type & (terminal | partial)) != none) stop.request_stop();
    });
  }
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  if (scope->Meet(&context)) asio::use_service<AsioScopeService>(context).Watch(scope);
  scope->Start(operation, &context, std::move(name), [operation] { operation->Run(); });
}

// The same through the handler's associated executor, which is `otherwise` where it has none.
template <class R, class Executor, class Handler, class Work>
void StartAsioOperation(const std::shared_ptr<AsioScope>& scope, const Executor& otherwise,
                        Handler handler, std::string name, Instant begun, Work work) {
  using Associated = asio::associated_executor_t<Handler, Executor>;
  const Associated associated = asio::get_associated_executor(handler, otherwise);
  const auto slot = asio::get_associated_cancellation_slot(handler);
  if constexpr (KnowsItsContext<Associated>()) {
    StartAsioOperationOn<R>(scope, associated, std::move(handler), slot, std::move(name), begun,
                            std::move(work));
  } else {
    HandedOver<Handler, Associated> handed_over{std::move(handler),
                                                asio::executor_work_guard<Associated>(associated)};
    StartAsioOperationOn<R>(scope, otherwise, std::move(handed_over), slot, std::move(name), begun,
                            std::move(work));
  }
}

// A call's options, in its task: stopped by the caller's token and by the operation's, named by a
// string of its own, and bound from when the operation began.
class AsioCallOptions {
 public:
  AsioCallOptions(CallOptions options, const std::string& name, AsioStart start)
      : relay_(options.stop, Relay{&start.stop}), options_(std::move(options)) {
    options_.operation = name;
    options_.stop = start.stop.get_token();
    options_.deadline = Earlier(options_.deadline, Deadline::After(start.begun, options_.timeout));
  }
  const CallOptions& get() const { return options_; }

 private:
  struct Relay {
    std::stop_source* stop;
    void operator()() const noexcept { stop->request_stop(); }
  };

  const std::stop_callback<Relay> relay_;
  CallOptions options_;
};

}  // namespace redial::internal

#endif  // REDIAL_ASIO_OPERATION_H_
