#include "redial/datagram.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "src/net/datagram_error.h"
#include "src/net/operation.h"
#include "src/net/socket_error.h"
#include "src/net/turn.h"

namespace redial {

using internal::Add;
using internal::BusyStatus;
using internal::Limits;
using internal::Operation;
using internal::Turn;

// The counters are relaxed: each is a number that its own direction writes and others only look at.
struct Datagram::Impl {
  Impl(std::unique_ptr<DatagramEndpoint> the_endpoint, Deadline deadline, std::stop_token the_stop)
      : endpoint(std::move(the_endpoint)),
        peer(endpoint->peer()),
        limits(deadline),
        stop(std::move(the_stop)) {}

  bool connected() const { return peer.family() != Address::Family::kNone; }
  bool closed() const { return is_closed.load(std::memory_order_acquire); }

  // One operation and the errors it can end in. `to` is whom it is about.
  struct Work {
    Work(Impl& socket, Phase the_phase, const Address& the_other)
        : impl(socket), phase(the_phase), other(the_other), operation(socket.limits, socket.stop) {}

    absl::Status Begin() {
      const bool closed = impl.closed();
      const Operation::Outcome outcome = operation.Begin();
      if (outcome == Operation::Outcome::kGoOn && !closed) [[likely]] {
        return absl::OkStatus();
      }
      return closed ? Failed(EBADF) : Ended(outcome);
    }
    // After a try that gave nothing: waits, or says why it won't. `size` is what was to be sent.
    absl::Status Wait(const DatagramIo& io, size_t size);
    absl::Status Ended(Operation::Outcome outcome) const;
    absl::Status Failed(int error, size_t size = 0) const;
    Failure Describe() const;
    absl::Status Told(absl::Status status) const;

    Impl& impl;
    const Phase phase;
    const Address& other;
    Operation operation;
  };

  absl::Status Send(std::string_view data, const Address* to);
  absl::StatusOr<size_t> Receive(absl::Span<char> buffer, Address* from);
  absl::StatusOr<size_t> Take(const Work& work, const DatagramIo& io, size_t room);

  const std::unique_ptr<DatagramEndpoint> endpoint;
  const Address peer;
  Limits limits;
  std::stop_token stop;
  std::atomic<bool> is_closed{false};
  std::atomic<bool> receiving{false};
  std::atomic<bool> sending{false};
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> received_bytes{0};
};

absl::Status Datagram::Impl::Work::Wait(const DatagramIo& io, size_t size) {
  if (impl.closed()) return Failed(EBADF);
  if (io.error == EBUSY) return BusyStatus(phase);
  if (io.error != EAGAIN) return Failed(io.error, size);
  const Operation::Outcome outcome = operation.Wait(io.want);
  return outcome == Operation::Outcome::kGoOn ? absl::OkStatus() : Ended(outcome);
}

absl::Status Datagram::Impl::Work::Ended(Operation::Outcome outcome) const {
  return Told(internal::OutcomeStatus(outcome, Describe(), {}));
}

absl::Status Datagram::Impl::Work::Failed(int error, size_t size) const {
  return Told(internal::DatagramStatus(error, Describe(), size));
}

absl::Status Datagram::Impl::Work::Told(absl::Status status) const {
  if (other.family() != Address::Family::kNone) return status;
  return internal::OnSocket(status, impl.endpoint->local());
}

Failure Datagram::Impl::Work::Describe() const {
  Failure failure;
  failure.phase = phase;
  failure.bytes_sent = impl.sent_bytes.load(std::memory_order_relaxed);
  failure.bytes_received = impl.received_bytes.load(std::memory_order_relaxed);
  failure.elapsed = operation.elapsed();
  failure.address = other.ToString();
  // By datagrams, not by bytes: one may have none. That one was refused proves nothing either: the
  // network may have delivered another copy of it.
  if (impl.sent.load(std::memory_order_relaxed) == 0) {
    failure.sent = Sent::kNo;
  } else if (impl.received.load(std::memory_order_relaxed) > 0) {
    failure.sent = Sent::kAnswered;
  }
  return failure;
}

absl::Status Datagram::Impl::Send(std::string_view data, const Address* to) {
  const Turn turn(sending);
  if (!turn.ours()) return BusyStatus(Phase::kWrite);
  Work work(*this, Phase::kWrite, to != nullptr ? *to : peer);
  if (absl::Status status = work.Begin(); !status.ok()) [[unlikely]] {
    return status;
  }
  for (;;) {
    const DatagramIo io = endpoint->TrySend(data, to);
    if (io.error == 0) [[likely]] {
      Add(sent, 1);
      Add(sent_bytes, data.size());
      return absl::OkStatus();
    }
    if (absl::Status status = work.Wait(io, data.size()); !status.ok()) return status;
  }
}

absl::StatusOr<size_t> Datagram::Impl::Receive(absl::Span<char> buffer, Address* from) {
  const Turn turn(receiving);
  if (!turn.ours()) return BusyStatus(Phase::kRead);
  Work work(*this, Phase::kRead, peer);
  if (absl::Status status = work.Begin(); !status.ok()) [[unlikely]] {
    return status;
  }
  for (;;) {
    const DatagramIo io = endpoint->TryReceive(buffer, from);
    if (io.error == 0) [[likely]] {
      return Take(work, io, buffer.size());
    }
    if (absl::Status status = work.Wait(io, 0); !status.ok()) return status;
  }
}

absl::StatusOr<size_t> Datagram::Impl::Take(const Work& work, const DatagramIo& io, size_t room) {
  Add(received, 1);
  Add(received_bytes, io.bytes);
  if (io.size <= io.bytes) [[likely]] {
    return io.bytes;
  }
  return work.Told(internal::CutStatus(work.Describe(), io.size, room));
}

absl::StatusOr<Datagram> Datagram::Bind(const Address& local, const DatagramOptions& options,
                                        Network& network) {
  auto endpoint = network.OpenDatagram(local, Address(), options);
  if (!endpoint.ok()) return endpoint.status();
  return Datagram(*std::move(endpoint));
}

Datagram::Datagram(std::unique_ptr<DatagramEndpoint> endpoint, Deadline deadline,
                   std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(endpoint), deadline, std::move(stop))) {}
