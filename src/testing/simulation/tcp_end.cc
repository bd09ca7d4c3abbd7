#include "src/testing/simulation/tcp_end.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/sim_host.h"
#include "src/testing/simulation/tcp_connection.h"
#include "src/testing/simulation/tcp_listener.h"

namespace redial::testing::internal {
namespace {

// Where the options leave it to the kernel; less than the kernel's, so that tests needn't write
// megabytes before a writer waits.
constexpr uint64_t kBuffer = 65'536;
constexpr uint64_t kLeastBuffer = 2048;

uint64_t BufferSize(int option) {
  return option == 0 ? kBuffer : std::max<uint64_t>(static_cast<uint64_t>(option), kLeastBuffer);
}

}  // namespace

TcpEnd::TcpEnd(Fabric& fabric, TcpConnection& connection, TcpEnd& peer)
    : fabric_(fabric),
      connection_(connection),
      peer_(peer),
      sender_(fabric.scheduler().events(), *this) {}

void TcpEnd::Prepare(const Setup& setup) {
  host_ = setup.host;
  out_ = setup.out;
  local_ = setup.local;
  remote_ = setup.remote;
  place_ = {host_->number(), local_.port()};
  SetOptions(setup.options);
}

void TcpEnd::SetOptions(const SocketOptions& options) {
  options_ = options;
  user_timeout_ = ToNanos(options.user_timeout);
}

void TcpEnd::Connect() {
  known_ = true;
  state_ = State::kSynSent;
  sender_.SendHandshake(PacketKind::kSyn);
}

int TcpEnd::ConnectResult() {
  switch (state_) {
    case State::kEstablished:
      return 0;
    case State::kIdle:
      return ConnectLocally();
    case State::kSynSent:
    case State::kSynReceived:
      return EAGAIN;
    case State::kClosed:
      break;
  }
  const int error = TakeError();
  return error != 0 ? error : ECONNABORTED;
}

int TcpEnd::TakeError() { return std::exchange(error_, 0); }

Io TcpEnd::Receive(absl::Span<char> buffer) {
  if (const size_t size = std::min(readable_bytes(), buffer.size()); size > 0) {
    peer_.sender_.Read(buffer.data(), size);
    return {.bytes = size};
  }
  if (buffer.empty() || at_end()) return {};
  if (error_ != 0) return {.error = TakeError()};
  if (receive_shut_) return {};
  if (state_ == State::kClosed || state_ == State::kIdle) return {.error = ENOTCONN};
  return {.error = EAGAIN, .want = &readable_};
}

Io TcpEnd::Send(std::string_view data) {
  if (state_ == State::kSynSent) return {.error = EAGAIN, .want = &writable_};
  if (state_ == State::kIdle) return {.error = ENOTCONN};
  if (error_ != 0) return {.error = TakeError()};
  if (send_shut_ || (!remote_.is_ip() && !local_.is_ip() && peer_.user_closed_)) {
    return {.error = EPIPE};
  }
  if (connection_.severed()) {
    // Accepted, and answered with a reset.
    send_shut_ = true;
    return {.bytes = data.size()};
  }
  if (data.empty()) return {};
  const size_t size = sender_.Write(data);
  if (size == 0) return {.error = EAGAIN, .want = &writable_};
  return {.bytes = size};
}

int TcpEnd::ShutdownWrite() {
  if (state_ != State::kEstablished || (sender_.finished() && at_end())) return ENOTCONN;
  send_shut_ = true;
  if (!sender_.finishing()) sender_.Finish();
  return 0;
}

void TcpEnd::Close() {
  if (user_closed_) return;
  user_closed_ = true;
  send_shut_ = receive_shut_ = true;
  if (state_ == State::kEstablished && !HasInput()) {
    // Whoever ends it first remembers it for a while (TIME_WAIT).
    if (!connection_.is_client(*this) && !at_end()) host_->Linger(local_.port());
    if (!sender_.finishing()) sender_.Finish();
  } else {
    // The peer is told that its bytes weren't read.
    if (state_ == State::kEstablished) sender_.SendOnce(PacketKind::kReset);
    Forget();
  }
  fabric_.Settle(connection_);
}

void TcpEnd::Forget() {
  known_ = false;
  state_ = State::kClosed;
  sender_.Stop();
  if (listener_ != nullptr) listener_->Drop(*this);
}

void TcpEnd::Break(int error) {
  if (state_ == State::kClosed) return;
  if (!user_closed_) error_ = error;
  receive_shut_ = send_shut_ = true;
  const bool established = state_ == State::kEstablished;
  known_ = false;
  state_ = State::kClosed;
  sender_.Stop();
  // One that was never accepted still can be, and tells what befell it.
  if (listener_ != nullptr && !established) listener_->Drop(*this);
  readable_.Set();
  writable_.Set();
}

void TcpEnd::BreakBoth() {
  sender_.SendOnce(PacketKind::kReset);
  Break(ECONNRESET);
}

void TcpEnd::EndBoth() {
  connection_.Sever();
  for (TcpSender* sender : {&sender_, &peer_.sender_}) {
    if (!sender->finishing()) sender->Finish();
  }
}

void TcpEnd::Arrive(const Segment& segment) {
  if (!host_->up() || deaf_) {
    peer_.sender_.Lost(segment);
    return;
  }
  if (segment.kind == PacketKind::kSyn) {
    ArriveSyn(segment);
    return;
  }
  if (!known_) {
    if (segment.kind != PacketKind::kReset) sender_.SendOnce(PacketKind::kReset);
    return;
  }
  sender_.Heard(fabric_.now());
  switch (segment.kind) {
    case PacketKind::kReset:
      ArriveReset();
      break;
    case PacketKind::kSynAck:
      if (state_ == State::kSynSent) Establish();
      sender_.SendOnce(PacketKind::kAck);
      break;
    case PacketKind::kAck:
      if (state_ == State::kSynReceived) Establish();
      break;
    default:
      if (state_ == State::kSynReceived) Establish();
      ArriveData(segment);
      break;
  }
}

void TcpEnd::ArriveSyn(const Segment&) {
  if (state_ == State::kSynReceived) {
    sender_.SendOnce(PacketKind::kSynAck);
    return;
  }
  if (state_ != State::kIdle) return;
  if (host_->ignores(local_)) return;
  TcpListener* const listener = host_->FindListener(local_);
  if (listener == nullptr) {
    sender_.SendOnce(PacketKind::kReset);
    return;
  }
  if (listener->full()) {
    fabric_.Record(PacketKind::kSyn, PacketFate::kDropped, peer_.place(), place(), 0);
    return;
  }
  JoinBacklog(*listener);
  state_ = State::kSynReceived;
  sender_.SendHandshake(PacketKind::kSynAck);
}

void TcpEnd::JoinBacklog(TcpListener& listener) {
  SetOptions(listener.options().socket);
  sender_.SetLimits(BufferSize(options_.send_buffer), BufferSize(peer_.options_.receive_buffer));
  peer_.sender_.SetLimits(BufferSize(peer_.options_.send_buffer),
                          BufferSize(options_.receive_buffer));
  known_ = held_ = true;
  listener_ = &listener;
  listener.Reserve(*this);
}

int TcpEnd::ConnectLocally() {
  TcpListener* const listener = host_->FindListener(remote_);
  if (listener == nullptr) {
    const bool named = remote_.path().front() == '/';
    return named && !host_->HasPath(remote_.path()) ? ENOENT : ECONNREFUSED;
  }
  if (listener->full()) return EAGAIN;
  known_ = true;
  peer_.JoinBacklog(*listener);
  fabric_.Record(PacketKind::kSyn, PacketFate::kSent, place(), peer_.place(), 0);
  Establish();
  peer_.Establish();
  return 0;
}

void TcpEnd::Establish() {
  state_ = State::kEstablished;
  sender_.Connected();
  if (listener_ != nullptr) listener_->Complete(*this);
  writable_.Set();
}

void TcpEnd::ArriveData(const Segment& segment) {
  TcpSender& from = peer_.sender_;
  sender_.Acknowledged(segment.acknowledges);
  if (user_closed_ && from.BringsBytes(segment)) {
    sender_.SendOnce(PacketKind::kReset);
    Forget();
    return;
  }
  from.Arrived(segment);
  readable_.Set();
}

void TcpEnd::ArriveReset() {
  if (state_ == State::kSynSent) {
    Break(ECONNREFUSED);
  } else {
    // The peer had closed, and what was sent after that was too late (tcp_reset).
    Break(at_end() && !sender_.finishing() ? EPIPE : ECONNRESET);
  }
}

}  // namespace redial::testing::internal
