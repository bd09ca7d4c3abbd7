#include "redial/socket.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "src/core/format.h"
#include "src/core/status.h"
#include "src/net/operation.h"
#include "src/net/read_buffer.h"
#include "src/net/socket_error.h"
#include "src/net/turn.h"

namespace redial {

using internal::Add;
using internal::BusyStatus;
using internal::Limits;
using internal::Operation;
using internal::Progress;
using internal::ReadBuffer;
using internal::Turn;

// The buffer, and whether a read came short, belong to whoever has the reading turn. The counters
// are relaxed: each is a number that its own direction writes and others only look at.
struct Socket::Impl {
  Impl(std::unique_ptr<Stream> the_stream, Deadline deadline, std::stop_token the_stop)
      : stream(std::move(the_stream)), limits(deadline), stop(std::move(the_stop)) {}

  bool closed() const { return is_closed.load(std::memory_order_acquire); }

  // One operation and the errors it can end in.
  struct Work {
    Work(Impl& socket, Phase the_phase)
        : impl(socket), phase(the_phase), operation(socket.limits, socket.stop) {}

    absl::Status Begin() {
      const bool closed = impl.closed();
      const Operation::Outcome outcome = operation.Begin();
      if (outcome == Operation::Outcome::kGoOn && !closed) [[likely]] {
        return absl::OkStatus();
      }
      return Refuse(outcome);
    }
    // After a try that gave nothing: waits, or says why it won't.
    absl::Status Wait(const Io& io, const Progress& progress) {
      if (io.error != EAGAIN || impl.closed()) [[unlikely]] {
        return Fail(io.error, progress);
      }
      const Operation::Outcome outcome = operation.Wait(io.want);
      if (outcome == Operation::Outcome::kGoOn) [[likely]] {
        return absl::OkStatus();
      }
      return GiveUp(outcome, progress);
    }
    absl::Status Check(const Progress& progress);
    Failure Describe(int error) const;

    // What ends it. Apart from the rest, since what they put on the stack would be in the way of
    // every fiber that waits.
    // Closed, or a limit had passed.
    [[gnu::cold, gnu::noinline]] absl::Status Refuse(Operation::Outcome outcome) const;
    // Closed, or a try failed.
    [[gnu::cold, gnu::noinline]] absl::Status Fail(int error, const Progress& progress) const;
    // A limit passed while it waited.
    [[gnu::cold, gnu::noinline]] absl::Status GiveUp(Operation::Outcome outcome,
                                                     const Progress& progress) const;

    Impl& impl;
    const Phase phase;
    Operation operation;
  };

  // The first try of a read that may wait.
  Io TryRead(absl::Span<char> out) {
    // One that may not is promised a look.
    if (came_short && limits.timeout_nanos() != 0) {
      if (Source* const want = stream->Drained(); want != nullptr) {
        return {.error = EAGAIN, .want = want};
      }
    }
    const Io io = stream->TryRead(out);
    came_short = io.bytes < out.size();
    return io;
  }
  // Goes on after a try that gave nothing.
  absl::StatusOr<size_t> ReadSlowly(Work& work, absl::Span<char> out, const Io& first);
  // Reads more into the buffer; 0 at the end.
  absl::StatusOr<size_t> Fill(Work& work, const Progress& progress);
  absl::Status Write(std::string_view data);