Datagram::Datagram(Datagram&&) noexcept = default;
Datagram& Datagram::operator=(Datagram&&) noexcept = default;
Datagram::~Datagram() = default;

absl::Status Datagram::Send(std::string_view data) {
  if (!impl_->connected()) return internal::MisdirectedStatus(Address(), Address());
  return impl_->Send(data, nullptr);
}

absl::Status Datagram::SendTo(std::string_view data, const Address& to) {
  if (impl_->connected()) return internal::MisdirectedStatus(impl_->peer, to);
  if (to.family() == Address::Family::kNone || (to.is_ip() && to.port() == 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("SendTo: \"", to.ToString(), "\" is no address that can be sent to"));
  }
  return impl_->Send(data, &to);
}

absl::StatusOr<size_t> Datagram::Receive(absl::Span<char> buffer) {
  return impl_->Receive(buffer, nullptr);
}

absl::StatusOr<DatagramReceived> Datagram::ReceiveFrom(absl::Span<char> buffer) {
  DatagramReceived received;
  const absl::StatusOr<size_t> size = impl_->Receive(buffer, &received.from);
  if (!size.ok()) return size.status();
  received.size = *size;
  return received;
}

absl::StatusOr<DatagramReceived> Datagram::TryReceive(absl::Span<char> buffer) {
  Impl& s = *impl_;
  const Turn turn(s.receiving);
  if (!turn.ours()) return BusyStatus(Phase::kRead);
  const Impl::Work work(s, Phase::kRead, s.peer);
  if (s.closed()) return work.Failed(EBADF);
  DatagramReceived received;
  const DatagramIo io = s.endpoint->TryReceive(buffer, &received.from);
  if (io.error == EBUSY) return BusyStatus(Phase::kRead);
  if (io.error != 0) return work.Failed(io.error);
  const absl::StatusOr<size_t> size = s.Take(work, io, buffer.size());
  if (!size.ok()) return size.status();
  received.size = *size;
  return received;
}

void Datagram::Close() {
  impl_->is_closed.store(true, std::memory_order_release);
  impl_->endpoint->Close();
}

void Datagram::Handshaken() {
  for (std::atomic<uint64_t>* count :
       {&impl_->sent, &impl_->received, &impl_->sent_bytes, &impl_->received_bytes}) {
    count->store(0, std::memory_order_relaxed);
  }
}

absl::Status Datagram::set_operation_timeout(absl::Duration timeout) {
  if (absl::Status status = internal::CheckTimeout(timeout); !status.ok()) return status;
  if (impl_->limits.set_timeout_nanos(ToNanos(timeout))) impl_->endpoint->Poke();
  return absl::OkStatus();
}

absl::Duration Datagram::operation_timeout() const {
  return internal::TimeoutFromNanos(impl_->limits.timeout_nanos());
}

void Datagram::set_deadline(Deadline deadline) {
  if (impl_->limits.set_deadline(deadline)) impl_->endpoint->Poke();
}

Deadline Datagram::deadline() const { return impl_->limits.deadline(); }
void Datagram::set_stop_token(std::stop_token stop) { impl_->stop = std::move(stop); }

uint64_t Datagram::datagrams_sent() const { return impl_->sent.load(std::memory_order_relaxed); }
uint64_t Datagram::datagrams_received() const {
  return impl_->received.load(std::memory_order_relaxed);
}
uint64_t Datagram::bytes_sent() const { return impl_->sent_bytes.load(std::memory_order_relaxed); }
uint64_t Datagram::bytes_received() const {
  return impl_->received_bytes.load(std::memory_order_relaxed);
}

Address Datagram::local() const { return impl_->endpoint->local(); }
Address Datagram::peer() const { return impl_->peer; }
int Datagram::fd() const { return impl_->endpoint->fd(); }

}  // namespace redial
