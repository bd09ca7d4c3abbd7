#include "src/testing/simulation/sim_stream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/sim_host.h"
#include "src/testing/simulation/tcp_connection.h"

namespace redial::testing::internal {
namespace {

bool EndsConnection(int error) {
  return error == ECONNRESET || error == ETIMEDOUT || error == ECONNABORTED;
}

}  // namespace

Io SimStream::Unusable() {
  if (process_.dead()) process_.CountAfterDeath();
  return {.error = EBADF};
}

// Keeps what ended the connection, and counts tries that gave nothing.
Io SimStream::Told(Io io) {
  if (io.error == EAGAIN) {
    process_.CountFutile();
  } else if (EndsConnection(io.error)) {
    latched_ = io.error;
  }
  return io;
}

Io SimStream::FinishConnect() {
  if (!usable()) return Unusable();
  const int error = end_.ConnectResult();
  if (error != EAGAIN) return {.error = error};
  // A Unix socket that waits for room in the backlog isn't told of it.
  const bool told = end_.state() == TcpEnd::State::kSynSent;
  return {.error = EAGAIN, .want = told ? &end_.writable() : nullptr};
}

Injection SimStream::Ask(Operation operation, uint64_t offset, size_t size) {
  TcpConnection& connection = end_.connection();
  return end_.fabric().injector()->On({.operation = operation,
                                       .host = process_.host(),
                                       .at = process_.Now(),
                                       .connection = connection.number(),
                                       .client = connection.is_client(end_),
                                       .offset = offset,
                                       .size = size});
}

Io SimStream::TryRead(absl::Span<char> buffer) {
  if (!usable()) return Unusable();
  if (end_.fabric().injector() != nullptr && !buffer.empty() && end_.HasInput()) {
    const size_t size = std::min(buffer.size(), end_.readable_bytes());
    const Injection injection = Ask(Operation::kRead, end_.peer().sender().read_bytes(), size);
    if (injection.kind != Injection::Kind::kNone) return InjectIntoRead(injection, buffer);
  }
  Io io = end_.Receive(buffer);
  if (io.bytes == 0 && io.error == 0 && !buffer.empty()) io.error = latched_;
  return Told(io);
}

Io SimStream::TryWrite(std::string_view data) {
  if (!usable()) return Unusable();
  if (end_.fabric().injector() != nullptr && !data.empty() && end_.can_send()) {
    const Injection injection = Ask(Operation::kWrite, end_.sender().written_bytes(), data.size());
    if (injection.kind != Injection::Kind::kNone) return InjectIntoWrite(injection, data);
  }
  return Told(end_.Send(data));
}

void SimStream::Strike(Injection::Kind kind) {
  switch (kind) {
    case Injection::Kind::kReset:
      end_.BreakBoth();
      break;
    case Injection::Kind::kClose:
      end_.EndBoth();
      break;
    case Injection::Kind::kStall:
      end_.connection().Cut();
      end_.fabric().Suspect();
      break;
    case Injection::Kind::kNone:
    case Injection::Kind::kRefuse:
    case Injection::Kind::kShort:
      break;
  }
}

void SimStream::InjectIntoAccept() { Strike(Ask(Operation::kAccept, 0, 0).kind); }

Io SimStream::InjectIntoRead(const Injection& injection, absl::Span<char> buffer) {
  if (injection.kind == Injection::Kind::kShort) {
    buffer = buffer.first(std::clamp<size_t>(injection.after, 1, buffer.size()));
  }
  Strike(injection.kind);
  return Told(end_.Receive(buffer));
}

Io SimStream::InjectIntoWrite(const Injection& injection, std::string_view data) {
  if (injection.kind == Injection::Kind::kRefuse) return Told(end_.Send(data));
  const bool is_short = injection.kind == Injection::Kind::kShort;
  const size_t passes = std::clamp<size_t>(injection.after, is_short ? 1 : 0, data.size());
  Io io;
  if (passes > 0) io = Told(end_.Send(data.substr(0, passes)));
  if (is_short || io.error != 0) return io;
  Strike(injection.kind);
  return passes > 0 ? io : Told(end_.Send(data));
}

void SimStream::Close() {
  if (closed_) return;
  closed_ = true;
  end_.set_held(false);
  end_.Close();
  Poke();
}

void SimStream::Poke() {
  end_.readable().Set();
  end_.writable().Set();
}

SimAcceptor::~SimAcceptor() {
  Close();
  const Address& local = listener_->local();
  // As the kernel's listener takes its path away; a process that crashed no longer can.
  const bool in_file_system = local.family() == Address::Family::kUnix && local.path()[0] == '/';
  if (in_file_system && !process_.dead()) listener_->host().RemovePath(local.path());
}

Acceptor::Result SimAcceptor::TryAccept() {
  if (process_.dead()) process_.CountAfterDeath();
  if (process_.dead() || listener_->closed()) return {.stream = nullptr, .error = EBADF};
  TcpEnd* const end = listener_->Accept();
  if (end == nullptr) {
    process_.CountFutile();
    return {.stream = nullptr, .error = EAGAIN, .want = &listener_->readable()};
  }
  auto stream = std::make_unique<SimStream>(process_, *end);
  if (end->fabric().injector() != nullptr) stream->InjectIntoAccept();
  return {.stream = std::move(stream)};
}

void SimAcceptor::Close() { listener_->Close(); }

}  // namespace redial::testing::internal
