#include "redial/listener.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "redial/failure.h"
#include "src/net/operation.h"
#include "src/net/socket_error.h"

namespace redial {

using internal::Operation;

struct Listener::Impl {
  explicit Impl(std::unique_ptr<Acceptor> the_acceptor) : acceptor(std::move(the_acceptor)) {}

  Failure Describe(const Operation& operation) const {
    Failure failure;
    failure.phase = Phase::kAccept;
    failure.sent = Sent::kNo;
    failure.elapsed = operation.elapsed();
    failure.address = acceptor->local().ToString();
    return failure;
  }

  // After a try that gave nothing: waits, or says why it won't.
  absl::Status Wait(Operation& operation, const Acceptor::Result& result) {
    int error = result.error;
    if (closed.load(std::memory_order_acquire)) error = EBADF;
    if (error != EAGAIN) return internal::IoStatus(error, Describe(operation), {});
    const Operation::Outcome outcome = operation.Wait(result.want);
    if (outcome == Operation::Outcome::kGoOn) return absl::OkStatus();
    return internal::OutcomeStatus(outcome, Describe(operation), {});
  }

  const std::unique_ptr<Acceptor> acceptor;
  internal::Limits limits{Deadline::Never()};
  std::atomic<bool> closed{false};
  std::atomic<int> accepting{0};
};

namespace {

// Counts the threads in `Accept`. Sequentially consistent: a thread that is counted late comes to
// its try after the other's look at the count, and so finds what the other left.
class Accepting {
 public:
  explicit Accepting(std::atomic<int>& count) : count_(count) { count_.fetch_add(1); }
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;
  ~Accepting() { count_.fetch_sub(1); }
  bool alone() const { return count_.load() == 1; }

 private:
  std::atomic<int>& count_;
};

}  // namespace

absl::StatusOr<Listener> Listener::Listen(const Address& address, const ListenOptions& options,
                                          Network& network) {
  absl::StatusOr<std::unique_ptr<Acceptor>> acceptor = network.Listen(address, options);
  if (!acceptor.ok()) return acceptor.status();
  return Listener(*std::move(acceptor));
}

Listener::Listener(std::unique_ptr<Acceptor> acceptor)
    : impl_(std::make_unique<Impl>(std::move(acceptor))) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

absl::StatusOr<Socket> Listener::Accept(Deadline deadline, std::stop_token stop) {
  Impl& l = *impl_;
  Operation operation(l.limits, stop, deadline);
  if (const Operation::Outcome outcome = operation.Begin(); outcome != Operation::Outcome::kGoOn) {
    return internal::OutcomeStatus(outcome, l.Describe(operation), {});
  }
  const Accepting accepting(l.accepting);
  for (;;) {
    Acceptor::Result result = l.acceptor->TryAccept();
    if (result.stream != nullptr) {
      // One report of the source ended one wait; more connections may have come with it.
      if (!accepting.alone()) l.acceptor->Poke();
      return Socket(std::move(result.stream));
    }
    if (absl::Status status = l.Wait(operation, result); !status.ok()) return status;
  }
}

absl::Status Listener::set_operation_timeout(absl::Duration timeout) {
  if (absl::Status status = internal::CheckTimeout(timeout); !status.ok()) return status;
  if (impl_->limits.set_timeout_nanos(ToNanos(timeout))) impl_->acceptor->Poke();
  return absl::OkStatus();
}

absl::Duration Listener::operation_timeout() const {
  return internal::TimeoutFromNanos(impl_->limits.timeout_nanos());
}

void Listener::Close() {
  impl_->closed.store(true, std::memory_order_release);
  impl_->acceptor->Close();
}

Address Listener::local() const { return impl_->acceptor->local(); }

}  // namespace redial