  const std::unique_ptr<Stream> stream;
  Limits limits;
  std::stop_token stop;
  std::atomic<bool> is_closed{false};
  std::atomic<bool> reading{false};
  std::atomic<bool> writing{false};
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> received{0};
  std::atomic<size_t> last_write{0};
  // The last first try gave less than was asked for: a stream that is never drained isn't asked.
  bool came_short = true;
  ReadBuffer buffer;
};

absl::Status Socket::Impl::Work::Refuse(Operation::Outcome outcome) const {
  if (impl.closed()) return internal::IoStatus(EBADF, Describe(EBADF), {});
  return internal::OutcomeStatus(outcome, Describe(0), {});
}

absl::Status Socket::Impl::Work::Fail(int error, const Progress& progress) const {
  if (impl.closed()) error = EBADF;
  if (error == EBUSY) return BusyStatus(phase);
  return internal::IoStatus(error, Describe(error), progress);
}

absl::Status Socket::Impl::Work::GiveUp(Operation::Outcome outcome,
                                        const Progress& progress) const {
  return internal::OutcomeStatus(outcome, Describe(0), progress);
}

absl::Status Socket::Impl::Work::Check(const Progress& progress) {
  const Operation::Outcome outcome = operation.Check();
  return outcome == Operation::Outcome::kGoOn ? absl::OkStatus() : GiveUp(outcome, progress);
}

Failure Socket::Impl::Work::Describe(int error) const {
  Failure failure;
  failure.phase = phase;
  failure.error = error;
  failure.bytes_sent = impl.sent.load(std::memory_order_relaxed);
  failure.bytes_received = impl.received.load(std::memory_order_relaxed);
  failure.elapsed = operation.elapsed();
  failure.address = impl.stream->peer().ToString();
  if (failure.bytes_sent == 0) {
    failure.sent = Sent::kNo;
  } else if (failure.bytes_received > 0 ||
             (phase == Phase::kWrite && error != 0 && impl.stream->HasInput())) {
    // A failed write hides a reply that came before the end: one look tells.
    failure.sent = Sent::kAnswered;
  }
  return failure;
}

absl::StatusOr<size_t> Socket::Impl::ReadSlowly(Work& work, absl::Span<char> out, const Io& first) {
  Io io = first;
  while (io.bytes == 0) {
    if (io.error == 0) return 0;
    if (absl::Status status = work.Wait(io, {}); !status.ok()) return status;
    io = stream->TryRead(out);
  }
  Add(received, io.bytes);
  return io.bytes;
}

absl::StatusOr<size_t> Socket::Impl::Fill(Work& work, const Progress& progress) {
  Io io = TryRead(buffer.Room());
  for (;;) {
    if (io.bytes > 0) {
      Add(received, io.bytes);
      buffer.Fill(io.bytes);
      return io.bytes;
    }
    if (io.error == 0) return 0;
    if (absl::Status status = work.Wait(io, progress); !status.ok()) return status;
    io = stream->TryRead(buffer.Room());
  }
}

absl::Status Socket::Impl::Write(std::string_view data) {
  const Turn turn(writing);
  if (!turn.ours()) return BusyStatus(Phase::kWrite);
  last_write.store(0, std::memory_order_relaxed);
  Work work(*this, Phase::kWrite);
  if (absl::Status status = work.Begin(); !status.ok()) return status;
  size_t done = 0;
  while (done < data.size()) {
    const Progress progress{Progress::Kind::kOfWanted, done, data.size()};
    if (done > 0) {
      if (absl::Status status = work.Check(progress); !status.ok()) return status;
    }
    const Io io = stream->TryWrite(data.substr(done));
    if (io.bytes > 0) {
      done += io.bytes;
      Add(sent, io.bytes);
      last_write.store(done, std::memory_order_relaxed);
      continue;
    }
    if (absl::Status status = work.Wait(io, progress); !status.ok()) return status;
  }
  return absl::OkStatus();
}

Socket::Socket(std::unique_ptr<Stream> stream, Deadline deadline, std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(stream), deadline, std::move(stop))) {}
Socket::Socket(Socket&&) noexcept = default;
Socket& Socket::operator=(Socket&&) noexcept = default;
Socket::~Socket() = default;

absl::StatusOr<size_t> Socket::Read(absl::Span<char> buffer) {
  Impl& s = *impl_;
  const Turn turn(s.reading);
  if (!turn.ours()) [[unlikely]] {
    return BusyStatus(Phase::kRead);
  }
  Impl::Work work(s, Phase::kRead);
  if (absl::Status status = work.Begin(); !status.ok()) [[unlikely]] {
    return status;
  }
  if (!s.buffer.empty() || buffer.empty()) return s.buffer.TakeInto(buffer);
  // Straight to the one system call.
  const Io io = s.TryRead(buffer);
  if (io.bytes > 0) [[likely]] {
    Add(s.received, io.bytes);
    return io.bytes;
  }
  return s.ReadSlowly(work, buffer, io);
}

absl::StatusOr<std::string> Socket::ReadExactly(size_t size) {
  Impl& s = *impl_;
  const Turn turn(s.reading);
  if (!turn.ours()) return BusyStatus(Phase::kRead);
  Impl::Work work(s, Phase::kRead);
  if (absl::Status status = work.Begin(); !status.ok()) return status;
  for (bool first = true; s.buffer.size() < size; first = false) {
    const Progress progress{Progress::Kind::kOfWanted, s.buffer.size(), size};
    if (!first) {
      if (absl::Status status = work.Check(progress); !status.ok()) return status;
    }
    const absl::StatusOr<size_t> more = s.Fill(work, progress);
    if (!more.ok()) return more.status();
    if (*more == 0) return internal::EndStatus(work.Describe(0), progress);
  }
  return s.buffer.Take(size);
}

absl::StatusOr<std::string> Socket::ReadUntil(std::string_view delimiter,
                                              ReadUntilOptions options) {
  if (delimiter.empty()) return absl::InvalidArgumentError("ReadUntil: the delimiter is empty");
  if (options.max_bytes < delimiter.size()) {
    return absl::InvalidArgumentError(absl::StrCat("ReadUntil: max_bytes is ", options.max_bytes,
                                                   "; it must be at least the delimiter's ",
                                                   delimiter.size()));
  }
  Impl& s = *impl_;
  const Turn turn(s.reading);
  if (!turn.ours()) return BusyStatus(Phase::kRead);
  Impl::Work work(s, Phase::kRead);
  if (absl::Status status = work.Begin(); !status.ok()) return status;
  for (size_t from = 0;;) {
    const std::string_view view = s.buffer.view().substr(0, options.max_bytes);
    const size_t at = view.find(delimiter, from);
    if (at != std::string_view::npos) return s.buffer.Take(at + delimiter.size());
    const Progress progress{Progress::Kind::kNoDelimiter, view.size(), 0};
    if (view.size() == options.max_bytes) {
      return internal::FailureStatus(
          absl::StatusCode::kResourceExhausted,
          absl::StrCat("no delimiter within ", internal::Count(options.max_bytes, "byte")),
          work.Describe(0));
    }
    if (view.size() >= delimiter.size()) from = view.size() - delimiter.size() + 1;
    if (!view.empty()) {
      if (absl::Status status = work.Check(progress); !status.ok()) return status;
    }
    const absl::StatusOr<size_t> more = s.Fill(work, progress);
    if (!more.ok()) return more.status();
    if (*more == 0) return internal::EndStatus(work.Describe(0), progress);
  }
}

absl::Status Socket::Write(std::string_view data) { return impl_->Write(data); }

absl::StatusOr<size_t> Socket::TryRead(absl::Span<char> buffer) {
  Impl& s = *impl_;
  const Turn turn(s.reading);
  if (!turn.ours()) return BusyStatus(Phase::kRead);
  Impl::Work work(s, Phase::kRead);
  if (s.closed()) return internal::IoStatus(EBADF, work.Describe(EBADF), {});
  if (!s.buffer.empty() || buffer.empty()) return s.buffer.TakeInto(buffer);
  const Io io = s.stream->TryRead(buffer);
  if (io.bytes == 0 && io.error != 0) {
    if (io.error == EBUSY) return BusyStatus(Phase::kRead);
    return internal::IoStatus(io.error, work.Describe(io.error), {});
  }
  Add(s.received, io.bytes);
  return io.bytes;
}

absl::Status Socket::ShutdownWrite() {
  Impl& s = *impl_;
  const Turn turn(s.writing);
  if (!turn.ours()) return BusyStatus(Phase::kWrite);
  const int error = s.closed() ? EBADF : s.stream->ShutdownWrite();
  if (error == 0) return absl::OkStatus();
  if (error == EBUSY) return BusyStatus(Phase::kWrite);
  return internal::IoStatus(error, Impl::Work(s, Phase::kWrite).Describe(error), {});
}

void Socket::Close() {
  impl_->is_closed.store(true, std::memory_order_release);
  impl_->stream->Close();
}

void Socket::Handshaken() {
  impl_->sent.store(0, std::memory_order_relaxed);
  impl_->received.store(0, std::memory_order_relaxed);
}

absl::Status Socket::set_operation_timeout(absl::Duration timeout) {
  if (absl::Status status = internal::CheckTimeout(timeout); !status.ok()) return status;
  if (impl_->limits.set_timeout_nanos(ToNanos(timeout))) impl_->stream->Poke();
  return absl::OkStatus();
}

absl::Duration Socket::operation_timeout() const {
  return internal::TimeoutFromNanos(impl_->limits.timeout_nanos());
}

void Socket::set_deadline(Deadline deadline) {
  if (impl_->limits.set_deadline(deadline)) impl_->stream->Poke();
}

Deadline Socket::deadline() const { return impl_->limits.deadline(); }
void Socket::set_stop_token(std::stop_token stop) { impl_->stop = std::move(stop); }

uint64_t Socket::bytes_sent() const { return impl_->sent.load(std::memory_order_relaxed); }
uint64_t Socket::bytes_received() const { return impl_->received.load(std::memory_order_relaxed); }
size_t Socket::last_write_bytes() const {
  return impl_->last_write.load(std::memory_order_relaxed);
}

Address Socket::local() const { return impl_->stream->local(); }
Address Socket::peer() const { return impl_->stream->peer(); }
int Socket::fd() const { return impl_->stream->fd(); }

}  // namespace redial
